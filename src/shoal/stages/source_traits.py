"""Traits of a source that decide how stages read and store its rows."""

from __future__ import annotations

import numpy as np

from shoal.rows import EncodedSource, Source

STORED_BYTES = 2 << 30
"""Parsed numbers and features are stored on disk up to this size, and recomputed above it."""


def row_bytes(source: Source) -> int:
    """Count the bytes of one decoded row."""
    return int(np.prod(source.shape)) * {"images": 1, "vectors": 4, "table": 8}[source.kind]


def is_encoded(source: Source) -> bool:
    """Return whether rows are encoded images, in files or archives, which are decoded when read."""
    return source.kind == "images" and isinstance(source, EncodedSource)


def is_integer_array(source: Source) -> bool:
    """Return whether rows are those of an array of integers, every one of which is usable."""
    array = source.as_array()
    return array is not None and array.store.dtype.kind in "bui"


def index_reads_rows(source: Source) -> bool:
    """Return whether the index reads the rows to find unusable ones.

    Damaged images are found later, when they are decoded for the features.
    """
    return not (is_integer_array(source) or is_encoded(source))


def index_stores_rows(source: Source) -> bool:
    """Return whether the index stores parsed rows: few, which parse slowly (CSV, Parquet)."""
    small = source.n_rows * row_bytes(source) <= STORED_BYTES
    array = source.as_array()
    return small and index_reads_rows(source) and (array is None or array.is_parsed)
