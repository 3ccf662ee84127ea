"""Would the same clusters come out of other rows? Trees of random parts tell."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.core.tree import Tree

# Splits of a tree that are worth comparing: pieces below are smaller than any layer's.
_MOST_SPLITS = 600
_MOST_ROWS = 8000
_LEAST_SEEN = 10  # rows: with fewer a graph of neighbours does not hold together in a part


def pieces(tree: Tree, most: int = _MOST_SPLITS) -> NDArray[np.int64]:
    """Give the clusters of all the cuts into up to `most` + 1: rows ``(start, stop)``.

    Row 0 is the root; rows 1 + 2 t and 2 + 2 t are what the t-th split makes.
    """
    bounds = [0, tree.n_leaves]
    found = [(0, tree.n_leaves)]
    for cut in tree.splits[:most].tolist():
        at = int(np.searchsorted(bounds, cut))
        found += [(bounds[at - 1], cut), (cut, bounds[at])]
        bounds.insert(at, cut)
    return np.asarray(found, np.int64)


def agreement(order: NDArray, clusters: NDArray, part: NDArray, other: Tree) -> NDArray[np.float64]:
    """Give the best Jaccard index of each cluster with any piece of another tree.

    Parameters
    ----------
    order : ndarray, shape (m,), int
        All rows in the leaf order of their tree.
    clusters : ndarray, shape (c, 2)
        Runs of that order.
    part : ndarray, shape (n,), int
        The rows that the other tree was built on.
    other : Tree
        Its leaves number the rows of `part`.

    Returns
    -------
    ndarray, shape (c,), float64
        0..1; NaN where fewer than 10 rows of a cluster are in the part.

    References
    ----------
    Hennig, "Cluster-wise assessment of cluster stability", CSDA 52 (2007).
    """
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    place = position[part[other.order]]
    runs = pieces(other)
    lengths = runs[:, 1] - runs[:, 0]
    best = np.full(len(clusters), np.nan)
    total = np.zeros(len(place) + 1, np.int64)
    for i, (low, high) in enumerate(clusters):
        np.cumsum((place >= low) & (place < high), out=total[1:])
        size = total[-1]
        if size >= _LEAST_SEEN:
            both = total[runs[:, 1]] - total[runs[:, 0]]
            best[i] = (both / (size + lengths - both)).max()
    return best


@dataclass(frozen=True)
class Resampled:
    """Trees of random parts of the rows, to hold clusters against.

    Parameters
    ----------
    parts : tuple of ndarray
        The rows of each part.
    trees : tuple of Tree
        The tree of each part.
    """

    parts: tuple[NDArray, ...]
    trees: tuple[Tree, ...]

    @classmethod
    def of(
        cls,
        n_rows: int,
        fit: Callable[[NDArray, int], Tree],
        seed: int,
        times: int = 8,
        workers: int = 1,
    ) -> Resampled:
        """Draw `times` parts (80 % of the rows, at most 8,000) and build the tree of each.

        Parameters
        ----------
        fit : callable
            ``fit(rows, seed) -> Tree`` builds a tree on these rows of the data.
        """
        size = max(min(n_rows * 4 // 5, _MOST_ROWS), 1)
        parts = tuple(
            np.sort(np.random.default_rng([seed, time]).choice(n_rows, size, replace=False))
            for time in range(times)
        )
        with ThreadPoolExecutor(workers) as pool:
            trees = tuple(pool.map(fit, parts, range(seed + 1, seed + 1 + times)))
        return cls(parts, trees)

    def stability(self, order: NDArray, clusters: NDArray) -> NDArray[np.float64]:
        """Give the mean agreement of each cluster (runs of `order`) with the trees.

        Returns
        -------
        ndarray, shape (c,), float64
            0..1; NaN for clusters too small to be seen in the parts.
        """
        seen = np.asarray(
            [agreement(order, clusters, p, t) for p, t in zip(self.parts, self.trees, strict=True)]
        )
        counts = (~np.isnan(seen)).sum(0)
        mean: NDArray[np.float64] = np.nansum(seen, 0) / np.maximum(counts, 1)
        mean[counts == 0] = np.nan
        return mean
