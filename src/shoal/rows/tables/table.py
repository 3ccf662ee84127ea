"""Cells of a table as Arrow tables, some rows at a time: the base for CSV, Parquet and frames."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.base import spread
from shoal.rows.tables.cells import shortened

Piece = tuple[Any, dict[int, str]]
"""An Arrow table, and reasons for its unreadable rows."""


class Cells(ABC):
    """The cells of a table: picklable, readable from any thread or process."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the columns of plain values, all different."""

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    def decimal(self) -> str:
        """Decimal sign of numbers in text."""
        return "."

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the columns that hold lists or bytes."""
        return ()

    @property
    def is_remote(self) -> bool:
        """Whether reads go over a network."""
        return False

    @property
    def file_ends(self) -> tuple[int, ...]:
        """The row after the last of each file."""
        return (self.n_rows,)

    @abstractmethod
    def pieces(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Piece]:
        """Yield columns of rows ``start..stop``, some megabytes at a time.

        Unreadable rows are null or empty, and have a reason by their position in the piece.
        """

    def batches(self, start: int, stop: int, column: str) -> Iterator[Piece]:
        """Yield one column as `pieces` does, but let other threads read in between."""
        return self.pieces(start, stop, (column,))

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """Return JSON-able facts that change when the data change."""

    def only(self, columns: Sequence[str]) -> Cells:
        """Return the same rows, limited to these columns."""
        return self

    def cells(self, start: int, stop: int, columns: Sequence[str], *, whole: bool = False) -> Piece:
        """Return columns of rows ``start..stop``, and reasons for unreadable rows.

        Long texts are cut (see `shortened`) unless `whole`.
        """
        found, bad, at = list[Any](), dict[int, str](), 0
        for table, reasons in self.pieces(start, stop, columns):
            found.append(table if whole else shortened(table))
            bad |= {at + row: reason for row, reason in reasons.items()}
            at += len(table)
        found = found or [unread(columns, 0)]
        return pa.concat_tables(found, promote_options="permissive"), bad

    def places(self, start: int, stop: int) -> list[str] | None:
        """Return names of rows by file and row, if there are several files."""
        return None

    def some(self, count: int) -> NDArray[np.int64]:
        """Return up to `count` rows from all over that are fast to read together."""
        return spread(self.n_rows, count)

    def count_values(self, column: str) -> int:
        """Return the number of entries of a column of lists, or of rows if that is unknown."""
        return self.n_rows

    def texts(self, start: int, stop: int, column: str) -> list[str]:
        """Return a column as text, empty for missing cells."""
        values = self.cells(start, stop, [column])[0].column(0).to_pylist()
        return ["" if value is None else str(value).strip() for value in values]


def selected(table: Any, columns: Sequence[str]) -> Any:
    """Return columns of an Arrow table; ``a.b`` is a part of column ``a``."""
    have = set(table.column_names)
    tops = [name if name in have else name.partition(".")[0] for name in columns]
    return table.select(tops).rename_columns(list(columns))


def unread(columns: Sequence[str], count: int) -> Any:
    """Return a table of `count` rows of null cells."""
    return pa.table([pa.nulls(count)] * len(columns), names=list(columns))


def sample_cells(
    table: Cells, columns: Sequence[str], label: str, most: int, runs: int
) -> tuple[Any, NDArray[np.int64]]:
    """Read some columns of all rows, or of runs of rows from all over; also return row numbers."""
    runs = 1 if table.n_rows <= most else runs
    length = min(table.n_rows, most) // runs
    kept, rows = [], []
    for start in np.linspace(0, table.n_rows - length, runs).astype(int).tolist():
        cells, bad = table.cells(start, start + length, columns)
        good = np.ones(length, bool)
        good[list(bad)] = False
        kept.append(cells if good.all() else cells.filter(pa.array(good)))
        rows.append(start + np.flatnonzero(good))
    sample = pa.concat_tables(kept, promote_options="permissive")
    if not len(sample):
        raise SourceError(f"{label}: no row can be read ({bad[0]})")
    return sample, np.concatenate(rows)
