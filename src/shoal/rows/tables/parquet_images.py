"""Encoded images in Parquet files: a column of bytes, or of Hugging Face's {bytes, path}."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.images.container import MAX_FILE_BYTES
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.formats import extension_of
from shoal.rows.room import FILES, Holds, Kept
from shoal.rows.store import because
from shoal.rows.tables.cells import is_text_type
from shoal.rows.tables.lists import is_list
from shoal.rows.tables.parquet_cursors import ParquetPart, batch_at
from shoal.rows.tables.parquet_files import (
    ParquetCells,
    holds_of,
    look_at,
    look_at_all,
    read_head,
)
from shoal.rows.tables.parquet_pages import leaves
from shoal.rows.tables.selection import listed
from shoal.storage import UrlPath

_TRIED = 8
_RUNS = 16
_PARTS_TRIED = 16
EMPTY = "the cell is empty"
_PLACES = 4  # from which images are read on, by as many threads
_NAMES = ("path", "name", "file", "filename", "file_name", "file_path", "image_path", "id", "key")
_LABELS = ("label", "labels", "class", "cls", "target", "category", "fine_label")


@dataclass(frozen=True)
class ImageColumn:
    """The column that holds images.

    Attributes
    ----------
    name : str
        Of the column.
    bytes : str
        What is read to get the bytes: the column, or a part of it.
    nested : bool
        True for {bytes, path}.
    listed : bool
        True for lists, of one image each.
    path : str or None
        What is read to get the paths that lie beside the bytes.
    """

    name: str
    bytes: str
    nested: bool = False
    listed: bool = False
    path: str | None = None


@dataclass(frozen=True, eq=False)
class ParquetImages(EncodedStore):
    """Encoded images in the rows of Parquet files, read a few at a time.

    Attributes
    ----------
    parts : tuple of ParquetPart
        The files in order.
    column : ImageColumn
        Where the images are.
    name_column, label_column : str or None
        The columns that name and label the rows.
    classes : tuple of str
        Names of the labels, where these are numbers that count them.
    """

    parts: tuple[ParquetPart, ...]
    column: ImageColumn
    name_column: str | None
    label_column: str | None
    classes: tuple[str, ...]
    kept: Kept = field(default_factory=Kept, repr=False)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """First row of each row group, and the end."""
        return np.cumsum([0, *(n for part in self.parts for n in part.groups)], dtype=np.int64)

    @cached_property
    def _groups(self) -> list[tuple[int, int]]:
        """All row groups: part and number within it."""
        return [(p, g) for p, part in enumerate(self.parts) for g in range(len(part.groups))]

    @property
    def n_rows(self) -> int:
        """How many rows all files have."""
        return int(self._starts[-1])

    @property
    def is_far(self) -> bool:
        """Whether each read asks a network."""
        return isinstance(self.parts[0].path, UrlPath)

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Read rows in order, a few megabytes at a time."""
        row = start
        while row < stop:
            group = int(np.searchsorted(self._starts, row, side="right")) - 1
            first, end = int(self._starts[group]), min(stop, int(self._starts[group + 1]))
            number, within = self._groups[group]
            part = self.parts[number]
            try:
                at, batch = batch_at(self.kept, part, within, self.column.bytes, row - first)
            except (OSError, EOFError, pa.ArrowException, SourceError, MemoryError) as error:
                said = f"{part.path.name} cannot be read: {because(error)}"
                yield from [SourceError(said)] * (end - row)
                row = end
                continue
            count = min(end - row, len(batch) - (row - first - at))
            cells = cell_blobs(batch.column(0).slice(row - first - at, count), self.column)
            for at, cell in enumerate(cells, row):
                yield self._pathless(at) if cell is None else cell
            row += count

    @cached_property
    def _beside(self) -> dict[str, ParquetCells]:
        """The columns of names and labels, each read on from where it was read last."""
        columns = (self.name_column, self.label_column, self.column.path)
        names = {name for name in columns if name is not None}
        return {name: ParquetCells(self.parts, (name,)) for name in names}

    @cached_property
    def holds(self) -> Holds:
        """Places in row groups from which images are read on."""
        found = holds_of(self.parts, [self.column.bytes])
        return Holds(found.least, max(found.best, _PLACES * found.least))

    def _pathless(self, row: int) -> SourceError:
        """Say that a cell has no bytes, and which path it has instead, if any."""
        path = self._texts(self.column.path, row, row + 1)[0] if self.column.path else None
        return SourceError(f"the cell has no bytes, only the path {path}" if path else EMPTY)

    def names(self, start: int, stop: int) -> list[str] | None:
        """Values of the column of names; without one, file and row where there are many files."""
        if self.name_column is not None:
            return [value or "" for value in self._texts(self.name_column, start, stop)]
        if len(self.parts) == 1:
            return None
        ends = np.cumsum([sum(part.groups) for part in self.parts])
        names = []
        for row in range(start, stop):
            part = int(np.searchsorted(ends, row, side="right"))
            before = int(ends[part - 1]) if part else 0
            names.append(f"{self.parts[part].path.name}:{row - before}")
        return names

    @property
    def label_origin(self) -> str | None:
        """The column of labels."""
        return None if self.label_column is None else f"column {self.label_column}"

    def labels(self) -> list[str | None] | None:
        """Values of the column of labels, by the names of the classes where they are known."""
        if self.label_column is None:
            return None
        texts = self._texts(self.label_column, 0, self.n_rows)
        names = {str(at): name for at, name in enumerate(self.classes)}
        return [text if text is None else names.get(text, text) for text in texts]

    def _texts(self, column: str, start: int, stop: int) -> list[str | None]:
        """Read a column as text; None where a cell is empty or cannot be read."""
        cells, _ = self._beside[column].cells(start, stop, [column])
        return list(map(_text, cells.column(0).to_pylist()))

    def some(self, count: int) -> NDArray[np.int64]:
        """Rows at the beginning of row groups from all over."""
        filled = np.flatnonzero(np.diff(self._starts))
        runs = min(_RUNS, len(filled), count)
        chosen = filled[np.linspace(0, len(filled) - 1, runs).astype(int)]
        length = max(1, count // max(runs, 1))
        ends = np.minimum(self._starts[chosen] + length, self._starts[chosen + 1])
        pieces = [
            np.arange(low, high) for low, high in zip(self._starts[chosen], ends, strict=True)
        ]
        return np.concatenate(pieces).astype(np.int64)

    def facts(self) -> dict[str, Any]:
        """Return the column, and the files' names, sizes and times."""
        return {"column": self.column.name, **ParquetCells(self.parts, ()).facts()}


def _text(cell: Any) -> str | None:
    """Return a cell as text: a value, or the path in a struct or in a list of one."""
    if isinstance(cell, list):
        cell = cell[0] if len(cell) == 1 else None
    if isinstance(cell, dict):
        cell = next(iter(cell.values()))
    return None if cell is None else str(cell)


def cell_blobs(values: Any, column: ImageColumn) -> Iterator[bytes | SourceError | None]:
    """Go through the bytes of cells, or why there are none; None for empty ones."""
    counts = None
    if column.listed:
        values, counts = _only(values)
    if column.nested:
        values = pc.struct_field(values, "bytes")
    for at, value in enumerate(values):
        if counts is not None and counts[at] > 1:
            yield SourceError(f"the cell has {counts[at]} images, not one")
        else:
            if value.is_valid:
                size, make = value.as_buffer().size, partial(_blob, value)
                yield from FILES.granted(size, "reading the cell", make)
            else:
                yield None


def _only(lists: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return the one entry of each list, null where there is not one; and how many there are."""
    counts = np.asarray(lists.value_lengths().fill_null(0), np.int64)
    ends = np.cumsum(counts)
    return lists.flatten().take(pa.array(ends - 1, mask=counts != 1)), counts


def _blob(value: Any) -> bytes | SourceError:
    """Return the bytes of a cell, or why they are not read."""
    size = value.as_buffer().size
    if size > MAX_FILE_BYTES:
        return SourceError(f"the image has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
    return bytes(value.as_py())


def find_images(paths: Sequence[Path], label: str, key: str | None) -> ImageColumn | None:
    """Find the column of images by its type and its first cells; None when there is none.

    Raises
    ------
    SourceError
        When the first file cannot be read.
    InputError
        When there are several and `key` is none of them.
    """
    try:
        part = look_at(paths[0])
        with part.open(()) as file:
            paths_in = [column.path for column in file.schema]
            likely = [image_candidate(one, paths_in) for one in file.schema_arrow]
        columns = [column for column in likely if column and _holds_images(part, column)]
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{paths[0]} cannot be read as Parquet: {because(error)}") from None
    named = {column.name: column for column in columns}
    if len(columns) > 1 and key not in named:
        raise InputError(
            f"{label} has {len(columns)} columns of images: give --key {columns[0].name} or "
            f"another ({listed(list(named))})"
        )
    return named.get(key) if key is not None else next(iter(columns), None)


def image_candidate(column: Any, paths_in: Sequence[str]) -> ImageColumn | None:
    """Return whether a column can hold images by its type."""
    listed = is_list(column.type)
    kind = column.type.value_type if listed else column.type
    parts = [one for one in paths_in if one == column.name or one.startswith(f"{column.name}.")]
    if _is_binary(kind):
        return ImageColumn(column.name, parts[0], listed=listed)
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return None
    if not _is_binary(kind.field("bytes").type):
        return None
    ends = {name: [one for one in parts if one.endswith(f".{name}")] for name in ("bytes", "path")}
    path = min(ends["path"], key=len, default=None)
    return ImageColumn(column.name, min(ends["bytes"], key=len), True, listed, path)


def _is_binary(kind: Any) -> bool:
    """Return whether an Arrow type is one of bytes."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _holds_images(part: ParquetPart, column: ImageColumn) -> bool:
    """Return whether one of a column's first cells is an image; so does a column of no cells."""
    group = next((group for group, rows in enumerate(part.groups) if rows), None)
    if group is None:
        return column.nested
    _, batch = batch_at(Kept(), part, group, column.bytes, 0)
    values = batch.column(0).slice(0, _TRIED)
    values = values.flatten() if column.listed else values
    values = pc.struct_field(values, "bytes") if column.nested else values
    there = [cell for cell in values.to_pylist() if cell]
    if there or not column.nested:
        return any(map(extension_of, there))
    return column.path is None or not any(
        map(_text, read_head(part.path, [column.path]).column(0).slice(0, _TRIED).to_pylist())
    )


def make_parquet_images(paths: Sequence[Path], column: ImageColumn) -> ParquetImages:
    """Open Parquet files whose `column` holds images.

    Raises
    ------
    SourceError
        When a file is damaged, unlike the first, or there are no rows.
    """
    parts = look_at_all(paths)
    if not any(sum(part.groups) for part in parts):
        raise SourceError(f"{paths[0]} has no rows")
    if column.listed:
        _refuse_several(parts, column)
    first = next(part for part in parts if sum(part.groups))
    with first.open(()) as file:
        schema = file.schema_arrow
        light = [
            one.name for one in schema if is_text_type(one.type) or pa.types.is_integer(one.type)
        ]
        light += [column.path] if column.path else []
    head = read_head(first.path, light)
    label = next((name for name in _LABELS if name in light), None)
    return ParquetImages(
        parts, column, _name_column(head, column, light), label, _classes(schema, label)
    )


def _refuse_several(parts: Sequence[ParquetPart], column: ImageColumn) -> None:
    """Raise where rows hold several images each."""
    for part in parts[:_PARTS_TRIED]:
        with part.open(()) as file:
            rows, chunks = file.metadata.num_rows, range(file.metadata.num_row_groups)
            count = sum(
                leaf.num_values
                for group in chunks
                for leaf in leaves(file.metadata, group, [column.bytes])
            )
        if count > rows:
            raise InputError(
                f"{part.path.name}: the {rows:,} rows of column {column.name} hold {count:,} "
                "images: make a row of each, as pandas does by "
                f"frame.explode({column.name!r}).to_parquet(...)"
            )


def _name_column(head: Any, column: ImageColumn, light: Sequence[str]) -> str | None:
    """Find a column of texts, no two alike, that names the rows."""
    usual = [name for name in _NAMES if name in light]
    for name in [*([column.path] if column.path else []), *usual]:
        cells = head.column(column.name if name == column.path else name).to_pylist()
        texts = list(map(_text, cells)) if name == column.path else cells
        if all(isinstance(text, str) and text for text in texts) and len(set(texts)) == len(texts):
            return name
    return None


def _classes(schema: Any, label: str | None) -> tuple[str, ...]:
    """Return the names of the classes that Hugging Face's datasets note in a file's metadata."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])
        names = noted["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
