"""The decision what the rows of a table are: pictures, vectors, or mixed columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shoal.core.plural import listed
from shoal.errors import InputError
from shoal.rows.base import Source
from shoal.rows.tables.cell_arrays import array_type, find_arrays, list_store, open_number_text
from shoal.rows.tables.columns import ColumnLabels, OpenedTable
from shoal.rows.tables.mixed import make_fitted_source, make_table_source
from shoal.rows.tables.selection import choose_pixels
from shoal.rows.tables.table import CellStore, parse_numbers

_FILES_TRIED, _ROWS_TRIED = 16, 1 << 12


def open_table(table: OpenedTable) -> Source:
    cells, label, options = table.cells, table.label, table.options
    if options.schema is not None:
        return make_fitted_source(cells, label, options.schema)
    picked = table.picked  # raises for unknown columns
    lists = find_arrays(table) if _may_be_lists(table) else None
    if lists is not None:
        return _open_lists(table, lists)
    if not cells.names:
        types = [f"{field.name}: {field.type}" for field in table.schema]
        raise InputError(
            f"{label} has no column of numbers, text or dates (it has {listed(types)}): make "
            "columns of what lists, maps and structs hold; pictures are bytes or arrays of one "
            "shape"
        )
    text = open_number_text(table)
    if text is not None:
        return text
    chosen, shape = choose_pixels(table, constant_columns(table))
    if chosen.vectors is None:
        return make_table_source(cells, label, picked, chosen)
    used = tuple(table.columns[at].name for at in chosen.vectors)
    name = None if chosen.name is None else table.columns[chosen.name].name
    if name and shape is None:
        label += f", named by {name}"
    read = cells.only((*used, *([name] if name else [])))
    store = CellStore(read, used, name, (len(used),), np.dtype(np.float32), parse_numbers)
    beside = ColumnLabels(cells, chosen.left_out)
    source = replace(options, shape=shape).array(store, label, beside)
    return replace(source, chosen=chosen, column_names=used)


def _may_be_lists(table: OpenedTable) -> bool:
    key, as_ = table.options.key, table.options.as_
    if table.schema is None:
        return False
    if key in table.names:
        return array_type(table.schema.field(key).type)[0] > 0
    return as_ != "table" or key is not None


def _open_lists(table: OpenedTable, column: str) -> Source:
    name, labels = table.name_and_labels()
    read = table.cells.only((column, *([name] if name else [])))
    named = f", named by {name}" if name else ""
    store = list_store(read, table.head, column, name, table.label)
    return table.options.array(store, f"{table.label}, column {column}{named}", labels)


def constant_columns(table: OpenedTable) -> dict[str, str]:
    """Find columns that differ between files but not within one, such as its number."""
    cells, ends = table.cells, table.cells.file_ends
    long = int((np.diff(ends, prepend=0) > 1).sum())
    few = [c.name for c in table.columns if c.name in cells.names and 1 < c.values <= long]
    if long < 2 or not few:
        return {}
    constant = dict.fromkeys(few, True)
    for at in np.linspace(0, len(ends) - 1, _FILES_TRIED).astype(int).tolist():
        low = ends[at - 1] if at else 0
        rows, _ = cells.cells(low, min(ends[at], low + _ROWS_TRIED), few)
        for name, column in zip(few, rows.columns, strict=True):
            constant[name] &= len(column.unique()) <= 1
    return {name: "the same in all rows of a file" for name in few if constant[name]}
