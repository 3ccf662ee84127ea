"""Columns of lists of numbers, nested or not, as arrays: one array a row."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Batch
from shoal.rows.store import check_range
from shoal.rows.tables.described import Cells
from shoal.rows.tables.selection import Picked, listed

_TRIED = 100
_LEAST_SIDE = 5  # of pictures; less is a box, a pose or another small matrix


@dataclass(frozen=True, eq=False)
class CellArrays:
    """Rows of a column of lists of numbers, all of one shape.

    Attributes
    ----------
    table : Cells
        Where they lie.
    column, name : int, int or None
        Positions of the column, and of that which names the rows.
    row_shape, dtype : tuple of int, dtype
        Of one row.
    """

    table: Cells
    column: int
    name: int | None
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return self.table.n_rows

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop``; one of another shape is zero, with a reason."""
        check_range(start, stop, self.n_rows)
        cells, bad = self.table.cells(start, stop, [self.column], whole=True)
        if pa.types.is_null(cells.column(0).type):  # of rows that cannot be read
            return Batch(np.zeros((stop - start, *self.row_shape), self.dtype), bad)
        data, reasons = to_arrays(cells.column(0), self.row_shape)
        return Batch(data, reasons | bad)

    def names(self, start: int, stop: int) -> list[str] | None:
        """Cells of the column of names, if there is one."""
        if self.name is None:
            return None
        cells, _ = self.table.cells(start, stop, [self.name], whole=True)
        return ["" if cell is None else str(cell) for cell in cells.column(0).to_pylist()]

    def facts(self) -> dict[str, Any]:
        """Return the column, and facts of the table."""
        return {"column": self.table.names[self.column], **self.table.facts()}


def find_arrays(head: Any, label: str, key: str | None, picked: Picked) -> str | None:
    """Find the column of lists of numbers that is asked for, or the only one; None without any.

    Unless asked for, nested ones count where most have one shape, and are not small matrices.

    Raises
    ------
    InputError
        When there are several, or `key` is none of them.
    """
    arrays = [
        field.name
        for field in head.schema
        if _is_array(field.type) and (key is not None or picked.takes(field.name))
    ]
    found = arrays if key is not None else [name for name in arrays if _are_rows(head, name)]
    if key is not None and key not in found:
        raise InputError(
            f"{label} has no column of lists called {key}: it has {listed(head.column_names)}"
        )
    if key is None and len(found) > 1:
        raise InputError(
            f"{label} has {len(found)} columns of lists: give --key {found[0]} or "
            f"another ({listed(found)})"
        )
    return key or next(iter(found), None)


def array_store(table: Cells, head: Any, column: str, name: str | None, label: str) -> CellArrays:
    """Take a column of lists, the first of which say their shape.

    Raises
    ------
    InputError
        When they differ in shape.
    """
    shape = array_shape(head.column(column))
    if shape is None:
        raise InputError(
            f"{label}: the arrays of column {column} differ in shape: scale them to one, or store "
            "them as encoded images"
        )
    dtype = np.dtype(array_type(head.schema.field(column).type)[1].to_pandas_dtype())
    place = None if name is None else table.names.index(name)
    return CellArrays(table, table.names.index(column), place, shape, dtype)


def _is_array(kind: Any) -> bool:
    """Return whether an Arrow type is one of lists of numbers, however nested."""
    types = pa.types
    depth, inner = array_type(kind)
    tests = (types.is_integer, types.is_floating, types.is_boolean)
    return depth > 0 and any(test(inner) for test in tests)


def _are_rows(head: Any, name: str) -> bool:
    """Return whether arrays can be meant when none is named: vectors, or pictures of a size."""
    shape = array_shape(head.column(name))
    if array_type(head.schema.field(name).type)[0] == 1:
        return shape is None or shape[0] > 1  # None: they differ in length, which is refused
    return shape is not None and sorted(shape)[-2] >= _LEAST_SIDE


def is_list(kind: Any) -> bool:
    """Return whether an Arrow type is one of lists."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def array_type(kind: Any) -> tuple[int, Any]:
    """Return how deep lists are nested, 0 for none, and the Arrow type within.

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
    """Return the shape that most of the first cells of a column of nested lists have, if any."""
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
    """Return a column of nested lists as an array, and reasons for rows of another shape.

    Parameters
    ----------
    column : Arrow array or chunked array
        n cells.
    shape : tuple of int
        Of one cell.

    Returns
    -------
    ndarray, shape (n, *shape)
        Zero for rows that have a reason.
    dict of int to str
    """
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(values, pa.ChunkedArray):  # what no single array can hold
        values = pa.concat_arrays(values.chunks)
    n, leaf = len(values), array_type(values.type)[1]
    out = np.zeros((n, *shape), leaf.to_pandas_dtype())
    at, sides = np.arange(n), list(shape)
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
    missing = np.asarray(values.is_null()).reshape(len(at), each).any(axis=1)
    numbers = values.fill_null(False if pa.types.is_boolean(leaf) else 0)
    out[at] = numbers.to_numpy(zero_copy_only=False).reshape(len(at), *shape)
    out[at[missing]] = 0
    bad = np.setdiff1d(np.arange(n), at[~missing])
    return out, dict.fromkeys(bad.tolist(), f"the cell holds no {show(shape)} numbers")
