"""Copies of other rows, which are left out of the summary so that each group counts once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.storage import StageFolder, fingerprint, read_npy, write_npy

_COLUMNS = ("group", "source", "row", "kind")


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Copies:
    """Rows that are copies, ascending, each with the kept row of its group; (c,) int64."""

    rows: NDArray[np.int64] = field(default_factory=_none)
    kept: NDArray[np.int64] = field(default_factory=_none)

    @property
    def depends_on(self) -> dict[str, Any]:
        """What results without the copies depend on; empty if there are none."""
        if not len(self.rows):
            return {}
        return {"copies": fingerprint(self.rows.tobytes().hex(), self.kept.tobytes().hex())}

    def among(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the copies whose kept row is also among `rows`, ascending, and that row."""
        both = np.isin(self.rows, rows) & np.isin(self.kept, rows)
        return self.rows[both], self.kept[both]

    def write(self, folder: StageFolder) -> None:
        if len(self.rows):
            write_npy(folder.whole("copies"), self.rows)


def aside(
    folder: StageFolder, rows: NDArray[np.int64], start: int, known: bool
) -> NDArray[np.bool_]:
    """Return which rows, given as places in a shard that begins at `start`, are copies."""
    if not known:
        return np.zeros(len(rows), np.bool_)
    copies = read_npy(folder.whole("copies"), mmap=True)
    at = np.searchsorted(copies, rows + start)
    found: NDArray[np.bool_] = copies[np.minimum(at, len(copies) - 1)] == rows + start
    return found


def read_copies(path: Path, n_rows: int) -> Copies:
    """Read the groups that ``shoal duplicates -o`` wrote.

    Parameters
    ----------
    path
        A Parquet or CSV file with the columns ``group``, ``source``, ``row`` and ``kind`` (``kept``
        once per group).
    n_rows
        Rows of the source to be fitted.

    Raises
    ------
    InputError
        When the file is not such a table, or does not match the source.
    """
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    try:
        read = pq.read_table if path.suffix.lower() == ".parquet" else pa.csv.read_csv
        table = read(path)
        group, source, row, kind = (table[name].to_numpy() for name in _COLUMNS)
        group, source, row = (np.asarray(one, np.int64) for one in (group, source, row))
    except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"--duplicates {path} is not an output of shoal duplicates -o: {error}"
        ) from None
    if source.any():
        raise InputError(
            f"--duplicates {path} compares two sources: give the groups within this one"
        )
    if len(row) and (row.min() < 0 or row.max() >= n_rows or len(np.unique(row)) < len(row)):
        raise InputError(
            f"--duplicates {path} does not match the source: it refers to row {row.max():,}, but "
            f"there are {n_rows:,} rows"
        )
    first = kind == "kept"
    groups, at = np.unique(group[first], return_index=True)
    if len(groups) < first.sum() or not np.isin(group, groups).all():
        raise InputError(
            f"--duplicates {path} is damaged: every group must have exactly one kept row"
        )
    order = np.flatnonzero(~first)[np.argsort(row[~first])]
    return Copies(row[order], row[first][at][np.searchsorted(groups, group[order])])
