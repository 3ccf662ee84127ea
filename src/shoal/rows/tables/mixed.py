"""Tables of mixed columns: numbers, dates and categories, as rows of float64."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.core.plural import listed, plural
from shoal.errors import InputError
from shoal.rows.base import Batch, Kind, LabelValues, Rows, Source
from shoal.rows.store import check_range
from shoal.rows.tables.cells import ParsedCells, is_plain_type, to_codes, to_days, to_text
from shoal.rows.tables.columns import ColumnLabels
from shoal.rows.tables.schema import Schema, TableColumn, decide, may_name
from shoal.rows.tables.selection import NOTHING, Chosen, Picked
from shoal.rows.tables.table import Cells, CellStore, sample_cells
from shoal.rows.taken import Taken, TakenCells, taken_part

_MOST_LOOKED = 1 << 18
_MOST_CELLS = 1 << 22
_RUNS = 64
_DONORS = 1024
_DONOR_CELLS = 1 << 17
_REQUESTED = "as requested"


@dataclass(frozen=True, eq=False)
class TableSource(Rows):
    """Rows of a table with a schema.

    `read` returns float64 ``(n, columns)``: numbers unchanged, dates as days since 1970,
    categories as codes (indices into the column's `labels`); −1 for a value that is not a category,
    NaN for a missing cell or one that is not a number.
    """

    table: Cells
    schema: Schema
    label: str  # in messages
    # how many files beside its own are left out, by their extensions
    left_out: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # why it is read as a table

    @property
    def kind(self) -> Kind:
        return "table"

    @property
    def n_rows(self) -> int:
        return self.table.n_rows

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.schema.columns),)

    @property
    def mixed_sizes(self) -> bool:
        return False

    @property
    def description(self) -> str:
        columns = plural(len(self.schema.columns), "column")
        names = f", named by {self._name}" if self._name else ""
        seen = self.schema.looked
        looked = f", learned from {plural(seen, 'row')}" if seen < self.n_rows else ""
        return f"{plural(self.n_rows, 'row')} of {columns} ({self.label}{names}{looked})"

    @property
    def taken(self) -> Taken | None:
        return getattr(self.table, "taken", None)

    def take(self, taken: Taken, label: str = "") -> Source:
        cells = taken_part(self.table, taken, TakenCells)
        return replace(self, table=cells, label=self.label + label)

    def as_table(self) -> TableSource:
        return self

    @property
    def lacking(self) -> tuple[str, ...]:
        have = set(self.table.names)
        return tuple(c.name for c in self.schema.columns if c.name not in have)

    @property
    def _name(self) -> str | None:
        return self.schema.name if self.schema.name in self.table.names else None

    def fingerprint(self) -> dict[str, Any]:
        return {
            "kind": "table",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "schema": self.schema.digest,
            **self.table.facts(),
        }

    def names(self, start: int, stop: int) -> list[str] | None:
        check_range(start, stop, self.n_rows)
        if self._name is None:
            return None
        table, _ = self.table.cells(start, stop, [self._name])
        return [name or "" for name in to_text(table.column(0)).to_pylist()]

    @property
    def label_origin(self) -> str | None:
        return ColumnLabels(self.table, self.schema.left_out).origin

    def labels(self, key: str | None = None) -> LabelValues | None:
        return ColumnLabels(self.table, self.schema.left_out).read(self, key)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        have = [c for c in self.schema.columns if c.name in self.table.names]
        table, bad = self.table.cells(start, stop, [column.name for column in have])
        data = np.full((stop - start, len(self.schema.columns)), np.nan)
        for column, cells in zip(have, table.columns, strict=True):
            parsed = ParsedCells(cells, self.table.decimal)
            data[:, self.schema.columns.index(column)] = to_values(column, parsed)
        empty = np.flatnonzero(~np.isfinite(data).any(axis=1)).tolist()
        bad = dict.fromkeys(empty, "all of its cells are empty") | bad
        data[list(bad)] = 0
        return Batch(data, bad)

    def original(self, start: int, stop: int) -> Any:
        """Return rows ``start..stop`` of all columns as stored, as an Arrow table."""
        table, _ = self.table.cells(start, stop, self.table.names, whole=True)
        return table.select([f.name for f in table.schema if is_plain_type(f.type)])


def cells_of(source: Source) -> Cells | None:
    found = source.as_table()
    if found is not None:
        return found.table
    is_taken = not isinstance(getattr(source, "store", None), CellStore)
    return None if is_taken else getattr(source, "table", None)


class Notes:
    """Counts missing and unknown cells of new rows that are read with the schema of a fit."""

    def __init__(self, source: Source, remarks: Sequence[str] = ()) -> None:
        self._table = source.as_table()
        self._remarks = tuple(remarks)
        self._lock = threading.Lock()
        self._gaps: Counter[str] = Counter()
        self._new: Counter[str] = Counter()

    def add(self, batch: Batch) -> None:
        """Count the cells of some rows; may be called from many threads."""
        if self._table is None:
            return
        with self._lock:
            self._count(self._table, batch)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        if self._table is None:
            return {}
        return {"gaps": dict(self._gaps), "new": dict(self._new)}

    def take_in(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        with self._lock:
            self._gaps.update(counts.get("gaps", {}))
            self._new.update(counts.get("new", {}))

    def _count(self, source: TableSource, batch: Batch) -> None:
        for at, column in enumerate(source.schema.columns):
            cells = np.delete(batch.data[:, at], list(batch.bad))
            if column.name not in source.lacking:
                self._gaps[column.name] += int((~np.isfinite(cells)).sum())
            if column.role == "category":
                self._new[column.name] += int((cells < 0).sum())

    @property
    def remarks(self) -> tuple[str, ...]:
        if self._table is None:
            return self._remarks
        found, label, lacking = [], self._table.label, self._table.lacking
        if lacking:
            found.append(
                f"{label} lacks {len(lacking)} of {len(self._table.schema.columns)} columns "
                f"({listed(lacking)}): filled from the most similar rows of the fit"
            )
        for what, counts in (
            ("missing or unreadable cells", self._gaps),
            ("cells with values that the fit did not know, or only in few rows", self._new),
        ):
            where = [f"{count:,} of {name}" for name, count in counts.items() if count]
            if where:
                found.append(
                    f"{what}: {listed(where)}, filled from the most similar rows of the fit"
                )
        return (*found, *self._remarks)


def make_table_source(
    table: Cells, label: str, picked: Picked, chosen: Chosen = NOTHING
) -> TableSource:
    """Determine the schema of a table, from all rows or from a sample."""
    if table.n_rows < 2:
        raise InputError(f"{label} has one row: give at least 2 to cluster")
    names = [name for name in table.names if name not in picked.leave_out]
    if not names:
        raise InputError(f"{label} has no column of plain values (it has {listed(table.skipped)})")
    most = max(_RUNS, min(_MOST_LOOKED, _MOST_CELLS // len(names)))
    sample, _ = sample_cells(table, names, label, most, _RUNS)
    looked = table.n_rows if table.n_rows <= most else most // _RUNS * _RUNS
    name, decided, data = _decide_all(names, sample, table.decimal, picked)
    given = [pair for pair in chosen.left_out if pair[0] != name and picked.takes(pair[0])]
    left_out = [*((column, _REQUESTED) for column in picked.leave_out), *given]
    unused = {name, *(column for column, _ in left_out)}
    roles = [(column, role) for column, role in decided.items() if column not in unused]
    left_out += [(column, role) for column, role in roles if isinstance(role, str)]
    columns = [role for _, role in roles if not isinstance(role, str)]
    if not columns and chosen.left_out:
        return make_table_source(table, label, picked, replace(chosen, left_out=()))
    if not columns:
        named = [f"{name}: it names the rows"] if name else []
        why = listed([*(f"{column}: {reason}" for column, reason in left_out), *named])
        raise InputError(f"{label} has no column to cluster by ({why})")
    left_out += [(column, "no plain values") for column in table.skipped]
    donors = _donors(columns, np.stack([data[column.name] for column in columns], axis=1))
    schema = Schema(tuple(columns), name, tuple(left_out), looked, donors)
    return TableSource(table, schema, label, remarks=chosen.remarks)


def _decide_all(
    names: Sequence[str], sample: Any, decimal: str, picked: Picked
) -> tuple[str | None, dict[str, TableColumn | str], dict[str, NDArray[np.float64]]]:
    """Return the column that names the rows, the roles of the others, and the values of those used.

    Columns are parsed one at a time: all of them parsed would take as much memory as the sample.
    """
    name, best, name_cells = None, 0, None
    decided, data = dict[str, TableColumn | str](), dict[str, NDArray[np.float64]]()
    for column, stored in zip(names, sample.columns, strict=True):
        cells = ParsedCells(stored, decimal)
        fit = 0 if picked.is_named(column) else may_name(column, cells)
        if fit > best:  # the former one is decided instead
            name, best, name_cells, column, cells = column, fit, cells, name, name_cells
        if column is not None and picked.takes(column):
            coded, named = column in picked.categories, column in (picked.columns or ())
            role = decided[column] = decide(column, cells, coded=coded, named=named)
            if not isinstance(role, str):
                data[column] = to_values(role, cells)
    return name, {name: decided[name] for name in names if name in decided}, data


def make_fitted_source(table: Cells, label: str, schema: Schema) -> TableSource:
    """Read a table with the schema of another one, whose columns are matched by name."""
    source = TableSource(table, schema, label)
    if len(source.lacking) == len(schema.columns):
        raise InputError(
            f"{label} has none of the columns that the run was fitted to "
            f"({listed(source.lacking)}): it has {listed(table.names)}"
        )
    return source


def to_values(column: TableColumn, cells: ParsedCells) -> NDArray[np.float64]:
    if column.role == "category":
        return _codes(cells, column)
    is_date = column.role == "date"
    numbers = to_days(cells.array, column.form) if is_date else cells.numbers
    return np.where(np.isin(numbers, column.absent), np.nan, numbers) if column.absent else numbers


def _codes(cells: ParsedCells, column: TableColumn) -> NDArray[np.float64]:
    text = cells.text
    if column.absent:
        text = pc.if_else(np.isin(cells.numbers, column.absent), None, text)
    codes, missing = to_codes(text, column.values)
    found = codes.astype(np.float64)
    if column.other:
        found[codes < 0] = len(column.values)
    found[missing] = len(column.labels) - 1 if column.blank else np.nan
    return found


def _donors(columns: Sequence[TableColumn], data: NDArray[np.float64]) -> NDArray[np.float64]:
    is_code = np.array([column.role == "category" for column in columns])
    count = min(len(data), _DONORS, max(1, _DONOR_CELLS // data.shape[1]))
    lacking = (~np.isfinite(data) | (is_code & (data < 0))).sum(axis=1)
    most = np.sort(lacking)[count - 1]
    full = np.flatnonzero(lacking <= most)
    if most > lacking.min():  # some rows are fuller than the last ones that are needed
        full = np.argsort(lacking, kind="stable")[:count]
    return data[np.sort(full[np.linspace(0, len(full) - 1, count).astype(int)])]
