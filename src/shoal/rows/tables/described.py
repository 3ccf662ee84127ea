"""What the columns of a table look like, by rows from all over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.tables.cells import to_numbers, to_text
from shoal.rows.tables.column import Column

_RUNS, _ROWS, _CELLS = 8, 4096, 1 << 18
_FEWEST = 20
_REPEATS = 10


class Cells(Protocol):
    """Where a table's cells lie: picklable, readable from any thread or process."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, all different."""

    @property
    def decimal(self) -> str:
        """Decimal sign of numbers in text."""

    @property
    def n_rows(self) -> int:
        """How many rows there are."""

    @property
    def skipped(self) -> tuple[str, ...]:
        """Columns besides, which hold lists or bytes: their names and types."""

    def cells(
        self, start: int, stop: int, columns: Sequence[int], *, whole: bool = False
    ) -> tuple[Any, dict[int, str]]:
        """Return columns by position as an Arrow table, and reasons for rows that cannot be read.

        Long texts are cut (see `shortened`) unless they are asked for as a whole.
        """

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data change."""


def sample_cells(
    table: Cells, places: Sequence[int], label: str, most: int, runs: int
) -> tuple[Any, NDArray[np.int64]]:
    """Read all rows of some columns, or runs of rows from all over; also give their numbers.

    Rows that cannot be read are left out.

    Raises
    ------
    SourceError
        When no row can be read.
    """
    runs = 1 if table.n_rows <= most else runs
    length = min(table.n_rows, most) // runs
    kept, rows = [], []
    for start in np.linspace(0, table.n_rows - length, runs).astype(int).tolist():
        cells, bad = table.cells(start, start + length, places)
        good = np.ones(length, bool)
        good[list(bad)] = False
        kept.append(cells if good.all() else cells.filter(pa.array(good)))
        rows.append(start + np.flatnonzero(good))
    sample = pa.concat_tables(kept, promote_options="permissive")
    if not len(sample):
        raise SourceError(f"{label}: no row can be read ({bad[0]})")
    return sample, np.concatenate(rows)


def describe_columns(
    table: Cells, columns: Sequence[Column], label: str, head: Any = None
) -> list[Column]:
    """Describe columns of plain values by rows from all over a table.

    Parameters
    ----------
    table : Cells
        Where the cells lie.
    columns : sequence of Column
        What is known of all columns: their names and whether they are numbers.
    label : str
        What people call the table.
    head : Arrow table, optional
        Its first rows: those columns whose numbers have fractions there are described by them,
        where other rows are costly to read.
    """
    found = {column.name: column for column in columns}
    if head is not None:
        rows = np.arange(len(head))
        for column in columns:
            if column.name in table.names and column.numeric:
                found[column.name] = describe(column, head.column(column.name), rows, table.decimal)
    wanted = [
        found[name]
        for name in table.names
        if name in found and (head is None or not found[name].numeric or found[name].whole)
    ]
    if not wanted:
        return list(found.values())
    places = [table.names.index(column.name) for column in wanted]
    most = max(_RUNS, min(_ROWS, _CELLS // len(places)))
    sample, rows = sample_cells(table, places, label, most, _RUNS)
    for column, cells in zip(wanted, sample.columns, strict=True):
        found[column.name] = describe(column, cells, rows, table.decimal)
    return list(found.values())


def describe(column: Column, cells: Any, rows: NDArray[np.int64], decimal: str) -> Column:
    """Describe a column by some of its cells, of the rows with these numbers."""
    if not column.numeric:
        return _describe_text(column, to_text(cells))
    numbers = to_numbers(cells, decimal)
    known = np.isfinite(numbers)
    values, counts = np.unique(numbers[known], return_counts=True)
    if not len(values):
        return replace(column, distinct=False, missing=1.0)
    whole = np.array_equal(values, np.rint(values))
    distinct = len(values) == len(numbers) > 1
    low, middle, high = np.quantile(numbers[known], (0.05, 0.5, 0.95)).tolist()
    return replace(
        column,
        distinct=distinct,
        whole=whole,
        known=int(known.sum()),
        values=len(values),
        missing=float(np.isnan(numbers).mean()),
        common=float(counts.max() / known.sum()),
        ends=(float(values[0]), low, middle, high, float(values[-1])),
        identity=names_rows(numbers, rows) if whole and distinct else "",
    )


def _describe_text(column: Column, text: Any) -> Column:
    """Describe a column of words."""
    counts = pc.value_counts(pc.drop_null(text)).field("counts").to_numpy()
    known = int(counts.sum())
    return replace(
        column,
        distinct=known == len(text) == len(counts) > 1,
        known=known,
        values=len(counts),
        missing=1 - known / max(1, len(text)),
        common=float(counts.max() / known) if known else 1.0,
    )


def names_rows(numbers: NDArray[np.float64], rows: NDArray[np.int64]) -> str:
    """Return why different whole numbers name rows instead of measuring them; empty for amounts.

    So many draws from so small a range would have repeated some ten values or more: numbers that
    were given out one by one do not, whatever their order (the birthday problem).
    """
    n = len(numbers)
    if n < _FEWEST:
        return ""
    if np.ptp(numbers - rows) == 0:
        return "it counts the rows"
    width = float(np.ptp(numbers)) + 1
    return "it numbers the rows" if n * (n - 1) / 2 / width >= _REPEATS else ""
