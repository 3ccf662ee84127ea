"""What the stages of a fit have to do, and the memory and disk space that a stage needs for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shoal.core.shortlists import LENGTH, cell_count
from shoal.features import Encoder
from shoal.rows import Source
from shoal.rows.memory_budget import LIBRARIES, memory_need, usual_cache_bytes
from shoal.settings import FitSettings
from shoal.stages.shards import Shards
from shoal.stages.source_traits import is_encoded, row_bytes

LEAST_MEMBERS = 32 << 20
"""Bytes for single files and images, below which photos of usual cameras are not read."""

GRAPH_BYTES = 5_000
"""Of a representative: neighbours, graph, trees of the parts that vote."""


@dataclass(frozen=True)
class Need:
    """What a stage takes, in bytes."""

    shared: int = 0  # Memory whatever the workers are
    each: int = 0  # Memory of every worker
    disk: int = 0  # Of what it leaves in the run folder
    passing: int = 0  # Disk for what it deletes at its end
    serial_peak: int = 0  # Memory of its serial part, in which workers take none of their own

    def memory(self, workers: int) -> int:
        return LIBRARIES + max(self.serial_peak, self.shared + workers * self.each)


@dataclass(frozen=True)
class Workload:
    """The rows of a fit, and how they become features and representatives."""

    opened: Source
    source: Source  # The same rows, with the pixels that the encoder wants
    encoder: Encoder
    settings: FitSettings
    representatives: int
    grows: bool = False  # Whether rows are added to a previous run

    @property
    def rows(self) -> int:
        return self.opened.n_rows

    @property
    def features(self) -> int:
        """Numbers of a row of features."""
        return self.encoder.n_features

    @property
    def components(self) -> int:
        """Numbers of a projected row."""
        return min(self.encoder.needs.components, self.features)

    @property
    def every_row(self) -> bool:
        return self.representatives == self.rows

    @cached_property
    def shards(self) -> Shards:
        return Shards.of(self.opened)

    @cached_property
    def source_bytes(self) -> int:
        """Memory of the source itself while it is read."""
        most = cache_bytes(self.opened, self.settings.memory)
        cached = min(memory_need(self.opened).best, most)
        return cached + LEAST_MEMBERS * is_encoded(self.opened)

    @cached_property
    def encoding_bytes(self) -> int:
        """Memory in which a worker reads and encodes a shard."""
        reading = self.shards.block(self.source) * read_bytes(self.source) * (1 + self.source.waits)
        return reading + 6 * self.shards.size * self.features + self.encoder.needs.scratch


def cache_bytes(source: Source, memory: int) -> int:
    """Count the bytes that a source may keep for its next reads, of so much memory."""
    return max(memory_need(source).least, usual_cache_bytes(memory))


def read_bytes(source: Source) -> int:
    """Count the bytes that reading a row takes."""
    each, array = row_bytes(source), source.as_array()
    if array is not None:
        stored = int(np.prod(array.row_shape)) * array.store.dtype.itemsize
        plain = array.store.dtype == np.uint8 and stored == each
        return each if plain else 2 * stored + 2 * each
    return 2 * each


def search_bytes(m: int, c: int) -> int:
    """Count the bytes of what the nearest of m rows of c numbers are searched by."""
    lists = cell_count(m) * min(m, LENGTH)
    return lists * (4 * c + 8) + 16 * m * c
