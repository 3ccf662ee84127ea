"""Parquet files: pictures, vectors or a table, by what their columns are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from shoal.errors import SourceError
from shoal.rows.base import Source
from shoal.rows.label_names import words_of
from shoal.rows.options import SourceOptions
from shoal.rows.tables.cells import plain_names
from shoal.rows.tables.columns import by_type, describe_columns
from shoal.rows.tables.lists import is_list
from shoal.rows.tables.opened import open_cells
from shoal.rows.tables.parquet_files import ParquetCells, ParquetPart, look_at_all, read_head
from shoal.rows.tables.parquet_files import parquet_schema as parquet_schema

EMBEDDINGS = frozenset(
    ("embedding", "embeddings", "embed", "emb", "vector", "vectors", "feature", "features")
)
"""Words in the names of columns that hold what a network makes of an image."""


def find_embedding(paths: Sequence[Path]) -> str | None:
    """Find the one column of lists of fractions that is called as embeddings are; None without.

    The name decides: boxes, poses and scores are lists too.
    """
    found = [
        field.name
        for field in parquet_schema(paths[0])
        if is_list(field.type)
        and pa.types.is_floating(field.type.value_type)
        and not EMBEDDINGS.isdisjoint(words_of(field.name))
    ]
    return found[0] if len(found) == 1 else None


def open_parquet(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    """Open Parquet files whose columns are alike.

    Raises
    ------
    SourceError
        When a file is damaged, empty or unlike the first.
    InputError
        When the columns make no vectors and no table.
    """
    parts = look_at_all(paths)
    first = next((part for part in parts if sum(part.groups)), None)
    if first is None:
        raise SourceError(f"{label} has no rows")
    head = read_head(first.path)
    cells, kinds = plain_cells(parts, head), [by_type(field) for field in head.schema]
    return open_cells(
        cells, label, options, lambda: describe_columns(cells, kinds, label, head), head
    )


def plain_cells(parts: tuple[ParquetPart, ...], head: Any) -> ParquetCells:
    """Return the columns that hold plain values."""
    names = plain_names(head.schema)
    return ParquetCells(parts, names, tuple(n for n in head.column_names if n not in names))
