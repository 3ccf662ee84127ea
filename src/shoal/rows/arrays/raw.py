"""Raw binary rows of a given shape and dtype: one file, or a folder of shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.pixels import show
from shoal.rows.handles import readable
from shoal.rows.store import FileStore, part_of
from shoal.storage import is_remote

_SIDES = (8, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 224, 256)


def raw_store(
    paths: Sequence[Path], shape: tuple[int, ...], dtype: str | None, offset: int = 0
) -> FileStore:
    """Open raw files one after the other as rows of `shape` and `dtype` (default ``uint8``)."""
    kind = parse_dtype(dtype)
    row_bytes = int(np.prod(shape)) * kind.itemsize
    parts = []
    for path in paths:
        with readable(path):
            part = part_of(path, 0, offset)
            if not is_remote(path):
                path.open("rb").close()
        size = part.size - offset
        if size < 0 or size % row_bytes:
            raise SourceError(_size_message(path, max(size, 0), shape, kind))
        parts.append(replace(part, n_rows=size // row_bytes))
    if not any(part.n_rows for part in parts):
        raise SourceError(f"{paths[0]} is empty" if len(paths) == 1 else "all raw files are empty")
    return FileStore(tuple(parts), kind, shape, named=True)


def parse_dtype(dtype: str | None) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype or "uint8")
    except TypeError:
        found = np.dtype("O")
    if found.kind not in "buif":
        raise InputError(f"--dtype {dtype} is not a number type: give uint8, >u2, float32 or such")
    return found


def _size_message(path: Path, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> str:
    row = int(np.prod(shape)) * dtype.itemsize
    text = (
        f"{path} has {size:,} bytes, not a multiple of {show(shape)} {dtype} rows of {row:,} "
        f"bytes: {size // row:,} rows and {size % row:,} bytes left over"
    )
    fitting = fitting_shapes(size, shape, dtype.itemsize)
    if fitting:
        listed = ", ".join(",".join(map(str, fit)) for fit in fitting)
        return f"{text} (--shape {listed} would fit)"
    return f"{text} (no usual shape fits: is --dtype right, or the file cut off or with a header?)"


def fitting_shapes(size: int, shape: tuple[int, ...], itemsize: int) -> list[tuple[int, ...]]:
    """Return up to four usual shapes that fill a file of `size` bytes, nearest to `shape` first."""
    tried = [(side, side, c) for side in _SIDES for c in (1, 3)]
    fits = [s for s in tried if size >= np.prod(s) and size % (int(np.prod(s)) * itemsize) == 0]
    wanted = np.log(np.prod(shape))
    fits.sort(key=lambda s: abs(np.log(np.prod(s)) - wanted))
    return [s[:2] if s[2] == 1 else s for s in fits[:4]]
