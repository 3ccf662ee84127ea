"""Rows that were added, as the rows of the earlier run see them: how far out they lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoal.core.near_codes import lengthened
from shoal.core.packing import rounded
from shoal.stages.context import Context
from shoal.stages.encoding import residual
from shoal.stages.fitted import Fitted
from shoal.stages.growth.previous import Previous
from shoal.stages.result import Result
from shoal.stages.vectors import read_vectors
from shoal.storage import StageFolder, read_npy

NEAR = 0.02
"""Of the usual length of a vector: by so much a row may differ and be the same."""


@dataclass(frozen=True)
class Gauge:
    """What rows are judged by, at a cut."""

    previous: Previous
    fitted: Fitted  # The same run
    labels: NDArray[np.int32]  # (m,) cluster of each representative
    # (clusters,) the distances from which a row is unlike a cluster, and within which 95% of its
    # own rows are
    limits: NDArray[np.float32]
    usual: NDArray[np.float32]

    @classmethod
    def of(cls, previous: Previous, labels: NDArray[np.int32]) -> Gauge:
        fitted = Fitted(previous.result)
        return cls(previous, fitted, labels, fitted.limits(labels), fitted.usual(labels))

    @property
    def clusters(self) -> int:
        return len(self.limits)

    @cached_property
    def _left_scale(self) -> float:
        """What a length in features counts where the projection shows none of it: the least."""
        return float(np.linalg.norm(self.fitted.projection.matrix[:, -1]))

    @property
    def representatives(self) -> NDArray[np.float32]:
        """The earlier run's, with what the projection leaves out of a row in the middle."""
        vectors = self.fitted.result.representatives.vectors
        return self.with_left(vectors, np.full(len(vectors), self.fitted.usual_residual))

    def in_earlier_space(self, features: NDArray) -> NDArray[np.float32]:
        """Project rows, with what the projection leaves out as one more number, (n, c + 1)."""
        projection = self.fitted.projection
        vectors = projection.apply(features)
        left = residual(projection, features, vectors)
        if self.fitted.result.packed:
            vectors = rounded(vectors)
        return self.with_left(vectors, left)

    def with_left(self, vectors: NDArray, left: NDArray) -> NDArray[np.float32]:
        """Put what the projection leaves out beside projected rows, (n, c + 1)."""
        beside = (self._left_scale * left[:, None]).astype(np.float32)
        return np.concatenate([vectors, beside], axis=1)


@dataclass(frozen=True)
class Added:
    """The good new rows of one shard: number, representative, cluster, and how they lie."""

    shard: int
    rows: NDArray[np.int64]
    place: NDArray[np.int32]
    cluster: NDArray[np.int32]
    unlike: NDArray[np.bool_]
    stretched: NDArray[np.bool_]
    beyond: NDArray[np.bool_]

    def place_of(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        return self.place[np.searchsorted(self.rows, rows)]


def added_rows(context: Context, gauge: Gauge) -> Iterator[Added]:
    """Go through the shards that have new rows, and judge these."""
    for number in gauge.previous.redone(len(context.shards)):
        yield judged(context, gauge, number)


def judged(context: Context, gauge: Gauge, number: int) -> Added:
    """Compare the new rows of a shard with what the old ones were like."""
    project, previous = context.stage("project"), gauge.previous
    place, distance = Result(context.run).read_shard(number, "representative", "distance")
    new = (place >= 0) & ~kept_rows(previous, project, number, len(place))
    at = np.flatnonzero(new)
    beyond = read_npy(project.part("left", number))[at] > gauge.fitted.residual_limit
    cluster, away = gauge.labels[place[at]], distance[at]
    unlike = (away > gauge.limits[cluster]) | beyond
    stretched = (away > gauge.usual[cluster]) | unlike
    return Added(number, number * previous.size + at, place[at], cluster, unlike, stretched, beyond)


def kept_rows(
    previous: Previous, project: StageFolder, number: int, rows: int
) -> NDArray[np.bool_]:
    """Return which rows of a shard are the previous run's, as they were, (rows,).

    Where files changed, a row is as it was when its vector is, up to rounding.
    """
    kept = np.arange(rows) < previous.kept_in(number)
    if number in previous.changed:
        before = previous.stage("project")
        good, was_good = (read_npy(one.part("ok", number)) for one in (project, before))
        both = slice(min(rows, len(was_good)))
        here = read_vectors(project, number)[both]
        away = _moved(before, number, here, was_good[both])
        lengths = (here[good[both] & was_good[both]] ** 2).sum(axis=1)
        usual = np.sqrt(lengths.mean()) if len(lengths) else 0
        kept[both] = (good[both] == was_good[both]) & (away <= NEAR * usual)
    return kept


def _moved(
    before: StageFolder, number: int, here: NDArray[np.float32], was_good: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Return how far rows are from where they were, at least: all of it where their vectors are."""
    if not before.has("places", number):
        return np.sqrt(((here - read_vectors(before, number)[: len(here)]) ** 2).sum(axis=1))
    near, centres = read_npy(before.part("near", number)), read_npy(before.whole("centres"))
    code = near["codes"][: len(here), 0]
    coded = code < len(centres)
    there = np.zeros_like(here)
    there[coded] = centres[code[coded]]
    far = np.flatnonzero(was_good & ~coded)
    there[far] = read_vectors(before, number, far)
    was_away = np.where(coded, lengthened(near["distance"][: len(here)]), 0)
    return np.abs(np.sqrt(((here - there) ** 2).sum(axis=1)) - was_away)


def home_of(context: Context, gauge: Gauge, shard: int, rows: NDArray) -> NDArray[np.float32]:
    """Return new rows of a shard as `Gauge.in_earlier_space` does, from what is stored of them."""
    project, at = context.stage("project"), rows - shard * context.shards.size
    left = read_npy(project.part("left", shard))[at]
    return gauge.with_left(read_vectors(project, shard, at), left)
