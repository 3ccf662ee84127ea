"""Orders of the rows of a set: typical rows first, boundary rows first, and so on.

Sets of up to `EXACT` rows are sorted row by row, larger ones leaf by leaf, in a time that does not
depend on the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.explore.atlas import Atlas
from shoal.explore.cuts import Cut
from shoal.explore.positions import Positions

EXACT = 300_000

CLOSEST = 60
"""Rows shown where a set has no outliers or duplicates: a few screens."""

ORDERS = ("typical", "boundary", "outliers", "random", "duplicates", "tree")
_ROUNDS = 4
_TURNS = 50_000


class Ordered(Protocol):
    """A set of rows in some order."""

    def __len__(self) -> int: ...

    def take(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return the positions of the rows ``start..stop`` of the order."""


@dataclass(frozen=True)
class Runs:
    """A sequence of ranges of positions, or of single ones."""

    low: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, low: NDArray[np.int64], high: NDArray[np.int64] | None = None) -> Runs:
        return cls(low, np.cumsum(high - low) if high is not None else np.arange(1, len(low) + 1))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def take(self, start: int, stop: int) -> NDArray[np.int64]:
        at = np.arange(start, min(stop, len(self)))
        run = np.searchsorted(self.ends, at, side="right")
        before = np.append(0, self.ends)[run]
        return self.low[run] + at - before


@dataclass(frozen=True)
class Shuffled:
    """A set in random order without memory: a keyed permutation.

    Positions are encrypted by a Feistel network over the next power of four, again while the result
    is out of range (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
    """

    positions: Positions
    seed: int

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, start: int, stop: int) -> NDArray[np.int64]:
        n = len(self)
        at = np.arange(start, min(stop, n), dtype=np.uint64)
        bits = np.uint64(max(1, (n - 1).bit_length() + 1 >> 1))
        at = self._enciphered(at, bits)
        while len(over := np.flatnonzero(at >= n)):
            at[over] = self._enciphered(at[over], bits)
        return self.positions.take(at.astype(np.int64))

    def _enciphered(self, at: NDArray[np.uint64], bits: np.uint64) -> NDArray[np.uint64]:
        mask = np.uint64((1 << int(bits)) - 1)
        left, right = at >> bits, at & mask
        for round_ in range(_ROUNDS):
            key = np.uint64((self.seed * 8 + round_ + 1) * 0x9E3779B97F4A7C15 & (1 << 64) - 1)
            mixed = (right + key) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0x94D049BB133111EB)
            left, right = right, left ^ ((mixed >> np.uint64(31)) & mask)
        return (left << bits) | right


def ordered(positions: Positions, cut: Cut, order: str, seed: int = 0) -> Ordered:
    """Put a set of rows in one of `ORDERS`.

    ``typical``: nearest to the mean of their cluster and to their representative first; clusters
    alternate, the largest first, so that the beginning shows all of them. ``boundary``: the least
    confident first. ``outliers`` and ``duplicates``: only those. ``random``, by the seed. ``tree``:
    in tree order, so that similar rows are neighbours.
    """
    positions = passing(positions, cut.atlas, order)
    if order == "random":
        return Shuffled(positions, seed)
    if order in ("tree", "duplicates"):
        return Runs.of(positions.low, positions.high)
    if len(positions) <= EXACT:
        return Runs.of(_row_by_row(positions.all(), cut, order))
    return _leaf_by_leaf(positions, cut, order)


def _row_by_row(positions: NDArray[np.int64], cut: Cut, order: str) -> NDArray[np.int64]:
    leaves = cut.atlas.leaves_at(positions)
    if order == "boundary":
        return positions[np.argsort(cut.confidence(positions, leaves), kind="stable")]
    away = cut.away[leaves]
    start, counts = cut.atlas.start[leaves], np.maximum(cut.atlas.counts[leaves], 1)
    if order == "outliers":
        return positions[np.argsort(-away, kind="stable")]
    # A row near to its representative is more typical than one far from it, in the same leaf.
    typical = away / (cut.usual_away[cut.of_leaf[leaves]]) + (positions - start) / counts
    positions = positions[np.argsort(typical, kind="stable")]
    clusters = cut.labels(positions)
    return positions[_turns(_ranks(clusters, np.ones(len(positions), np.int64)), clusters, cut)]


def _ranks(clusters: NDArray, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the rows of the same cluster before each of some ranges of rows."""
    by_cluster = np.argsort(clusters, kind="stable")
    before = np.cumsum(lengths[by_cluster]) - lengths[by_cluster]
    begins = np.flatnonzero(np.diff(clusters[by_cluster], prepend=-1))
    each = np.diff(np.append(begins, len(clusters)))
    ranks = np.empty(len(clusters), np.int64)
    ranks[by_cluster] = before - np.repeat(before[begins], each)
    return ranks


def _turns(ranks: NDArray[np.int64], clusters: NDArray, cut: Cut) -> NDArray[np.int64]:
    return np.lexsort((clusters, -cut.sizes[clusters], ranks))


def _leaf_by_leaf(positions: Positions, cut: Cut, order: str) -> Runs:
    inner = cut.atlas.start[1:-1]
    inner = np.unique(inner[positions.holds(inner)])
    first = np.unique(np.concatenate([positions.low, inner]))
    high = np.append(first[1:], positions.high[-1])
    range_ = np.searchsorted(positions.low, first, side="right") - 1
    high = np.minimum(high, positions.high[range_])
    leaves = cut.atlas.leaves_at(first)
    away = cut.away[leaves] / cut.usual_away[cut.of_leaf[leaves]]
    key = cut.shares[leaves] if order == "boundary" else away
    by_key = np.argsort(-key if order == "outliers" else key, kind="stable")
    if order == "typical":
        return _leaves_in_turns(first[by_key], high[by_key], cut)
    return Runs.of(first[by_key], high[by_key])


def _leaves_in_turns(low: NDArray[np.int64], high: NDArray[np.int64], cut: Cut) -> Runs:
    """Let clusters alternate: row by row for the first rows of each, then leaf by leaf."""
    clusters = cut.of_leaf[cut.atlas.leaves_at(low)]
    ranks = _ranks(clusters, high - low)
    most = max(1, _TURNS // len(np.unique(clusters)))
    taken = np.clip(most - ranks, 0, high - low)
    run = np.repeat(np.arange(len(low)), taken)
    inner = np.arange(len(run)) - np.repeat(np.cumsum(taken) - taken, taken)
    positions = low[run] + inner
    head = positions[_turns(ranks[run] + inner, clusters[run], cut)]
    left = np.flatnonzero(taken < high - low)
    left = left[_turns(_ranks(clusters[left], np.ones(len(left), np.int64)), clusters[left], cut)]
    return Runs.of(
        np.concatenate([head, (low + taken)[left]]), np.concatenate([head + 1, high[left]])
    )


def ordered_or_closest(positions: Positions, cut: Cut, order: str, seed: int) -> Ordered:
    """Put a set of rows in an order; `closest` if it has no outliers or duplicates to show."""
    if len(passing(positions, cut.atlas, order)):
        return ordered(positions, cut, order, seed)
    return closest(positions, cut, order)


def passing(positions: Positions, atlas: Atlas, order: str) -> Positions:
    """Return the rows of a set that are outliers, or have an equal; all of them in other orders."""
    found = {"outliers": atlas.outliers, "duplicates": atlas.twins}.get(order)
    return positions if found is None else positions & found


def closest(positions: Positions, cut: Cut, order: str) -> Runs:
    """Return up to `CLOSEST` rows of a set that come nearest to being outliers or duplicates.

    The first are those farthest from the middle of their cluster, relative to its usual distance;
    the others pairs, the most alike first, which are known where every row is a representative.
    """
    return Runs.of(
        _farthest(positions, cut) if order == "outliers" else _most_alike(positions, cut.atlas)
    )


def _farthest(positions: Positions, cut: Cut) -> NDArray[np.int64]:
    """Return the last rows of the typical order: those of the leaves farthest out."""
    far = Positions.of(np.empty(0, np.int64))
    away = cut.away / cut.usual_away[cut.of_leaf]
    start, taken = cut.atlas.start, 0
    for leaf in np.argsort(-away, kind="stable").tolist():
        mine = positions & Positions.ranges(start[leaf : leaf + 1], start[leaf + 1 : leaf + 2])
        far, taken = far | mine, taken + len(mine)
        if taken >= CLOSEST:
            break
    found = far.all()
    leaves = cut.atlas.leaves_at(found)
    inner = (found - start[leaves]) / np.maximum(cut.atlas.counts[leaves], 1)
    return found[np.lexsort((-inner, -away[leaves]))][:CLOSEST]


def _most_alike(positions: Positions, atlas: Atlas) -> NDArray[np.int64]:
    """Return the rows of the shortest ties between two rows of a set, pair after pair."""
    if not atlas.result.rows_are_representatives:
        return np.empty(0, np.int64)
    neighbours, _, distances = atlas.neighbours
    one = np.repeat(np.arange(len(neighbours)), neighbours.shape[1])
    other, apart = neighbours.ravel().astype(np.int64), distances.ravel()
    ends = [atlas.start[atlas.leaf_of[row]] for row in (one, np.maximum(other, 0))]
    inside = (other >= 0) & positions.holds(ends[0]) & positions.holds(ends[1])
    shortest = np.flatnonzero(inside)
    shortest = shortest[np.argsort(apart[shortest], kind="stable")][: 4 * CLOSEST]
    pairs = np.stack([end[shortest] for end in ends], axis=1).ravel()
    _, first = np.unique(pairs, return_index=True)
    return pairs[np.sort(first)][:CLOSEST]
