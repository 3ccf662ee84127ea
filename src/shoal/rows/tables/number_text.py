"""Numbers in one text cell per row: pixels (``70 80 82``), or a vector (``[0.1, 0.2]``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.tables.cells import is_text_type, plain
from shoal.rows.tables.columns import ColumnLabels
from shoal.rows.tables.opened import OpenedTable
from shoal.rows.tables.pixel_columns import label_among, square
from shoal.rows.tables.selection import Chosen, name_column
from shoal.rows.tables.table import CellStore

_CELL = b"\x1e"  # separates cells; within one it becomes a blank
_SIGNS = b",;|[](){}\t\n\r\x0b\x0c"
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
        data[low : low + len(part)], reasons = parse(part, length)
        bad |= {low + row: reason for row, reason in reasons.items()}
    return data, bad


def parse(texts: Any, length: int) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Parse cells of text as rows of `length` numbers, with reasons for others."""
    data = np.zeros((len(texts), length), np.float32)
    lists = _split(texts)
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


def _split(texts: Any) -> Any:
    cells = [
        b"" if text is None else text.encode().replace(_CELL, b" ") for text in texts.to_pylist()
    ]
    whole = _CELL.join(cells).translate(_APART)
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
        lengths = np.asarray(pc.list_value_length(_split(texts)))
        length = int(np.median(lengths)) if len(lengths) else 0
        if length < _FEWEST:
            continue
        rows, bad = parse(texts, length)
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
