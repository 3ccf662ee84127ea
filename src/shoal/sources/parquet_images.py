"""Encoded images in Parquet files: a column of bytes, or of Hugging Face's {bytes, path}."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.sources.folder import MAX_FILE_BYTES
from shoal.sources.formats import extension_of
from shoal.sources.parquet_cursors import ParquetPart, batch_at
from shoal.sources.parquet_files import (
    ParquetFiles,
    holds_of,
    look_at,
    look_at_all,
    read_head,
)
from shoal.sources.room import Holds, Kept
from shoal.sources.store import because
from shoal.sources.table import listed
from shoal.storage import UrlPath

_TRIED = 8
_RUNS = 16
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
    nested : bool
        True for {bytes, path}.
    """

    name: str
    nested: bool

    @property
    def bytes(self) -> str:
        """What is read to get the bytes."""
        return f"{self.name}.bytes" if self.nested else self.name


@dataclass(frozen=True, eq=False)
class ParquetImages:
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
            values = self._bytes(batch)
            count = min(end - row, len(values) - (row - first - at))
            for value in values.slice(row - first - at, count):
                yield _blob(value)
            row += count

    @cached_property
    def _beside(self) -> dict[str, ParquetFiles]:
        """The columns of names and labels, each read on from where it was read last."""
        names = {name for name in (self.name_column, self.label_column) if name is not None}
        return {name: ParquetFiles(self.parts, (name,), 1) for name in names}

    @cached_property
    def holds(self) -> Holds:
        """Places in row groups from which images are read on."""
        found = holds_of(self.parts, [self.column.bytes])
        return Holds(found.least, max(found.best, _PLACES * found.least))

    def _bytes(self, batch: Any) -> Any:
        """Give the column of bytes of a batch."""
        values = batch.column(0)
        return values.field("bytes") if self.column.nested else values

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
        texts: list[str | None] = []
        for count, table in self._beside[column].tables(start, stop):
            values = [None] * count if isinstance(table, str) else table.column(0).to_pylist()
            for value in values:
                inner = next(iter(value.values())) if isinstance(value, dict) else value
                texts.append(None if inner is None else str(inner))
        return texts

    def path(self, row: int) -> None:
        """Rows are no files."""

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
        """Give the column, and the files' names, sizes and times."""
        return {"column": self.column.name, **ParquetFiles(self.parts, (), 1).facts()}


def _blob(value: Any) -> bytes | SourceError:
    """Give the bytes of a cell, or why there are none."""
    if not value.is_valid:
        return SourceError("the cell is empty")
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
            columns = [found for found in map(_candidate, file.schema_arrow) if found]
        columns = [column for column in columns if _holds_images(part, column)]
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{paths[0]} cannot be read as Parquet: {because(error)}") from None
    named = {column.name: column for column in columns}
    if len(columns) > 1 and key not in named:
        raise InputError(
            f"{label} has {len(columns)} columns of images: give --key {columns[0].name} or "
            f"another ({listed(list(named))})"
        )
    return named.get(key) if key is not None else next(iter(columns), None)


def _candidate(column: Any) -> ImageColumn | None:
    """Tell whether a column can hold images by its type."""
    if _is_binary(column.type):
        return ImageColumn(column.name, False)
    nested = pa.types.is_struct(column.type) and column.type.get_field_index("bytes") >= 0
    if nested and _is_binary(column.type.field("bytes").type):
        return ImageColumn(column.name, True)
    return None


def _is_binary(kind: Any) -> bool:
    """Tell whether an Arrow type is one of bytes."""
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _holds_images(part: ParquetPart, column: ImageColumn) -> bool:
    """Tell whether one of a column's first cells is an image; so does a column of no cells."""
    group = next((group for group, rows in enumerate(part.groups) if rows), None)
    cells = []
    if group is not None:
        _, batch = batch_at(Kept(), part, group, column.bytes, 0)
        cells = batch.column(0).slice(0, _TRIED).to_pylist()
    cells = [cell and cell["bytes"] for cell in cells] if column.nested else cells
    there = [cell for cell in cells if cell]
    return any(map(extension_of, there)) or (column.nested and not there)


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
    first = next(part for part in parts if sum(part.groups))
    with first.open(()) as file:
        schema = file.schema_arrow
        light = [one.name for one in schema if _is_text(one.type) or _is_whole(one.type)]
        light += [f"{column.name}.path"] if column.nested and _has_path(schema, column) else []
    head = read_head(first.path, light)
    label = next((name for name in _LABELS if name in light), None)
    return ParquetImages(
        parts, column, _name_column(head, column, light), label, _classes(schema, label)
    )


def _is_text(kind: Any) -> bool:
    """Tell whether an Arrow type is one of text."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_whole(kind: Any) -> bool:
    """Tell whether an Arrow type is one of whole numbers."""
    return bool(pa.types.is_integer(kind))


def _has_path(schema: Any, column: ImageColumn) -> bool:
    """Tell whether a column of structs has paths."""
    return bool(schema.field(column.name).type.get_field_index("path") >= 0)


def _name_column(head: Any, column: ImageColumn, light: Sequence[str]) -> str | None:
    """Find a column of texts, no two alike, that names the rows."""
    path = f"{column.name}.path"
    usual = [name for name in _NAMES if name in light]
    for name in [*([path] if path in light else []), *usual]:
        values = head.column(column.name if name == path else name).to_pylist()
        texts = [value and value["path"] for value in values] if name == path else values
        if all(isinstance(text, str) and text for text in texts) and len(set(texts)) == len(texts):
            return name
    return None


def _classes(schema: Any, label: str | None) -> tuple[str, ...]:
    """Give the names of the classes that Hugging Face's datasets note in a file's metadata."""
    try:
        noted = json.loads((schema.metadata or {})[b"huggingface"])
        names = noted["info"]["features"][label]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(map(str, names)) if isinstance(names, list) else ()
