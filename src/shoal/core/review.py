"""Choose review questions about clusters, and estimate what an answer would gain.

There are three kinds of doubt: two clusters may be the same, one may be two, and rows may be in the
wrong one of two. Each has a probability p of changing something, and a number of rows that would
change. The gain of an answer is the expected number of changed rows times its uncertainty, 4 p (1 −
p), which is 1 at even odds and 0 if the answer is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from shoal.core.excess import split_excess
from shoal.core.graph import Graph

# The excess at which the sides of a split are of two kinds as often as of one, and how fast that
# changes: a logistic curve fitted on the chosen half of benchmarks.labelled (docs/method.md).
_EVEN, _SLOPE = 1.0, 1.0
_NEAREST = 3  # clusters that each is compared with
_SHOWN = 12
_EXAMPLES = 24


@dataclass(frozen=True)
class Pair:
    """Two clusters that may be the same."""

    one: int
    other: int
    """Positions of the clusters, the larger first."""
    excess: float
    """Excess of the cut between them."""
    chance: float
    """Probability that they are the same, 0..1."""
    bridge: tuple[int, ...]
    """Representatives of both with the strongest links to the other side."""


@dataclass(frozen=True)
class Borderline:
    """Rows of one cluster that are nearest to another."""

    cluster: int
    other: int
    expected: float
    """Expected number of rows in the wrong cluster."""
    gain: float
    """Sum over rows of probability × uncertainty."""
    rows: tuple[int, ...]
    """The most doubtful rows, worst first."""
    chance: float
    """Mean probability of these that they belong to the other cluster."""


def uncertainty(chance: float) -> float:
    """Return the uncertainty of an answer: 1 at even odds, 0 if it is known.

    >>> uncertainty(0.5), uncertainty(0.0), round(uncertainty(0.1), 2)
    (1.0, 0.0, 0.36)
    """
    return 4.0 * chance * (1.0 - chance)


def chance_of_two(excess: float) -> float:
    """Return the probability that the sides of a split are two kinds, by its excess, 0..1.

    >>> chance_of_two(-np.inf), chance_of_two(_EVEN), chance_of_two(np.inf)
    (0.0, 0.5, 1.0)
    """
    return float(expit(_SLOPE * (excess - _EVEN)))


def near_pairs(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    graph: Graph,
    labels: NDArray[np.int64],
    known: MutableMapping[Hashable, Pair] | None = None,
) -> list[Pair]:
    """Compare each cluster with those that it is most strongly linked to, in order.

    Parameters
    ----------
    vectors, weights
        (m, d) and (m,) of the representatives.
    labels
        (m,) position of each one's cluster, 0 .. K − 1; −1 is left out.
    known
        Cache of earlier results on the same data: pairs of unchanged clusters are taken from it,
        others are added.
    """
    matrix = graph.matrix()
    known = {} if known is None else known
    members = [np.flatnonzero(labels == c) for c in range(int(labels.max(initial=-1)) + 1)]
    names = [hashlib.blake2b(rows.tobytes(), digest_size=16).digest() for rows in members]
    found = []
    for a, b in _candidates(matrix, labels):
        if weights[members[b]].sum() > weights[members[a]].sum():
            a, b = b, a
        key = names[a], names[b]
        pair = known.get(key)
        if pair is None:
            excess, bridge = _compared(vectors, weights, graph, matrix, members[a], members[b])
            pair = Pair(a, b, excess, 1.0 - chance_of_two(excess), bridge)
            known[key] = pair
        found.append(replace(pair, one=a, other=b))
    return found


def _compared(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    graph: Graph,
    matrix: sparse.csr_matrix,
    one: NDArray[np.int64],
    other: NDArray[np.int64],
) -> tuple[float, tuple[int, ...]]:
    """Return the excess of the cut between two clusters, and the representatives that link them."""
    rows = np.concatenate([one, other])
    part = matrix[rows][:, rows].tocsr()
    edges = part.indptr, part.indices, part.data
    inverse = graph.inverse_dimension[rows]
    copies = graph.copies_of(rows)
    excess = split_excess(
        vectors[rows], weights[rows], inverse, edges, 0, len(one), len(rows), copies=copies
    )
    return excess, _bridge(part, rows, len(one))


def _candidates(matrix: sparse.csr_matrix, labels: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs of clusters with the strongest links for their size, each once."""
    k = int(labels.max(initial=-1)) + 1
    known = np.flatnonzero(labels >= 0)
    shape = (k, len(labels))
    member = sparse.csr_matrix((np.ones(len(known)), (labels[known], known)), shape=shape)
    between = (member @ matrix @ member.T).tocoo()
    total = np.asarray(between.sum(axis=1)).ravel()
    pairs = set()
    apart = between.row != between.col
    row, col = between.row[apart], between.col[apart]
    ratio = between.data[apart] / np.maximum(total[row] * total[col], 1e-300)
    order = np.lexsort((col, -ratio, row))
    start = np.searchsorted(row[order], np.arange(k + 1))
    for cluster in range(k):
        for at in order[start[cluster] : start[cluster + 1]][:_NEAREST]:
            pairs.add((min(cluster, int(col[at])), max(cluster, int(col[at]))))
    return sorted(pairs)


def _bridge(part: sparse.csr_matrix, rows: NDArray[np.int64], middle: int) -> tuple[int, ...]:
    """Return the representatives of both sides with the most weight across."""
    across = part[:middle, middle:]
    sides = []
    for weight, own in ((across.sum(axis=1), rows[:middle]), (across.sum(axis=0), rows[middle:])):
        tied = np.asarray(weight).ravel()
        order = np.argsort(-tied, kind="stable")[: _SHOWN // 2]
        sides += own[order[tied[order] > 0]].tolist()
    return tuple(int(row) for row in sides)


class BorderlineRows:
    """Collects rows between two of k clusters, block by block, with bounded memory."""

    def __init__(self, k: int) -> None:
        self._k = k
        self._sums: dict[int, NDArray[np.float64]] = {}
        self._keys = np.empty(0, np.int64)
        self._rows = np.empty(0, np.int64)
        self._chances = np.empty(0)

    def add(
        self,
        rows: NDArray[np.int64],
        cluster: NDArray[np.int64],
        other: NDArray[np.int64],
        chance: NDArray[np.float64],
    ) -> None:
        """Add rows of `cluster` with the probability that they belong to `other` (0..½)."""
        keys = cluster * self._k + other
        distinct, at = np.unique(keys, return_inverse=True)
        gains = chance * 4.0 * chance * (1.0 - chance)
        sums = np.stack([np.bincount(at, values, len(distinct)) for values in (chance, gains)], 1)
        for key, values in zip(distinct.tolist(), sums, strict=True):
            self._sums[key] = self._sums.get(key, 0.0) + values
        keys = np.concatenate([self._keys, keys])
        rows = np.concatenate([self._rows, rows])
        chance = np.concatenate([self._chances, chance])
        order = np.lexsort((rows, -chance, keys))
        first = np.searchsorted(keys[order], keys[order])
        kept = order[np.arange(len(order)) - first < _EXAMPLES]
        self._keys, self._rows, self._chances = keys[kept], rows[kept], chance[kept]

    def found(self) -> list[Borderline]:
        """Return the collected rows by pair of clusters."""
        return [
            Borderline(
                *divmod(key, self._k),
                float(sums[0]),
                float(sums[1]),
                tuple(self._rows[self._keys == key].tolist()),
                float(self._chances[self._keys == key].mean()),
            )
            for key, sums in sorted(self._sums.items())
        ]


def chance_by_margin(margin: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the probability that a row belongs to its second cluster, by its margin, 0..½.

    Each representative votes with one over its squared distance; the margin is
    255 (1 − nearest distance / second distance).

    >>> chance_by_margin(np.array([0, 255], np.uint8)).tolist()
    [0.5, 0.0]
    """
    square = (1.0 - margin.astype(np.float64) / 255.0) ** 2
    return square / (1.0 + square)


def chance_by_links(
    neighbours: NDArray[np.int32], affinities: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the other cluster that each representative is most strongly linked to, and its share.

    The cluster is −1 if all links are within its own; the share of the links to both is at most ½.
    """
    there = labels[np.maximum(neighbours, 0)]
    tied = np.where((neighbours >= 0) & (there >= 0), affinities, 0).astype(np.float64)
    foreign = (there != labels[:, None]) & (tied > 0)
    own = np.where(there == labels[:, None], tied, 0).sum(axis=1)
    best, other = np.zeros(len(labels)), np.full(len(labels), -1, np.int64)
    some = np.flatnonzero(foreign.any(axis=1))  # most have all their ties in their own cluster
    there, tied, foreign = there[some], tied[some], foreign[some]
    for at in range(neighbours.shape[1]):
        votes = np.where(there == there[:, at : at + 1], tied, 0).sum(axis=1)
        better = foreign[:, at] & (votes > best[some])
        best[some[better]], other[some[better]] = votes[better], there[better, at]
    chance = np.minimum(best / np.maximum(best + own, 1e-300), 0.5)
    other[labels < 0] = -1
    return other, chance
