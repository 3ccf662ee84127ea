"""Parquet files: images, vectors or a table, by what their columns are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shoal.errors import SourceError
from shoal.rows.base import Source
from shoal.rows.options import SourceOptions
from shoal.rows.tables.cells import plain_names
from shoal.rows.tables.image_columns import Typed, open_typed
from shoal.rows.tables.parquet_files import ParquetCells, look_at_all, read_head


def open_parquet(paths: Sequence[Path], label: str, many: str, options: SourceOptions) -> Source:
    """Open Parquet files whose columns are alike; `many` is the label with their number."""
    options.refuse("Parquet files", dtype=options.dtype)
    parts = look_at_all(paths)
    first = next((part for part in parts if sum(part.groups)), None)
    if first is None:
        raise SourceError(f"{label} has no rows")
    with first.open(()) as file:
        schema, leaves = file.schema_arrow, tuple(column.path for column in file.schema)
    names = plain_names(schema)
    cells = ParquetCells(parts, names, tuple(n for n in schema.names if n not in names))
    folders = tuple(path.parent for path in paths)
    path = first.path
    return open_typed(
        Typed(cells, schema, leaves, folders, label, many, lambda: read_head(path)), options
    )
