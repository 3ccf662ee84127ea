"""Cells of a table as Arrow tables, some rows at a time, and the rows of numbers in them."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.base import Batch, spread
from shoal.rows.store import AnyStore, check_range
from shoal.rows.tables.cells import (
    is_number_type,
    is_text_type,
    plain,
    shortened,
    to_numbers,
    to_text,
)

_UNNAMED = re.compile(r"column \d+")

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
        return "."

    @property
    def skipped(self) -> tuple[str, ...]:
        """Names of the columns that hold lists or bytes."""
        return ()

    @property
    def is_remote(self) -> bool:
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


def column_title(name: str) -> str:
    return name if _UNNAMED.fullmatch(name) else f"column {name}"


Parse = Callable[[Any, str], tuple[NDArray, dict[int, str]]]
"""Converts an Arrow table, with the decimal sign of its texts, to rows and reasons for bad ones."""


@dataclass(frozen=True, eq=False)
class CellStore(AnyStore):
    """Rows of numbers that are parsed from the cells of some columns at each read."""

    cells: Cells
    columns: tuple[str, ...]  # that are read for a row
    name: str | None  # the column that names the rows
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    parse: Parse  # picklable
    is_parsed = True

    @property
    def n_rows(self) -> int:
        return self.cells.n_rows

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        data, bad, at = np.zeros((stop - start, *self.row_shape), self.dtype), dict[int, str](), 0
        for table, reasons in self.cells.pieces(start, stop, self.columns):
            if len(reasons) < len(table):
                try:
                    data[at : at + len(table)], wrong = self.parse(table, self.cells.decimal)
                except (pa.ArrowException, MemoryError) as error:
                    wrong = dict.fromkeys(range(len(table)), f"cannot be read: {because(error)}")
                reasons = wrong | reasons
            bad |= {at + row: reason for row, reason in reasons.items()}
            at += len(table)
        data[list(bad)] = 0
        return Batch(data, bad)

    def names(self, start: int, stop: int) -> list[str] | None:
        check_range(start, stop, self.n_rows)
        return None if self.name is None else self.cells.texts(start, stop, self.name)

    def facts(self) -> dict[str, Any]:
        return {"columns": list(self.columns), **self.cells.facts()}


def parse_numbers(table: Any, decimal: str) -> tuple[NDArray[np.float32], dict[int, str]]:
    matrix, wrong = _matrix(table, decimal)
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(matrix, np.float32)
    finite = np.isfinite(vectors)
    for row in np.flatnonzero(~finite.all(axis=1)).tolist():
        at = int(np.argmin(finite[row]))
        value = matrix[row, at]
        why = "empty or not a number" if np.isnan(value) else f"{value:g}, which is too large"
        wrong.setdefault(row, f"{column_title(table.column_names[at])} is {why}")
    return vectors, wrong


def _matrix(table: Any, decimal: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    if all(is_text_type(field.type) for field in table.schema):
        with suppress(pa.ArrowException):  # all columns at once: there may be thousands
            cells = pa.chunked_array([chunk for one in table.columns for chunk in one.chunks])
            return _cast(cells, decimal).reshape(table.num_columns, len(table)).T, {}
    matrix, wrong = np.empty((len(table), table.num_columns)), dict[int, str]()
    for at, (name, column) in enumerate(zip(table.column_names, table.columns, strict=True)):
        try:
            matrix[:, at] = _cast(column, decimal)
        except pa.ArrowException:
            matrix[:, at], odd = _parse_each(column, decimal)
            for row, cell in odd.items():
                wrong.setdefault(row, f"{column_title(name)} is {cell!r:.40}, not a number")
    return matrix, wrong


def _cast(column: Any, decimal: str) -> NDArray[np.float64]:
    if is_text_type(column.type):
        column = column if decimal == "." else pc.replace_substring(column, decimal, ".")
        column = pc.if_else(pc.equal(column, ""), None, column)
    elif not is_number_type(column.type, flags=True):
        return to_numbers(column, decimal)
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), np.float64)


def _parse_each(column: Any, decimal: str) -> tuple[NDArray[np.float64], dict[int, str]]:
    numbers, text = to_numbers(column, decimal), to_text(column)
    odd = np.flatnonzero(np.isnan(numbers) & np.asarray(text.is_valid())).tolist()
    return numbers, {row: plain(column)[row].as_py().strip() for row in odd}
