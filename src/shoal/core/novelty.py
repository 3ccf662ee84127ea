"""Novelty scores of new rows, and the limits above which a row is unknown.

There are two scores, both from the representatives nearest to the row. Held-out rows give the
distribution of the scores of rows like the fitted ones, and so the limits at which no more than a
stated share of these is called unknown (conformal prediction: Vovk, Gammerman, Shafer, "Algorithmic
Learning in a Random World", 2005).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numba import njit
from numpy.typing import NDArray

REACH = 3
"""Nearest rows whose mean distance counts."""

_AROUND = 5  # neighbours of a representative that tell how densely it lies
_DENSITY = 0.5  # power of the local scale that distances are divided by; see `row_scores`
_FLOOR = 1e-3  # of the median local scale: near duplicates are not infinitely dense
_DOUBT = 0.25  # chance that the limits let more rows than stated be called unknown
_POOLED = 10.0  # held-out rows beyond its limit with which a cluster counts as much as all do
_TAIL = 0.1  # share of the largest scores, from which those beyond the largest are judged
_TAIL_ROWS = 10  # at least, of these scores
_THINNEST = 0.05  # of the largest score: the least step beyond it that makes a row e times rarer


def local_scale(distances: NDArray) -> NDArray[np.float32]:
    """Return the mean distance of each representative to its nearest others, (m,).

    `distances`, (m, k), are ascending.
    """
    if distances.shape[1] == 0:
        return np.ones(len(distances), np.float32)
    around = distances[:, :_AROUND].mean(axis=1, dtype=np.float64)
    positive = around[around > 0]
    floor = _FLOOR * float(np.median(positive)) if len(positive) else 1.0
    return np.maximum(around, floor).astype(np.float32)


def row_scores(
    distances: NDArray[np.float32],
    weights: NDArray[np.integer],
    scales: NDArray[np.float32],
    left: NDArray[np.float32],
    *,
    relative: bool = True,
) -> NDArray[np.float32]:
    """Return two novelty scores of each row, (n, 2).

    Both use the mean distance to the three nearest rows, where a representative counts as many
    times as it has rows. The first is relative to the local density: divided by the root of the
    local scale, a compromise between a plain distance, which would call all rows of a sparse
    cluster unknown, and a relative one, which would accept everything near a sparse cluster. The
    second is the distance in the space of all features, including the projection residual.

    Parameters
    ----------
    distances, weights, scales
        (n, k) distance, rows and `local_scale` of the nearest representatives, nearest first.
    left
        (n,) length of each row's projection residual, in units of the distances.
    relative
        False to use the second score twice, if projected rows alone are not informative enough.
    """
    scores = np.empty((len(distances), 2), np.float32)
    near = (distances[:, :REACH], np.float32), (weights[:, :REACH], np.int64)
    given = (*near, (scales[:, :REACH], np.float32), (left, np.float32))
    _score(*(np.asarray(array, kind) for array, kind in given), relative, scores)
    return scores


@njit(cache=True, nogil=True)
def _score(distances, weights, scales, left, relative, scores):  # type: ignore[no-untyped-def]
    near = distances.shape[1]
    for i in range(len(distances)):
        total, logs, counted = 0.0, 0.0, 0
        for j in range(near):
            rows = min(weights[i, j], REACH - counted)
            total += distances[i, j] * rows
            counted += rows
            logs += np.log(np.float64(scales[i, j]))
        reach = total / max(counted, 1)
        whole = math.hypot(reach, left[i])
        scores[i, 0] = reach / math.exp(_DENSITY * logs / near) if relative else whole
        scores[i, 1] = whole


@dataclass(frozen=True)
class Tail:
    """Tail probability of a score, from the ascending scores of held-out rows."""

    scores: NDArray[np.float32]

    @cached_property
    def _step(self) -> float:
        """Increase of a score beyond the largest that makes it e times rarer.

        The mean excess over the smallest of the largest tenth, as if the tail were exponential.
        """
        largest = float(self.scores[-1])
        tail = self.scores[-max(int(_TAIL * len(self.scores)), _TAIL_ROWS) :]
        excess = float(tail.mean(dtype=np.float64)) - float(tail[0])
        return max(excess, _THINNEST * largest, float(np.finfo(np.float32).tiny))

    def chance(self, values: NDArray) -> NDArray[np.float64]:
        """Return the probability that a row like the held-out ones scores as high, 0..1, (n,)."""
        n = len(self.scores)
        there = n - np.searchsorted(self.scores, values, side="left")
        beyond = np.maximum(np.asarray(values, np.float64) - float(self.scores[-1]), 0)
        found: NDArray[np.float64] = (there + 1) / (n + 1) * np.exp(-beyond / self._step)
        return found

    def limit(self, chance: float) -> float:
        """Return the score above which `chance` is lower."""
        n = len(self.scores)
        there = int(np.ceil(chance * (n + 1) - 1e-9)) - 1
        if there >= 1:
            return float(self.scores[max(n - there, 0)])
        return float(self.scores[-1]) - self._step * float(np.log(min(chance * (n + 1), 1.0)))


@dataclass(frozen=True)
class Novelty:
    """Distribution of the scores of rows like the fitted ones, from held-out rows.

    `place`, (n,), is the representative of each held-out row, and `scores`, (n, 2), its
    `row_scores`.
    """

    place: NDArray[np.int32]
    scores: NDArray[np.float32]

    @cached_property
    def _tails(self) -> tuple[Tail, Tail]:
        first, second = np.sort(self.scores, axis=0).T
        return Tail(np.ascontiguousarray(first)), Tail(np.ascontiguousarray(second))

    def rarity(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Combine the two scores to one number, the log rarity of the rarer one, (n,)."""
        chances = [tail.chance(scores[:, at]) for at, tail in enumerate(self._tails)]
        return -np.log(np.minimum(*chances))

    @cached_property
    def _known(self) -> NDArray[np.float64]:
        return self.rarity(self.scores)

    def likeness(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the share of rows like the fitted ones that are as far out as each row, (n,)."""
        return Tail(np.sort(self._known).astype(np.float32)).chance(self.rarity(scores))

    def limits(self, labels: NDArray[np.integer], rate: float) -> NDArray[np.float32]:
        """Return the scores above which a row is unknown, for each cluster, (clusters, 2).

        At most the share `rate` of rows like the fitted ones exceeds them, with 75% confidence
        (the limits come from a sample). If a cluster has enough held-out rows, its limits follow
        these, otherwise those of all clusters. `labels`, (m,), are the clusters of the
        representatives.
        """
        count = int(labels.max()) + 1
        cluster = labels[self.place]
        shift = self._shifts(cluster, count, rate)
        common = bounded_quantile(self._known - shift[cluster], rate)
        chances = np.exp(-(common + shift))
        return np.array(
            [[tail.limit(float(chance)) for tail in self._tails] for chance in chances], np.float32
        )

    def _shifts(self, cluster: NDArray[np.integer], count: int, rate: float) -> NDArray[np.float64]:
        """Return the difference of each cluster's limit from the overall one, (clusters,)."""
        shift = np.zeros(count)
        order = np.argsort(cluster, kind="stable")
        bounds = np.searchsorted(cluster[order], np.arange(count + 1))
        whole = plain_quantile(self._known, rate)
        for number in range(count):
            own = self._known[order[bounds[number] : bounds[number + 1]]]
            if len(own):
                trust = len(own) / (len(own) + _POOLED / rate)
                shift[number] = trust * (plain_quantile(own, rate) - whole)
        return shift


def plain_quantile(rarities: NDArray[np.float64], rate: float) -> float:
    """Return a value that a new one exceeds with probability at most `rate`.

    Beyond the largest value, probability falls by a factor e per unit.

    >>> plain_quantile(np.arange(99.0), 0.05), round(plain_quantile(np.arange(9.0), 0.01), 2)
    (94.0, 10.3)
    """
    n = len(rarities)
    above = int(np.floor(rate * (n + 1) + 1e-9))
    if above >= 1:
        return float(np.partition(rarities, n - above)[n - above])
    return float(rarities.max()) - float(np.log(rate * (n + 1)))


def bounded_quantile(rarities: NDArray[np.float64], rate: float) -> float:
    """Return a value that at most the share `rate` of new values exceeds, with 75% confidence.

    The tolerance limit of Wilks (1941): so few of n values exceed it that, for a larger share,
    chance would give as few at most one time in four.

    >>> bounded_quantile(np.arange(1000.0), 0.05), bounded_quantile(np.arange(28.0), 0.05)
    (955.0, 27.0)
    """
    n = len(rarities)
    above = int(np.searchsorted(scipy.special.bdtr(np.arange(n), n, rate), _DOUBT, side="right"))
    if above >= 1:
        return float(np.partition(rarities, n - above)[n - above])
    return float(rarities.max()) + float(np.log(-np.log(_DOUBT) / (n * rate)))
