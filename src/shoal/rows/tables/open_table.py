"""The decision what the rows of a table are: pictures, vectors, or mixed columns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.core.plural import listed
from shoal.errors import InputError, SourceError
from shoal.rows.base import Source
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.formats import EXTENSIONS, extension_of
from shoal.rows.images.image_table import MAX_FILE_BYTES, under
from shoal.rows.images.listing import are_images, path_column
from shoal.rows.kinds import OPTIONAL
from shoal.rows.memory_budget import FILES, MemoryNeed, memory_need
from shoal.rows.options import SourceOptions
from shoal.rows.pictures import with_pictures
from shoal.rows.tables.cell_arrays import (
    array_type,
    find_arrays,
    find_embedding,
    is_list,
    list_store,
    open_number_text,
)
from shoal.rows.tables.cells import is_text_type, one_array, plain
from shoal.rows.tables.columns import ColumnLabels, OpenedTable
from shoal.rows.tables.mixed import make_fitted_source, make_table_source
from shoal.rows.tables.selection import Picked, choose_pixels
from shoal.rows.tables.table import Cells, CellStore, parse_numbers

_FILES_TRIED, _ROWS_TRIED = 16, 1 << 12
_HEAD_BYTES = 1 << 12  # of each sampled cell
_NAMED_ROWS = 1000  # sampled rows whose names must differ
_PLACES = 4  # positions from which as many threads read
_NAMES = ("path", "name", "file", "filename", "file_name", "file_path", "image_path", "id", "key")
_LABELS = ("label", "labels", "class", "cls", "target", "category", "fine_label")
_IMAGES = EXTENSIONS.union(*(kind.extensions for kind in OPTIONAL))
_EMPTY = "the cell is empty"


def open_table(table: OpenedTable) -> Source:
    """Open a table as images, vectors or mixed columns; vectors may have images to show."""
    if table.schema is None:
        return _open_rows(table)
    options = table.options
    is_looked = options.as_ in (None, "images") and options.schema is None
    is_looked = is_looked and options.picked == Picked()
    images = _open_images(table, options) if is_looked else None
    free = options.as_ is None and options.key is None
    embedding = find_embedding(table.schema) if free and images is not None else None
    if embedding is not None:
        table = replace(table, options=replace(options, as_="vectors", key=embedding))
    elif images is not None:
        return images
    source = _open_rows(table)
    if source.kind != "vectors" or getattr(source, "column_names", None):
        return source
    if images is None:
        images = _open_images(table, replace(table.options, as_=None, key=None))
    fits = images is not None and images.n_rows == source.n_rows
    return with_pictures(source, images) if images is not None and fits else source


def _open_rows(table: OpenedTable) -> Source:
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


def _open_images(table: OpenedTable, options: SourceOptions) -> Source | None:
    if not table.cells.n_rows:
        return None
    fields = [field for field in table.schema if options.key in (None, field.name)]
    likely = [found for field in fields if (found := _image_column(field, table.leaves))]
    columns = {column.name: column for column in likely if _holds_images(table, column)}
    name = replace(table, options=replace(options, key=None)).one_of(list(columns), "images")
    if name is not None:
        store = _make_images(table, columns[name])
        return options.encoded(store, f"{table.many}, column {name}", keyed=True)
    paths = {field.name: leaf for field in fields if (leaf := _path_leaf(field, table.leaves))}
    names, leaves = list(paths), list(paths.values())
    at = path_column(
        names, lambda at: are_images(list(map(str, _texts(table.first(leaves[at])))), _IMAGES)
    )
    return None if at is None else _open_paths(table, names[at], leaves[at], options)


def _open_paths(table: OpenedTable, name: str, leaf: str, options: SourceOptions) -> Source:
    cells, low, paths = table.cells.only((leaf,)), 0, list[str]()
    is_one = len(set(table.folders)) == 1
    for folder, high in zip(table.folders, cells.file_ends, strict=True):
        for piece, _ in cells.pieces(low, high, (leaf,)):
            found = [(text or "").strip() for text in _texts(one_array(piece.column(0)))]
            paths += [
                text if is_one or not text or "://" in text else os.fspath(under(folder, text))
                for text in found
            ]
        low = high
    from shoal.rows.file_sets import open_images  # which opens Parquet files by this module

    root = table.folders[0] if is_one else Path("/")
    label = f"{table.many}, column {name}"
    source: Any = open_images(root, paths, label, replace(options, key=None))
    if source.n_rows != len(paths):
        return source
    return replace(source, beside=table.name_and_labels()[1])


@dataclass(frozen=True)
class ImageColumn:
    name: str
    bytes: str  # the leaf column of the bytes
    nested: bool = False  # {bytes, path}
    listed: bool = False  # lists of one image each
    path: str | None = None  # the leaf column of the paths beside the bytes


@dataclass(frozen=True, eq=False)
class CellImages(EncodedStore):
    cells: Cells
    column: ImageColumn
    name_column: str | None  # the columns of names and labels
    label_column: str | None
    classes: tuple[str, ...]  # names of labels that are class numbers

    @cached_property
    def _own(self) -> Cells:
        return self.cells.only((self.column.bytes,))

    @cached_property
    def _beside(self) -> dict[str, Cells]:
        columns = (self.name_column, self.label_column, self.column.path)
        return {name: self.cells.only((name,)) for name in columns if name is not None}

    @property
    def n_rows(self) -> int:
        return self.cells.n_rows

    @property
    def is_remote(self) -> bool:
        return self.cells.is_remote

    @cached_property
    def memory_need(self) -> MemoryNeed:
        found = memory_need(self._own)
        return MemoryNeed(found.least, max(found.best, _PLACES * found.least))

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        row = start
        for table, bad in self._own.batches(start, stop, self.column.bytes):
            yield from map(SourceError, bad.values())
            for chunk in table.column(0).chunks if not bad else ():
                for at, cell in enumerate(_blobs(chunk, self.column), row):
                    yield self._pathless(at) if cell is None else cell
                row += len(chunk)
            row += len(bad)

    def _pathless(self, row: int) -> SourceError:
        path = self._texts_of(self.column.path, row, row + 1)[0] if self.column.path else None
        return SourceError(f"the cell has no bytes, only the path {path}" if path else _EMPTY)

    def names(self, start: int, stop: int) -> list[str] | None:
        if self.name_column is not None:
            return [value or "" for value in self._texts_of(self.name_column, start, stop)]
        return self.cells.places(start, stop)

    @property
    def label_origin(self) -> str | None:
        return None if self.label_column is None else f"column {self.label_column}"

    def labels(self) -> list[str | None] | None:
        if self.label_column is None:
            return None
        texts = self._texts_of(self.label_column, 0, self.n_rows)
        names = {str(at): name for at, name in enumerate(self.classes)}
        return [text if text is None else names.get(text, text) for text in texts]

    def _texts_of(self, column: str, start: int, stop: int) -> list[str | None]:
        return _texts(one_array(self._beside[column].cells(start, stop, [column])[0].column(0)))

    def some(self, count: int) -> NDArray[np.int64]:
        return self.cells.some(count)

    def facts(self) -> dict[str, Any]:
        return {"column": self.column.name, **self._own.facts()}


def _texts(array: Any) -> list[str | None]:
    array = _single_entries(array)[0] if is_list(array.type) else array
    array = pc.struct_field(array, "path") if pa.types.is_struct(array.type) else plain(array)
    return [None if value is None else str(value) for value in array.to_pylist()]


def _blobs(values: Any, column: ImageColumn) -> Iterator[bytes | SourceError | None]:
    """Yield the bytes of cells, or why they are not available; None for empty cells."""
    values, counts = _single_entries(values) if column.listed else (values, None)
    values = pc.struct_field(values, "bytes") if column.nested else values
    for at, value in enumerate(values):
        if counts is not None and counts[at] > 1:
            yield SourceError(f"the cell has {counts[at]} images, not one")
        elif value.is_valid:
            size = value.as_buffer().size
            yield from FILES.granted(size, "reading the cell", partial(_blob, value))
        else:
            yield None


def _single_entries(lists: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return the only entry of each list, null for other lists; and the lengths."""
    counts = np.asarray(lists.value_lengths().fill_null(0), np.int64)
    ends = np.cumsum(counts)
    return lists.flatten().take(pa.array(ends - 1, mask=counts != 1)), counts


def _blob(value: Any) -> bytes | SourceError:
    size = value.as_buffer().size
    if size > MAX_FILE_BYTES:
        return SourceError(f"the image has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
    return bytes(value.as_py())


def _image_column(field: Any, leaves: Sequence[str]) -> ImageColumn | None:
    listed = is_list(field.type)
    kind = field.type.value_type if listed else field.type
    own = [one for one in leaves if one == field.name or one.startswith(f"{field.name}.")]
    if _is_binary(kind):
        return ImageColumn(field.name, own[0], listed=listed)
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return None
    if not _is_binary(kind.field("bytes").type):
        return None
    ends = {name: [one for one in own if one.endswith(f".{name}")] for name in ("bytes", "path")}
    path = min(ends["path"], key=len, default=None)
    return ImageColumn(field.name, min(ends["bytes"], key=len), True, listed, path)


def _is_binary(kind: Any) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _path_leaf(field: Any, leaves: Sequence[str]) -> str | None:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if is_text_type(kind):
        return str(field.name)
    inner = field.type.value_type if is_list(field.type) else field.type
    if not pa.types.is_struct(inner) or inner.get_field_index("path") < 0:
        return None
    own = (one for one in leaves if one.startswith(f"{field.name}.") and one.endswith(".path"))
    return min(own, key=len) if is_text_type(inner.field("path").type) else None


def _holds_images(table: OpenedTable, column: ImageColumn) -> bool:
    """Return whether one of the first cells is an image, or all cells are missing."""
    values = table.first(column.bytes)
    values = values.flatten() if column.listed else values
    values = pc.struct_field(values, "bytes") if column.nested else values
    heads = [bytes(memoryview(v.as_buffer())[:_HEAD_BYTES]) for v in values if v.is_valid]
    if any(heads) or not column.nested:
        return any(map(extension_of, heads))
    return column.path is None or not any(_texts(table.first(column.path)))


def _make_images(table: OpenedTable, column: ImageColumn) -> CellImages:
    if column.listed and (count := table.cells.count_values(column.bytes)) > table.cells.n_rows:
        raise InputError(
            f"{table.label}: the {table.cells.n_rows:,} rows of column {column.name} hold "
            f"{count:,} images: make a row of each, as pandas does by "
            f"frame.explode({column.name!r}).to_parquet(...)"
        )
    texts = [field.name for field in table.schema if is_text_type(field.type)]
    light = [*texts, *(field.name for field in table.schema if pa.types.is_integer(field.type))]
    label = next((name for name in _LABELS if name in light), None)
    usual = [*([column.path] if column.path else []), *(n for n in _NAMES if n in texts)]
    firsts = ((n, _texts(table.first(n, _NAMED_ROWS))) for n in usual)
    name = next((n for n, texts in firsts if all(texts) and len(set(texts)) == len(texts)), None)
    have = set(table.schema.names)
    leaves = dict.fromkeys(n for n in (column.name, name, label) if n is not None and n in have)
    return CellImages(
        table.cells.only(tuple(leaves)), column, name, label, _classes(table.schema, label)
    )


def _classes(schema: Any, label: str | None) -> tuple[str, ...]:
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])
        names = noted["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
