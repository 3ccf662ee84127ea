"""Images in a column of a table in memory: their bytes, or the paths of their files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shoal.errors import InputError, SourceError
from shoal.rows.base import Source
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.formats import extension_of
from shoal.rows.images.listing import are_images, path_column
from shoal.rows.options import SourceOptions
from shoal.rows.pictured import with_pictures
from shoal.rows.several import open_images
from shoal.rows.tables.frames import FRAME, open_frame
from shoal.rows.tables.lists import array_type
from shoal.rows.tables.parquet_images import EMPTY, ImageColumn, cell_blobs, image_candidate
from shoal.rows.tables.parquet_paths import IMAGES, path_candidate, path_texts
from shoal.rows.tables.selection import Picked

_TRIED = 50


@dataclass(frozen=True, eq=False)
class FrameImages(EncodedStore):
    """Encoded images in a column of an Arrow table (pickling it copies them)."""

    cells: Any
    column: ImageColumn
    paths: tuple[str, ...]

    @property
    def n_rows(self) -> int:
        """How many images there are."""
        return len(self.cells)

    @property
    def is_far(self) -> bool:
        """They are in memory."""
        return False

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Return the bytes of each of the rows ``start..stop``, or why there are none."""
        part = self.cells.slice(start, stop - start).combine_chunks()
        for blob in cell_blobs(part, self.column):
            yield SourceError(EMPTY) if blob is None else blob

    def names(self, start: int, stop: int) -> list[str] | None:
        """Paths that lie beside the bytes; None without."""
        return list(self.paths[start:stop]) or None

    def facts(self) -> dict[str, Any]:
        """Return a hash of all images."""
        digest = hashlib.blake2b(digest_size=16)
        for blob in self.blobs(0, self.n_rows):
            digest.update(b"" if isinstance(blob, SourceError) else blob)
        return {"content": digest.hexdigest()}


def open_table_in_memory(table: Any, options: SourceOptions) -> Source:
    """Open a table in memory as Parquet files are: as images where a column holds them.

    A column of vectors comes before images, which these are then shown by; so do columns of
    numbers on one scale before a column of paths.

    Raises
    ------
    InputError
        When it cannot be read as what was asked for.
    """
    plain = options.schema is None and options.fitted is None and options.picked == Picked()
    keyed = options.key in table.column_names
    own = table.select([options.key]) if keyed else table
    wanted = plain and options.as_ in (None, "images") and table.num_rows > 0
    is_list = any(array_type(field.type)[0] for field in own.schema)
    shown = frame_pictures(own, options) if wanted and (options.as_ or not is_list) else None
    are_bytes = isinstance(getattr(shown, "store", None), FrameImages)
    if shown is not None and (keyed or options.as_ or are_bytes):
        return shown
    try:
        source = open_frame(table, options)
    except InputError:
        if shown is None:
            raise
        return shown
    if source.kind == "table" and shown is not None:
        return shown
    if source.kind == "vectors":
        beside = frame_pictures(table, options)
        if beside is not None and beside.n_rows == source.n_rows:
            return with_pictures(source, beside)
    return source


def frame_pictures(table: Any, options: SourceOptions) -> Source | None:
    """Open the images that lie beside vectors in a table in memory; None without any.

    Parameters
    ----------
    table : pyarrow.Table
        From `frames.to_frame`. Paths are relative to the current folder.
    options : Asked
        What the caller said of the table; of its images only their size counts.
    """
    plain = SourceOptions(None, None, None, None, options.image_size)
    for field in table.schema:
        column, cells = image_candidate(field, _leaves(field)), table.column(field.name)
        if column and _are_images(cells.slice(0, _TRIED).combine_chunks(), column):
            store = FrameImages(cells, column, _paths(cells) if column.path else ())
            return plain.encoded(store, f"{FRAME}, column {field.name}")
    names = [field.name for field in table.schema if path_candidate(field, _leaves(field))]
    texts = {name: path_texts(table.column(name).slice(0, _TRIED)) for name in names}
    at = path_column(names, lambda at: are_images(texts[names[at]], IMAGES))
    if at is None:
        return None
    paths = path_texts(table.column(names[at]))
    return open_images(Path(os.getcwd()), paths, f"{FRAME}, column {names[at]}", plain)


def _are_images(cells: Any, column: ImageColumn) -> bool:
    """Return whether some of the cells are images."""
    return any(isinstance(b, bytes) and extension_of(b) for b in cell_blobs(cells, column))


def _leaves(field: Any) -> list[str]:
    """List what a column is made of, as Parquet files do."""
    inner = field.type
    return [field.name] + (
        [f"{field.name}.{part.name}" for part in inner] if pa.types.is_struct(inner) else []
    )


def _paths(cells: Any) -> tuple[str, ...]:
    """Return the paths beside the bytes; none where they do not name all rows."""
    paths = path_texts(cells)
    return tuple(paths) if all(paths) and len(set(paths)) == len(paths) else ()
