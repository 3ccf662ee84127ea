"""Vectors in tables: Parquet and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shoal.errors import SourceError
from shoal.sources.base import Kind, Source


def make_parquet_source(
    paths: Sequence[Path], label: str, as_: Kind | None, key: str | None
) -> Source:
    """Open Parquet files."""
    raise SourceError(f"{label}: Parquet is not read yet")


def make_csv_source(path: Path, label: str, as_: Kind | None) -> Source:
    """Open a CSV file."""
    raise SourceError(f"{label}: CSV is not read yet")
