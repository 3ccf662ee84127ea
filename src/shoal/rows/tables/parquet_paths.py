"""Parquet files that list image files: a column of their paths, or Hugging Face's without bytes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from shoal.rows.images.formats import EXTENSIONS
from shoal.rows.images.listed import under
from shoal.rows.images.listing import are_images, path_column
from shoal.rows.kinds import OPTIONAL
from shoal.rows.tables.column_labels import ColumnLabels
from shoal.rows.tables.columns import by_type, describe_columns
from shoal.rows.tables.lists import is_list
from shoal.rows.tables.opened import names_and_answers
from shoal.rows.tables.parquet import plain_cells
from shoal.rows.tables.parquet_files import ParquetCells, look_at, look_at_all, read_head

_TRIED = 50
IMAGES = EXTENSIONS.union(*(kind.extensions for kind in OPTIONAL))


@dataclass(frozen=True)
class PathColumn:
    """A column of paths: `leaf` is what is read of it."""

    name: str
    leaf: str


def find_paths(paths: Sequence[Path], key: str | None) -> PathColumn | None:
    """Find the column whose first cells are mostly paths of image files; None without one."""
    part = look_at(paths[0])
    with part.open(()) as file:
        schema, leaves = file.schema_arrow, [column.path for column in file.schema]
    fields = [field for field in schema if key in (None, field.name)]
    columns = [found for field in fields if (found := path_candidate(field, leaves))]
    if not columns:
        return None
    head = read_head(paths[0], [column.leaf for column in columns]).slice(0, _TRIED)
    cells = [path_texts(head.column(column.name)) for column in columns]
    names = [column.name for column in columns]
    at = path_column(names, lambda at: are_images(cells[at], IMAGES))
    return None if at is None else columns[at]


def read_paths(
    paths: Sequence[Path], column: PathColumn, label: str
) -> tuple[Path, list[str], ColumnLabels]:
    """Read all paths of image files.

    Returns
    -------
    Path
        The folder that they are relative to: that of the files, or the root where these lie in
        several folders.
    list of str
        The paths.
    ColumnLabels
        What labels the images.
    """
    parts = look_at_all(paths)
    names: list[str] = []
    root = paths[0].parent
    is_one = all(path.parent == root for path in paths)
    for path, part in zip(paths, parts, strict=True):
        files = ParquetCells((part,), (column.leaf,))
        for table, _ in files.pieces(0, files.n_rows, files.columns):
            texts = path_texts(table.column(0))
            names += texts if is_one else [_absolute(path.parent, text) for text in texts]
    head = read_head(paths[0])
    cells, kinds = plain_cells(parts, head), [by_type(field) for field in head.schema]
    _, answers = names_and_answers(describe_columns(cells, kinds, label, head), head)
    return (root if is_one else Path("/")), names, ColumnLabels(cells, answers)


def _absolute(folder: Path, name: str) -> str:
    """Return a path as such, whatever it is relative to."""
    return name if not name or "://" in name else os.fspath(under(folder, name))


def path_candidate(field: Any, leaves: Sequence[str]) -> PathColumn | None:
    """Return whether a column can hold paths by its type: text, or structs with a path."""
    if _is_text(field.type):
        return PathColumn(field.name, field.name)
    inner = field.type.value_type if is_list(field.type) else field.type
    if not pa.types.is_struct(inner) or inner.get_field_index("path") < 0:
        return None
    if not _is_text(inner.field("path").type):
        return None
    parts = (one for one in leaves if one.startswith(f"{field.name}.") and one.endswith(".path"))
    return PathColumn(field.name, min(parts, key=len))


def _is_text(kind: Any) -> bool:
    """Return whether an Arrow type is one of text."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def path_texts(column: Any) -> list[str]:
    """Return the paths in cells, empty where there is not exactly one."""
    return [_text(cell) for cell in column.to_pylist()]


def _text(cell: Any) -> str:
    """Return the path in one cell."""
    if isinstance(cell, list):
        cell = cell[0] if len(cell) == 1 else None
    if isinstance(cell, dict):
        cell = cell.get("path")
    return cell.strip() if isinstance(cell, str) else ""
