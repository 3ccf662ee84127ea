"""Sets of rows: as bytes for the log, as text for people."""

from __future__ import annotations

import re
import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.errors import InputError

_LEVEL = 1  # level 9 takes ten times as long and saves a tenth
_FAR = 2**32


def row_set(rows: ArrayLike, n_rows: int) -> NDArray[np.int64]:
    """Return rows sorted, each once."""
    given = np.atleast_1d(np.asarray(rows))
    if given.ndim != 1 or not given.size:
        raise InputError("no rows were given: give at least one")
    if given.dtype.kind not in "iu":
        raise InputError(f"rows are {given.dtype}, but must be whole numbers")
    found = np.unique(given).astype(np.int64)
    if found[0] < 0 or found[-1] >= n_rows:
        wrong = found[0] if found[0] < 0 else found[-1]
        raise InputError(f"row {wrong}, but the rows are numbered 0 to {n_rows - 1}")
    return found


def pack(rows: NDArray[np.int64]) -> bytes:
    """Return sorted distinct rows as bytes: zlib of their differences, uint32, little-endian.

    The first difference is that to −1, so that none is 0.

    >>> unpack(pack(np.array([0, 1, 2, 900]))).tolist()
    [0, 1, 2, 900]
    """
    steps = np.diff(rows, prepend=-1)
    if len(steps) and (steps.min() < 1 or steps.max() >= _FAR):
        raise ValueError("rows to pack must be sorted, distinct, and less than 2^32 apart")
    return zlib.compress(steps.astype("<u4").tobytes(), _LEVEL)


def unpack(data: bytes, n_rows: int = _FAR) -> NDArray[np.int64]:
    unpacking = zlib.decompressobj()
    try:
        found = unpacking.decompress(data, 4 * n_rows + 1)  # a few bytes can stand for many
    except zlib.error as error:
        raise ValueError(f"no packed rows: {error}") from None
    if not unpacking.eof:
        raise ValueError("packed rows are cut short, or too many")
    rows = np.cumsum(np.frombuffer(found, "<u4").astype(np.int64)) - 1
    if len(rows) and rows[-1] >= n_rows:
        raise ValueError(f"row {rows[-1]} of {n_rows}")
    return rows


def rows_text(rows: NDArray[np.int64]) -> str:
    """Write sorted distinct rows for people: ``0-2,900``.

    >>> rows_text(np.array([0, 1, 2, 7, 900, 901]))
    '0-2,7,900-901'
    """
    ends = np.flatnonzero(np.diff(rows) != 1)
    first = rows[np.concatenate([[0], ends + 1])] if len(rows) else rows
    last = rows[np.concatenate([ends, [len(rows) - 1]])] if len(rows) else rows
    pairs = zip(first.tolist(), last.tolist(), strict=True)
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs)


def parse_rows(text: str, n_rows: int) -> NDArray[np.int64]:
    """Read what `rows_text` wrote.

    >>> parse_rows("7, 0-2", 10).tolist()
    [7, 0, 1, 2]
    """
    found = []
    for word in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,15})\s*(?:-\s*(\d{1,15})\s*)?", word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise InputError(f"{text!r:.60} are not rows: give numbers such as 17,20-29")
        if last >= n_rows:
            raise InputError(f"row {last}, but the rows are numbered 0 to {n_rows - 1}")
        found.append(np.arange(first, last + 1, dtype=np.int64))
    return np.concatenate(found)
