"""Estimate the time of a fit from speeds measured on this machine and the work of each stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from shoal.core.nearest import EXACT_CENTRES, EXACT_ROWS, nearest_of, shortlists_for
from shoal.core.representatives import SAMPLE_PER_CODE
from shoal.core.shortlists import compared
from shoal.features import Projection, unreduced
from shoal.planning import Plan
from shoal.stages import drawn, features
from shoal.stages.fit_stages import stages_of
from shoal.stages.growth.proposals import MOST_CLUSTERED
from shoal.stages.source_traits import index_reads_rows, index_stores_rows

_SECONDS = 0.35  # for each of the five rates
_FEWEST = 8
_MOST = 16_384
_TRIED_CENTRES = 2 * EXACT_CENTRES
_COARSE_ROUNDS, _FINE_ROUNDS, _SEARCHES = 8, 6, 5  # of the codebook's sample
_PARTS, _PART_ROWS = 8, 8_000  # random parts that vote on the tree
_IN_CELLS = 0.25  # of all pairs are compared at most, where cells find the neighbours
_EXACT = 0.5  # of the time a distance that the search by shortlists takes: larger products
_REST = 7_200  # distances: the time a representative for communities, splits, layers
_SMALL = 2e-6  # seconds a row: accumulating, packing, writing
_SHARED = 0.9  # of a core that a worker gets where there are several


@dataclass(frozen=True)
class Rates:
    """Speed of one worker, per second."""

    # Rows of the source
    read: float
    encode: float
    project: float
    search: float  # Distances of a row to a centre, in the search for the nearest
    product: float  # Multiplications and additions of a matrix product in float64


def measure_speed(plan: Plan) -> Rates:
    """Measure the rates in about two seconds, on rows from a random place in the source.

    These rows may be in the page cache already; reading from disk can be slower.
    """
    source, encoder = plan.source, unreduced(plan.encoder)  # steps are not fitted yet
    encoder.setup()
    place = np.random.default_rng(0)
    at = int(place.integers(0, source.n_rows))

    def rows(count: int) -> np.ndarray:  # sequential, as in a pass, so that prefetching counts
        nonlocal at
        start = at if at + count <= source.n_rows else 0
        at = start + count
        return source.read(start, at).data

    most = min(_MOST, source.n_rows, plan.shards.block(source))
    c = min(encoder.needs.components, encoder.n_features)
    m = min(_TRIED_CENTRES, max(plan.representatives, 2))
    flat = Projection(np.zeros(encoder.n_features), np.ones((encoder.n_features, c)), np.ones(c))
    with threadpool_limits(1):
        read = _rate(rows, most)
        kept = rows(most)
        encode = _rate(lambda count: encoder.encode(kept[:count]), most)
        found = place.normal(size=(most, encoder.n_features)).astype(np.float32)
        project = _rate(lambda count: flat.apply(found[:count]), most)
        centres, near = (place.normal(size=(n, c)).astype(np.float32) for n in (m, _MOST))
        lists = shortlists_for(centres)
        search = _rate(
            lambda count: nearest_of(near[:count], centres, 1, shortlists=lists), _MOST, _MOST
        )
        square = np.ones((min(most, 1024), encoder.n_features))
        product = _rate(lambda count: square[:count].T @ square[:count], len(square))
    return Rates(read, encode, project, search * compared(m), product * encoder.n_features**2)


def _rate(work: Callable[[int], object], most: int, first: int = _FEWEST) -> float:
    """Return how many items per second `work` processes after a warm-up."""
    work(1)
    count = min(first, most)
    began = time.perf_counter()
    while True:
        start = time.perf_counter()
        work(count)
        now = time.perf_counter()
        if now - began > _SECONDS / 2 or (count == most and now - began > _SECONDS / 4):
            return count / max(now - start, 1e-9)
        count = min(4 * count, most)


def seconds(plan: Plan, rates: Rates) -> dict[str, float]:
    m, d = plan.representatives, plan.encoder.n_features
    n = plan.shards.n_rows if plan.added is None else plan.added
    together = max(1.0, _SHARED * plan.workers)
    kept = plan.added is None and drawn.is_kept(plan.source, plan.encoder)
    encoding = 1 / rates.read + 1 / rates.encode
    numbers, fits = (
        index_stores_rows(plan.source),
        features.fitting_passes(plan.source, plan.encoder),
    )
    encode = (0 if numbers else 1 / rates.read) + 1 / rates.encode
    looked = drawn.LOOKED_AT if drawn.looks_at_some(plan.source, plan.encoder) else n
    passes = {
        "index": n * index_reads_rows(plan.source) / rates.read,
        "features": n * fits * encode + looked * (encode + d * d / rates.product),
        "project": n * ((0 if kept else encoding) + 2 / rates.project + _SMALL),
        "summarise": n * _SMALL if m == n else _summarising(n, m, rates),
        "tree": _tree(m, rates),
        "assign": n * _SMALL,
    }
    if plan.added is not None:  # to an earlier run, whose tree is kept
        looked = min(MOST_CLUSTERED, n + m)
        passes["drift"] = looked * encoding + _tree(looked, rates)
        passes |= {stage.name: 0.0 for stage in stages_of(grows=True) if stage.unchanged_by_growth}
    return {name: passes.get(name, 0.0) / together for name in plan.needs}


def _summarising(n: int, m: int, rates: Rates) -> float:
    sample, coarse = min(n, SAMPLE_PER_CODE * m), 2 * m**0.5
    trained = min(128 * coarse, sample) * coarse * _COARSE_ROUNDS
    fine = sample * (coarse + _FINE_ROUNDS * m / coarse)
    searched = (_SEARCHES * sample + n) * compared(m)
    return (trained + fine + searched) / rates.search + (_SEARCHES * sample + n) * _SMALL


def _tree(m: int, rates: Rates) -> float:
    part = min(_PART_ROWS, 0.8 * m)
    exact = m * m * (1.0 if m <= EXACT_ROWS else _IN_CELLS) + _PARTS * part * part
    return (_EXACT * exact + _REST * (m + _PARTS * part)) / rates.search
