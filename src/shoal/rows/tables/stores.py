"""Numbers in the columns of a table as stored rows: numbers, lists or texts in cells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import because
from shoal.rows.base import Batch
from shoal.rows.store import AnyStore, check_range
from shoal.rows.tables.cells import is_number_type, is_text_type, plain, to_numbers, to_text
from shoal.rows.tables.columns import column_title
from shoal.rows.tables.table import Cells

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
    """Convert rows to vectors, float32 ``(n, columns)``, with reasons for bad rows."""
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
    """Parse all cells, with a reason for each row with a cell that is not a number or missing."""
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
    """Parse texts one by one; also return those that are neither numbers nor missing."""
    numbers, text = to_numbers(column, decimal), to_text(column)
    odd = np.flatnonzero(np.isnan(numbers) & np.asarray(text.is_valid())).tolist()
    return numbers, {row: plain(column)[row].as_py().strip() for row in odd}
