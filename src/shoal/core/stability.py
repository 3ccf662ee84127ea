"""Stability of clusters under resampling, from trees of random subsets of the rows."""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.tree import Tree

# Splits of a tree that are worth comparing: pieces below are smaller than any layer's.
_MOST_SPLITS = 600
_MOST_ROWS = 8000
_LEAST_SEEN = 4  # rows: fewer show nothing; of ten, 80% are in a part on average


def pieces(tree: Tree, most: int = _MOST_SPLITS) -> NDArray[np.int64]:
    """Return the clusters of all cuts into up to `most` + 1: rows ``(start, stop)``.

    Row 0 is the root; rows 1 + 2 t and 2 + 2 t are the pieces of the t-th split.
    """
    bounds = [0, tree.n_leaves]
    found = [(0, tree.n_leaves)]
    for cut in tree.splits[:most].tolist():
        at = bisect(bounds, cut)  # NumPy would copy the list at every look
        found += [(bounds[at - 1], cut), (cut, bounds[at])]
        bounds.insert(at, cut)
    return np.asarray(found, np.int64)


def agreement(
    order: NDArray,
    clusters: NDArray,
    part: NDArray,
    other: Tree,
    copies: NDArray[np.float64] | None = None,
    runs: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Return the best Jaccard index of each cluster with any piece of another tree, (c,).

    NaN if fewer than 4 rows of a cluster are in the subset.

    Parameters
    ----------
    order, clusters
        (m,) rows in the leaf order of their tree, and (c, 2) runs of it.
    part, other
        (n,) rows that the other tree was built on, and that tree.
    copies
        (m,) number of rows that each counts as; 1 by default.
    runs
        (p, 2) the pieces of the other tree, if known.

    References
    ----------
    Hennig, "Cluster-wise assessment of cluster stability", CSDA 52 (2007).
    """
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    members = part[other.order]
    place = position[members]
    runs = pieces(other) if runs is None else runs
    mass = np.ones(len(place)) if copies is None else copies[members]
    best = np.full(len(clusters), np.nan)
    before = np.concatenate([[0.0], np.cumsum(mass)])
    lengths = before[runs[:, 1]] - before[runs[:, 0]]
    _fill_best(place, mass, clusters.astype(np.int64), runs, lengths, before, best)
    return best


@njit(cache=True, nogil=True)
def _fill_best(place, mass, clusters, runs, lengths, shared, best):  # type: ignore[no-untyped-def]
    """Fill `best`; `shared[0]` is 0, and the rest of it is overwritten."""
    for c in range(len(clusters)):
        low, high = clusters[c, 0], clusters[c, 1]
        for i in range(len(place)):
            shared[i + 1] = shared[i] + (mass[i] if low <= place[i] < high else 0.0)
        size = shared[-1]
        if size < _LEAST_SEEN:
            continue
        best[c] = 0.0
        for r in range(len(runs)):
            length = lengths[r]
            if min(size, length) > best[c] * max(size, length):  # the Jaccard index if nested
                both = shared[runs[r, 1]] - shared[runs[r, 0]]
                best[c] = max(best[c], both / (size + length - both))


def draw_subsets(
    n_rows: int, seed: int, times: int, copies: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], ...]:
    """Draw subsets of 80% of the rows, at most 8,000, ascending, with all piles in each."""
    piles = np.flatnonzero(copies > 1) if copies is not None else np.empty(0, np.int64)
    others = np.delete(np.arange(n_rows), piles)
    size = max(min(len(others) * 4 // 5, _MOST_ROWS), int(not len(piles)))
    draws = (np.random.default_rng([seed, time]) for time in range(times))
    return tuple(
        np.sort(np.append(draw.choice(others, size, replace=False), piles)) for draw in draws
    )


@dataclass(frozen=True)
class Resampled:
    """Trees of random subsets of the rows, to compare clusters with.

    `copies`, (m,), is the number of rows that each counts as; 1 if None.
    """

    parts: tuple[NDArray, ...]
    trees: tuple[Tree, ...]
    copies: NDArray[np.float64] | None = None

    @cached_property
    def _runs(self) -> tuple[NDArray[np.int64], ...]:
        return tuple(pieces(tree) for tree in self.trees)

    def stability(self, order: NDArray, clusters: NDArray) -> NDArray[np.float64]:
        """Return the mean agreement of clusters (c, 2), runs of `order`, with the trees, (c,).

        NaN for clusters too small for the subsets.
        """
        seen = np.asarray(
            [
                agreement(order, clusters, part, tree, self.copies, runs)
                for part, tree, runs in zip(self.parts, self.trees, self._runs, strict=True)
            ]
        )
        counts = (~np.isnan(seen)).sum(0)
        mean: NDArray[np.float64] = np.nansum(seen, 0) / np.maximum(counts, 1)
        mean[counts == 0] = np.nan
        return mean
