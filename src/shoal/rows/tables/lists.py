"""Columns of lists of numbers, nested or not, as one array per row."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.pixels import show
from shoal.rows.label_names import words_of
from shoal.rows.tables.cells import one_array
from shoal.rows.tables.opened import OpenedTable
from shoal.rows.tables.table import Cells, CellStore

_TRIED = 100
# Words in the names of columns with embeddings.
_EMBEDDINGS = frozenset(
    ("embedding", "embeddings", "embed", "emb", "vector", "vectors", "feature", "features")
)
_LEAST_SIDE = 5  # of pictures; smaller ones are boxes, poses or other matrices


def find_arrays(table: OpenedTable) -> str | None:
    """Find the requested column of lists of numbers, or the only one; None without one."""
    key = table.options.key
    found = [
        field.name
        for field in table.schema
        if _is_array(field.type) and (key is not None or table.picked.takes(field.name))
    ]
    if key is None:
        found = [name for name in found if _are_rows(table.head, name)]
    return table.one_of(found, "lists")


def find_embedding(schema: Any) -> str | None:
    """Find the only column of lists of fractions with a name for embeddings; None without one."""
    found = [
        field.name
        for field in schema
        if is_list(field.type)
        and pa.types.is_floating(field.type.value_type)
        and not _EMBEDDINGS.isdisjoint(words_of(field.name))
    ]
    return found[0] if len(found) == 1 else None


def list_store(cells: Cells, head: Any, column: str, name: str | None, label: str) -> CellStore:
    """Open a column of lists, whose shape is that of the first; `name` is the column of names."""
    shape = array_shape(head.column(column))
    depth, leaf = array_type(head.schema.field(column).type)
    if shape is None and depth == 1:
        first = next((cell for cell in head.column(column).to_pylist() if cell), None)
        if first is None:
            raise SourceError(f"{label}: the lists of column {column} are empty")
        shape = (len(first),)
    if shape is None:
        raise InputError(
            f"{label}: the arrays of column {column} differ in shape: scale them to one, or store "
            "them as encoded images"
        )
    parse = partial(_parse_lists, shape=shape)
    return CellStore(cells, (column,), name, shape, np.dtype(leaf.to_pandas_dtype()), parse)


def _parse_lists(
    table: Any, decimal: str, shape: tuple[int, ...]
) -> tuple[NDArray, dict[int, str]]:
    return to_arrays(table.column(0), shape)


def _is_array(kind: Any) -> bool:
    types = pa.types
    depth, inner = array_type(kind)
    tests = (types.is_integer, types.is_floating, types.is_boolean)
    return depth > 0 and any(test(inner) for test in tests)


def _are_rows(head: Any, name: str) -> bool:
    """Return whether arrays can be the rows by default: vectors, or pictures of some size."""
    shape = array_shape(head.column(name))
    if array_type(head.schema.field(name).type)[0] == 1:
        return shape is None or shape[0] > 1  # None: they differ in length, reported later
    return shape is not None and sorted(shape)[-2] >= _LEAST_SIDE


def is_list(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def array_type(kind: Any) -> tuple[int, Any]:
    """Return the depth of nested lists, 0 for none, and the Arrow type within.

    >>> array_type(pa.list_(pa.list_(pa.uint8())))
    (2, DataType(uint8))
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        return len(kind.shape), kind.value_type
    depth = 0
    while is_list(kind):
        depth, kind = depth + 1, kind.value_type
    return depth, kind


def array_shape(column: Any) -> tuple[int, ...] | None:
    """Return the shape of most of the first cells of a column of nested lists, if there is one."""
    if isinstance(column.type, pa.FixedShapeTensorType):
        return tuple(column.type.shape)
    cells = [cell for cell in column.slice(0, _TRIED).to_pylist() if cell]
    if not cells:
        return None
    shape, cell = list[int](), cells[0]
    while isinstance(cell, list) and cell:
        shape, cell = [*shape, len(cell)], cell[0]
    if len(shape) != array_type(column.type)[0]:
        return None
    _, bad = to_arrays(column.slice(0, _TRIED), tuple(shape))
    return tuple(shape) if 2 * len(bad) <= min(_TRIED, len(column)) else None


def to_arrays(column: Any, shape: tuple[int, ...]) -> tuple[NDArray, dict[int, str]]:
    """Return a column of nested lists as an array, and reasons for rows of another shape."""
    values = one_array(column)
    n, leaf = len(values), array_type(values.type)[1]
    whole, at, sides = values, np.arange(n), list(shape)
    if isinstance(values.type, pa.FixedShapeTensorType):
        values, sides = values.storage, [math.prod(shape)]
    each = 1  # entries of a cell at this depth
    for side in sides:
        lengths = np.asarray(values.value_lengths().fill_null(-1))
        fits = (lengths == side) & np.asarray(values.is_valid())
        good = fits.reshape(len(at), each).all(axis=1)
        if not good.all():
            values, at = values.filter(pa.array(np.repeat(good, each))), at[good]
        values, each = values.flatten(), each * side
    missing: Any = np.zeros(len(at), bool)
    if values.null_count:
        missing = np.asarray(values.is_null()).reshape(len(at), each).any(axis=1)
        values = values.fill_null(False if pa.types.is_boolean(leaf) else 0)
    numbers = values.to_numpy(zero_copy_only=False).reshape(len(at), *shape)
    if len(at) == n and not missing.any():
        return numbers, {}
    out = np.zeros((n, *shape), leaf.to_pandas_dtype())
    out[at[~missing]] = numbers[~missing]
    bad = np.setdiff1d(np.arange(n), at[~missing]).tolist()
    return out, {row: _reason(whole[row].as_py(), shape) for row in bad}


def _reason(cell: Any, shape: tuple[int, ...]) -> str:
    if len(shape) > 1 or (cell is not None and len(cell) == shape[0]):
        return f"the cell does not have {show(shape)} numbers"
    had = "is empty" if cell is None else f"has {len(cell)} numbers"
    return f"the list {had}, not {shape[0]}"
