"""What else is known of the rows: columns of a table joined to them, to filter by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.api import Run
from shoal.errors import InputError, ShoalError
from shoal.export.metadata import MOST_ROWS, read_metadata, row_names
from shoal.rows.tables.cells import to_text
from shoal.storage import RunFolder

_MOST_VALUES = 60
_FEW_NUMBERS = 12
_BINS = 24
_LISTED = 200


@dataclass(frozen=True)
class Column:
    """One column in the order of the rows."""

    name: str
    kind: str  # category (few values), number or text
    cells: Any  # an Arrow array, (N,): text, but for numbers float64

    @cached_property
    def codes(self) -> tuple[NDArray[np.int64], list[str]]:
        """The place of each cell's value among `values`, −1 where missing; and those."""
        coded = self.cells.dictionary_encode()
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return codes, coded.dictionary.to_pylist()

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The cells of a column of numbers, NaN where missing."""
        return np.asarray(self.cells.to_numpy(zero_copy_only=False), np.float64)


@dataclass(frozen=True)
class Metadata:
    """Columns beside the rows of a run."""

    columns: tuple[Column, ...]
    joined: str  # how they were found

    def facets(self, rows: NDArray[np.int64] | None) -> list[dict[str, Any]]:
        """Count the values of each column, in all rows and among some."""
        return [_FACETS[column.kind](column, rows) for column in self.columns]

    def mask(self, where: Sequence[Mapping[str, Any]]) -> NDArray[np.bool_]:
        """Return which rows fit all conditions, (N,).

        A condition names a ``column`` and has ``in`` (a list of values, None for missing), or
        ``from`` and ``to``, or ``has`` (a part of a text, whatever the case); with ``not`` true the
        others fit, those that lack the value among them.
        """
        if not where:
            raise InputError("where: give a list of conditions")
        fits = [self._fits(condition) ^ (condition.get("not") is True) for condition in where]
        return np.logical_and.reduce(fits)

    def of_row(self, row: int) -> dict[str, Any]:
        cells = {column.name: column.cells[row].as_py() for column in self.columns}
        return {
            name: None if isinstance(cell, float) and not np.isfinite(cell) else cell
            for name, cell in cells.items()
        }

    def _fits(self, condition: Mapping[str, Any]) -> NDArray[np.bool_]:
        name = condition.get("column")
        column = next((c for c in self.columns if c.name == name), None)
        if column is None:
            raise InputError(f"where: there is no column {str(name)[:60]!r}")
        wanted = condition.get("in")
        if column.kind != "number" and isinstance(wanted, list):
            codes, values = column.codes
            places = {value: at for at, value in enumerate(values)}
            chosen = [-1 if value is None else places.get(str(value), -2) for value in wanted]
            return np.isin(codes, chosen)
        part = condition.get("has")
        if column.kind != "number" and isinstance(part, str) and part:
            found = pc.match_substring(column.cells, part[:200], ignore_case=True).fill_null(False)
            return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
        low, high = condition.get("from"), condition.get("to")
        plain = all(v is None or type(v) in (int, float) for v in (low, high))
        if column.kind == "number" and plain and {"from", "to"} & set(condition):
            least = -np.inf if low is None else float(low)
            most = np.inf if high is None else float(high)
            with np.errstate(invalid="ignore"):
                return (column.numbers >= least) & (column.numbers <= most)
        raise InputError(f"where: {column.name} is a column of kind {column.kind}")


def _category(column: Column, rows: NDArray[np.int64] | None) -> dict[str, Any]:
    codes, values = column.codes
    total = np.bincount(codes + 1, minlength=len(values) + 1)
    here = total if rows is None else np.bincount(codes[rows] + 1, minlength=len(values) + 1)
    order = sorted(range(len(values)), key=lambda at: (-total[at + 1], values[at]))
    counts = [
        {"value": values[at], "rows": int(total[at + 1]), "here": int(here[at + 1])} for at in order
    ]
    missing = _missing(codes < 0, rows)
    return {"column": column.name, "kind": "category", "values": counts, "missing": missing}


def _number(column: Column, rows: NDArray[np.int64] | None) -> dict[str, Any]:
    known = np.isfinite(column.numbers)
    some = column.numbers[known]
    low, high = (float(some.min()), float(some.max())) if len(some) else (0.0, 0.0)
    bins = _bins(low, high, bool((some == np.rint(some)).all()))
    numbers = column.numbers if rows is None else column.numbers[rows]
    total, here = np.histogram(some, bins)[0], np.histogram(numbers[np.isfinite(numbers)], bins)[0]
    return {
        "column": column.name,
        "kind": "number",
        "low": low,
        "high": high,
        "bins": total.tolist(),
        "here": here.tolist(),
        "missing": _missing(~known, rows),
    }


def _bins(low: float, high: float, whole: bool) -> NDArray[np.float64]:
    """Return the bounds of the bars of a histogram; as many whole numbers go into each.

    >>> _bins(2010, 2013, True).tolist()
    [2009.5, 2010.5, 2011.5, 2012.5, 2013.5]
    """
    if whole and high - low < 1e9:
        wide = max(1, -(-int(high - low + 1) // _BINS))
        count = -(-int(high - low + 1) // wide)
        return np.asarray(low - 0.5 + wide * np.arange(count + 1), np.float64)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _text(column: Column, rows: NDArray[np.int64] | None) -> dict[str, Any]:
    missing = column.cells.is_null().to_numpy(zero_copy_only=False)
    return {"column": column.name, "kind": "text", "missing": _missing(missing, rows)}


def _missing(missing: NDArray[np.bool_], rows: NDArray[np.int64] | None) -> dict[str, int]:
    here = missing if rows is None else missing[rows]
    return {"rows": int(missing.sum()), "here": int(here.sum())}


_FACETS = {"category": _category, "number": _number, "text": _text}


def beside(run: Run, path: Path | None) -> Metadata | None:
    """Return what is known of the rows of a run: from a file, else from the table they are of."""
    if path is not None:
        names = row_names(RunFolder.open(run.path))
        return make_metadata(*read_metadata(path, names, run.n_rows))
    try:
        source = run.source
    except ShoalError:
        return None
    table = source.as_table()
    if table is not None and table.n_rows <= MOST_ROWS:
        return make_metadata(table.original(0, source.n_rows), "The table's own columns")
    return None


def make_metadata(table: Any, joined: str) -> Metadata:
    """Choose what each column of an Arrow table in row order is."""
    columns = []
    for name in table.column_names[:_LISTED]:
        cells = table[name].combine_chunks()
        kind = cells.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_null(kind):
            continue
        if pa.types.is_dictionary(kind):
            cells = cells.dictionary_decode()
        if pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type):
            cells = to_text(cells)
        distinct = int(pc.count_distinct(cells).as_py())
        numbers = _numbers(cells) if distinct > _FEW_NUMBERS else None
        if numbers is not None:
            columns.append(Column(str(name), "number", numbers))
            continue
        text = pc.cast(cells, pa.string())
        columns.append(Column(str(name), "category" if distinct <= _MOST_VALUES else "text", text))
    if not columns:
        raise InputError("--metadata has no column to filter by")
    return Metadata(tuple(columns), joined)


def _numbers(cells: Any) -> Any | None:
    """Return cells as numbers, None where they are none; texts that are all numbers count."""
    if pa.types.is_boolean(cells.type) or pa.types.is_temporal(cells.type):
        return None
    try:
        return pc.cast(cells, pa.float64(), safe=False)
    except pa.ArrowException:
        return None
