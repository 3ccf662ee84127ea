"""What the rows of a table are: pictures, vectors, or a table of mixed columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from shoal.errors import InputError
from shoal.rows.base import Source
from shoal.rows.options import SourceOptions
from shoal.rows.tables.cells import is_text_type
from shoal.rows.tables.column_labels import ColumnLabels
from shoal.rows.tables.columns import Column, find_answers
from shoal.rows.tables.lists import array_type, find_arrays, list_store
from shoal.rows.tables.mixed import make_fitted_source, make_table_source
from shoal.rows.tables.number_text import open_number_text
from shoal.rows.tables.pixel_columns import choose_pixels
from shoal.rows.tables.selection import Chosen, listed
from shoal.rows.tables.stores import CellStore, parse_numbers
from shoal.rows.tables.table import Cells

_FILES_TRIED, _ROWS_TRIED = 16, 1 << 12


def open_cells(
    cells: Cells,
    label: str,
    options: SourceOptions,
    describe: Callable[[], Sequence[Column]],
    head: Any = None,
) -> Source:
    """Open a table as what its columns are.

    `describe` returns its columns as some rows show them; `head` are the first rows of all columns,
    where these have types.
    """
    if options.schema is not None:
        return make_fitted_source(cells, label, options.schema)
    names = cells.names if head is None else head.column_names
    picked = options.picked.among(names, label)
    if head is not None and _may_be_lists(head, options):
        column = find_arrays(head, label, options.key, picked)
        if column is not None:
            return _open_lists(cells, head, column, label, options, describe())
    if not cells.names:
        raise InputError(
            f"{label} has no column of numbers, text or dates ({_types(head)}): make columns of "
            "what lists, maps and structs hold; pictures are bytes or arrays of one shape"
        )
    columns = describe()
    text = open_number_text(cells, columns, label, options, head)
    if text is not None:
        return text
    fixed = constant_columns(cells, columns)
    chosen, shape = choose_pixels(
        columns, label, options, picked, fixed=fixed, fitted=options.fitted
    )
    if chosen.vectors is None:
        return make_table_source(cells, label, picked, chosen)
    return _open_numbers(cells, columns, chosen, label, replace(options, shape=shape))


def _open_numbers(
    cells: Cells, columns: Sequence[Column], chosen: Chosen, label: str, options: SourceOptions
) -> Source:
    used = tuple(columns[at].name for at in chosen.vectors or ())
    name = None if chosen.name is None else columns[chosen.name].name
    if name and options.shape is None:
        label += f", named by {name}"
    read = cells.only((*used, *([name] if name else [])))
    store = CellStore(read, used, name, (len(used),), np.dtype(np.float32), parse_numbers)
    source = options.array(store, label, ColumnLabels(cells, chosen.left_out))
    return replace(source, chosen=chosen, column_names=used)


def _may_be_lists(head: Any, options: SourceOptions) -> bool:
    if options.key in head.column_names:
        return array_type(head.schema.field(options.key).type)[0] > 0
    return options.as_ != "table" or options.key is not None


def _open_lists(
    cells: Cells,
    head: Any,
    column: str,
    label: str,
    options: SourceOptions,
    columns: Sequence[Column],
) -> Source:
    name, answers = names_and_answers(columns, head)
    read = cells.only((column, *([name] if name else [])))
    store = list_store(read, head, column, name, label)
    named = f", named by {name}" if name else ""
    beside = ColumnLabels(cells, answers)
    return options.array(store, f"{label}, column {column}{named}", beside)


def names_and_answers(
    columns: Sequence[Column], head: Any
) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Find the column that names the rows of another one, and those that label them, and why."""
    kinds = {field.name: field.type for field in head.schema}
    can_name = (
        c.name
        for c in columns
        if c.distinct and (is_text_type(kinds[c.name]) or pa.types.is_integer(kinds[c.name]))
    )
    name = next(can_name, None)
    answers = find_answers([c for c in columns if c.name != name], aside=True)
    return name, tuple(answers.items())


def constant_columns(cells: Cells, columns: Sequence[Column]) -> dict[str, str]:
    """Find columns that differ from file to file but never within one, such as its number."""
    ends = cells.file_ends
    long = int((np.diff(ends, prepend=0) > 1).sum())
    few = [c.name for c in columns if c.name in cells.names and 1 < c.values <= long]
    if long < 2 or not few:
        return {}
    constant = dict.fromkeys(few, True)
    for at in np.linspace(0, len(ends) - 1, _FILES_TRIED).astype(int).tolist():
        low = ends[at - 1] if at else 0
        table, _ = cells.cells(low, min(ends[at], low + _ROWS_TRIED), few)
        for name, column in zip(few, table.columns, strict=True):
            constant[name] &= len(column.unique()) <= 1
    return {name: "the same in all rows of a file" for name in few if constant[name]}


def _types(head: Any) -> str:
    return f"it has {listed([f'{field.name}: {field.type}' for field in head.schema])}"
