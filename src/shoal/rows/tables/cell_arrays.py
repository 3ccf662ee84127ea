"""One array in each cell of a column: a list of numbers, nested or not, or text (``70 80 82``)."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.arrays.array_choice import words_of
from shoal.rows.arrays.pixels import show
from shoal.rows.tables.cells import is_text_type, one_array, plain
from shoal.rows.tables.columns import ColumnLabels, OpenedTable
from shoal.rows.tables.selection import Chosen, label_among, name_column, square
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


_CELL = b"\x1e"  # separates cells; within one it becomes a blank
_SIGNS = b",;|[](){}\t\n\r\x0b\x0c"
# A decimal comma: the only comma in a word, unless another follows before a blank.
_COMMA = re.compile(rb"(?<![\w.,])([+-]?\d*),(\d+(?:e[+-]?\d+)?)(?![\w.]|,\S)", re.IGNORECASE)
_APART = bytes.maketrans(_SIGNS, b" " * len(_SIGNS))
_FEWEST = 16
_TRIED_ROWS = 32
_MOSTLY = 0.9
_NAMES = re.compile(r".*(pixel|image|img|picture|face|bitmap).*", re.IGNORECASE)
_READ_CELLS = 256


def _parse_texts(
    table: Any, decimal: str, length: int
) -> tuple[NDArray[np.float32], dict[int, str]]:
    data, bad = np.zeros((len(table), length), np.float32), dict[int, str]()
    texts = plain(table.column(0))
    for low in range(0, len(texts), _READ_CELLS):  # each number takes the memory of a text
        part = texts.slice(low, _READ_CELLS)
        data[low : low + len(part)], reasons = parse(part, length, decimal)
        bad |= {low + row: reason for row, reason in reasons.items()}
    return data, bad


def parse(
    texts: Any, length: int, decimal: str = "."
) -> tuple[NDArray[np.float32], dict[int, str]]:
    data = np.zeros((len(texts), length), np.float32)
    lists = _split(texts, decimal)
    lengths = np.asarray(pc.list_value_length(lists))
    fits = lengths == length
    bad = {
        int(row): f"the cell has {lengths[row]:,} numbers, not {length:,}"
        for row in np.flatnonzero(~fits)
    }
    try:
        flat = lists.filter(pa.array(fits)).flatten().cast(pa.float32())
        data[fits] = np.asarray(flat).reshape(-1, length)
    except pa.ArrowException:
        for row in np.flatnonzero(fits).tolist():
            try:
                data[row] = np.asarray(lists[row].values.cast(pa.float32()))
            except pa.ArrowException:
                bad[row] = (
                    f"the cell holds {_first_non_number(lists[row].as_py())!r:.40}, not a number"
                )
    return data, bad


def _split(texts: Any, decimal: str) -> Any:
    cells = [
        b"" if text is None else text.encode().replace(_CELL, b" ") for text in texts.to_pylist()
    ]
    whole = _CELL.join(cells)
    whole = (_COMMA.sub(rb"\1.\2", whole) if decimal == "," else whole).translate(_APART)
    while b"  " in whole:
        whole = whole.replace(b"  ", b" ")
    words = pa.array([cell.strip(b" ") for cell in whole.split(_CELL)][: len(cells)], pa.string())
    lists = pc.split_pattern(words, " ")
    return pc.if_else(pc.equal(words, ""), pa.scalar([], pa.list_(pa.string())), lists)


def _first_non_number(words: Sequence[str]) -> str:
    for word in words:
        try:
            float(word)
        except ValueError:
            return word
    return ""


def open_number_text(table: OpenedTable) -> ArraySource | None:
    """Open a column of text with the same number of numbers in each cell; None without one.

    Bytes that fill a square are pictures, grey or of three channels; other numbers are vectors,
    unless a shape is given. The other columns name and label the rows.
    """
    cells, options = table.cells, table.options
    if options.key is None and (options.as_ == "table" or options.picked.columns is not None):
        return None
    found = _find(table)
    column = table.one_of(list(found), "numbers in text")
    if column is None:
        return None
    shape = options.shape or _shape(table, column, found[column])
    others = [c for c in table.columns if c.name != column and c.name in cells.names]
    at = name_column(others)
    name = None if at is None else others[at].name
    left_out = label_among([c for c in others if c.name != name])
    read, length = cells.only((column, *([name] if name else []))), found[column].shape[1]
    parse_ = partial(_parse_texts, length=length)
    store = CellStore(read, (column,), name, (length,), np.dtype(np.float32), parse_)
    wanted = replace(options, shape=shape, as_=None if shape else "vectors")
    source = wanted.array(store, f"{table.label}, column {column}", ColumnLabels(cells, left_out))
    return replace(source, chosen=Chosen((), None, left_out))


def _find(table: OpenedTable) -> dict[str, NDArray[np.float32]]:
    """Find columns of text that hold numbers, with the numbers of their first rows."""
    cells, key = table.cells, table.options.key
    wanted = [
        c.name
        for c in table.columns
        if not c.numeric
        and c.name in cells.names
        and table.options.picked.takes(c.name)
        and key in (None, c.name)
    ]
    if not wanted:
        return {}
    head, found = table.head, {}
    if head is None:
        head, _ = cells.cells(0, min(_TRIED_ROWS, cells.n_rows), wanted, whole=True)
    for name in wanted:
        texts = plain(head.column(name).slice(0, _TRIED_ROWS))
        if not is_text_type(texts.type):
            continue
        lengths = np.asarray(pc.list_value_length(_split(texts, cells.decimal)))
        length = int(np.median(lengths)) if len(lengths) else 0
        if length < _FEWEST:
            continue
        rows, bad = parse(texts, length, cells.decimal)
        if len(bad) <= (1 - _MOSTLY) * len(rows):
            found[name] = np.delete(rows, list(bad), 0)
    return found


def _shape(table: OpenedTable, column: str, rows: NDArray[np.float32]) -> tuple[int, ...] | None:
    """Return the shape of a picture by its numbers and the column's name; None for vectors."""
    options = table.options
    if options.as_ == "vectors" or options.fitted is not None:
        return None
    whole = bool((rows == np.rint(rows)).all()) and rows.min() >= 0 and rows.max() <= 255
    is_picture = whole or _NAMES.fullmatch(column) is not None or options.as_ == "images"
    found = square(rows.shape[1]) if is_picture else None
    if is_picture and found is None:
        raise InputError(
            f"column {column} of {table.label} has {rows.shape[1]:,} numbers per cell, which are "
            "not a square: give the shape of an image, as in --shape 28,28, or --as vectors"
        )
    return found
