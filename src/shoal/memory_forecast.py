"""How much memory and disk each stage of a fit will take, from what its arrays take."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from shoal.core.graph import MOST_NEIGHBOURS
from shoal.core.near_codes import near_type
from shoal.core.representatives import SAMPLE_PER_CODE
from shoal.core.shortlists import LENGTH, cell_count
from shoal.features import Encoder
from shoal.methods import METHODS
from shoal.rows import Source
from shoal.rows.memory_budget import LIBRARIES, memory_need, usual_cache_bytes
from shoal.settings import FitSettings
from shoal.stages import drawn, features
from shoal.stages.base import EVERY_ROW, Shards, is_encoded, is_read, keeps_numbers, row_bytes

READ_ENCODED = ("features", "project")
"""Stages that decode images."""

LEAST_MEMBERS = 32 << 20
"""Bytes for single files and images, below which photos of usual cameras are not read."""

GRAPH_BYTES = 5_000
"""Of a representative: neighbours, graph, trees of the parts that vote."""


@dataclass(frozen=True)
class Need:
    """What a stage takes, in bytes."""

    stage: str
    shared: int  # Memory whatever the workers are
    each: int  # Memory of every worker
    disk: int  # Of what it leaves in the run folder
    passing: int = 0  # Disk for what it deletes at its end
    once: int = 0  # Memory of a part of the stage in which no worker adds to it

    def memory(self, workers: int) -> int:
        return LIBRARIES + max(self.once, self.shared + workers * self.each)


def stage_needs(
    source: Source,
    rows: Source,
    encoder: Encoder,
    m: int,
    settings: FitSettings,
    grown: bool = False,
) -> tuple[Need, ...]:
    """Count memory and disk of every stage, from what its arrays take."""
    n, d = source.n_rows, encoder.n_features
    c = min(encoder.needs.components, d)
    shards = Shards.of(source)
    s, every = shards.size, m == n
    reading = shards.block(rows) * _read_bytes(rows) * (1 + rows.waits)
    encoding = reading + 6 * s * d + encoder.needs.scratch
    weights = encoder.needs.shared
    encoded, names = drawn.is_kept(source, encoder), 40 * n * is_encoded(source)
    method, graph = METHODS.get(settings.method), m * (GRAPH_BYTES + 8 * c)
    pairs = 0 if method is None else graph + int(method.pair_bytes * m * m)
    numbers = n * row_bytes(source) if keeps_numbers(source) else 0
    groups = len(shards.groups(8 * d * d))
    vectors = n * (4 * c + 8) if n <= EVERY_ROW else n * (c + 4)
    project = Need("project", weights + 8 * c * d, encoding + 8 * s * c, n + 4096 * len(shards))
    coding = _summarising(n, m, c, s, every, shards)
    single = drawn.is_single_pass(rows, encoder, settings) and not grown
    if single:
        sample = min(n, SAMPLE_PER_CODE * m) * 4 * c
        project = _together(project, coding, sample, _partial(m, c))
        coding = Need("summarise", 0, 0, 0)
    else:
        project = replace(project, disk=project.disk + vectors)
    needs = (
        Need("index", 0, s * _read_bytes(source) * is_read(source), names + numbers),
        Need(
            "features",
            weights,
            encoding + 40 * d * d,
            n * (not drawn.looks_at_some(rows, encoder)) + 4 * n * d * encoded,
            8 * groups * d * d + features.base_bytes(source, encoder),
        ),
        project,
        coding,
        Need("tree", graph, 0, m * (16 + 12 * MOST_NEIGHBOURS), once=pairs),
        Need("assign", _searching(m, c) + every * 4 * n, s * (20 * c + 64), 10 * n * (not single)),
    )
    source_bytes = min(memory_need(source).best, kept_bytes(source, settings.memory))
    least = LEAST_MEMBERS * is_encoded(source)
    reads = {
        "index": is_read(source),
        "features": not keeps_numbers(source),
        "project": not (keeps_numbers(source) or encoded),
    }
    return tuple(
        replace(one, shared=one.shared + source_bytes + least * (one.stage in READ_ENCODED))
        if reads.get(one.stage)
        else one
        for one in needs
    )


def _together(project: Need, coding: Need, sample: int, partial: int) -> Need:
    """Return what it takes to code rows as they are projected, once the sample is gone.

    A worker encodes a shard while it holds the sums of others, then codes it.
    """
    return Need(
        "project",
        project.shared + coding.shared - sample,
        max(project.each + partial, coding.each),
        project.disk + coding.disk,
        coding.passing + sample,
        coding.once
        + project.shared
        + sample,  # measured: what encoding left in the heap is in the way
    )


def _summarising(n: int, m: int, c: int, s: int, every: bool, shards: Shards) -> Need:
    left = m * (4 * c + 24) + (4 if every else near_type(m).itemsize) * n
    if every:
        return Need("summarise", n * (8 * c + 80), 0, left)
    sample = min(n, SAMPLE_PER_CODE * m)
    partial = _partial(m, c)
    groups = len(shards.groups(8 * m * c))
    # Workers summarise parts of the sample too, once the codes are found in copies of it.
    return Need(
        "summarise",
        sample * 4 * c + _searching(m, c) + partial,
        2 * partial + s * 20 * c,
        left,
        groups * partial,
        once=sample * (12 * c + 60),
    )


def _partial(m: int, c: int) -> int:
    return m * (8 * c + 40)


def _searching(m: int, c: int) -> int:
    lists = cell_count(m) * min(m, LENGTH)
    return lists * (4 * c + 8) + 16 * m * c


READING = ("index", "features", "project")
"""Stages that read the source; what it keeps for its next reads is let go of before others."""


def kept_bytes(source: Source, memory: int) -> int:
    """Count the bytes that a source may keep for its next reads, of so much memory."""
    return max(memory_need(source).least, usual_cache_bytes(memory))


def _read_bytes(source: Source) -> int:
    each, array = row_bytes(source), source.as_array()
    if array is not None:
        stored = int(np.prod(array.row_shape)) * array.store.dtype.itemsize
        plain = array.store.dtype == np.uint8 and stored == each
        return each if plain else 2 * stored + 2 * each
    return 2 * each
