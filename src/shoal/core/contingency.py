"""Contingency table of two labellings, and cluster ids matched between them; label −1 is noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from shoal.errors import InputError

_AT_ONCE = 1 << 20  # rows counted at a time, which bounds the memory

NOISE = -1


@dataclass(frozen=True)
class Contingency:
    """Contingency table of classes and clusters.

    Attributes
    ----------
    table
        (classes, clusters) int64 row counts, without noise.
    classes, clusters
        Their labels, ascending.
    noise
        (classes,) noise rows of each class.
    """

    table: sparse.csr_array
    classes: NDArray
    clusters: NDArray[np.int64]
    noise: NDArray[np.int64]

    def __add__(self, other: Contingency) -> Contingency:
        """Add the counts of other rows.

        >>> both = contingency([0, 0], [5, -1]) + contingency([1, 0], [5, 7])
        >>> both.table.toarray().tolist(), both.noise.tolist()
        ([[1, 1], [1, 0]], [1, 0])
        """
        classes = np.union1d(self.classes, other.classes)
        clusters = np.union1d(self.clusters, other.clusters)
        table = sparse.csr_array((len(classes), len(clusters)), dtype=np.int64)
        noise = np.zeros(len(classes), np.int64)
        for part in (self, other):
            row = np.searchsorted(classes, part.classes)
            column = np.searchsorted(clusters, part.clusters)
            cells = part.table.tocoo()
            places = (row[cells.row], column[cells.col])
            table += sparse.coo_array((cells.data, places), shape=table.shape).tocsr()
            noise[row] += part.noise
        return Contingency(table, classes, clusters, noise)


def contingency(truth: ArrayLike, found: ArrayLike) -> Contingency:
    """Count the rows of each class in each cluster.

    Parameters
    ----------
    truth, found
        (n,) labels of any kind that can be sorted, all of them classes; and (n,) whole numbers, of
        which −1 is noise.

    Raises
    ------
    InputError
        If there are no rows, the lengths differ, or `found` are not integers.
    """
    true, cluster = np.asarray(truth), np.asarray(found)
    if true.ndim != 1 or true.shape != cluster.shape or not len(true):
        raise InputError(
            f"truth has shape {true.shape} and found {cluster.shape}: one label per row is needed"
        )
    if not np.issubdtype(cluster.dtype, np.integer):
        raise InputError(f"clusters are {cluster.dtype}, but must be whole numbers")
    pieces = (slice(a, a + _AT_ONCE) for a in range(0, len(true), _AT_ONCE))
    return reduce(add, (_contingency(true[piece], cluster[piece]) for piece in pieces))


def weighted_contingency(
    true: NDArray, cluster: NDArray[np.integer], rows: NDArray[np.int64]
) -> Contingency:
    """Return the contingency of rows that are already counted.

    `rows`, (n,), is the number with each class and cluster (−1 is noise); pairs may repeat, and
    negative numbers subtract.

    >>> found = weighted_contingency(np.array([0, 0, 1]), np.array([5, -1, 5]), np.array([2, 1, 3]))
    >>> found.table.toarray().tolist(), found.noise.tolist()
    ([[2], [3]], [1, 0])
    """
    classes, row = np.unique(true, return_inverse=True)
    clusters, column = np.unique(cluster.astype(np.int64), return_inverse=True)
    table = np.zeros((len(classes), len(clusters)), np.int64)
    np.add.at(table, (row, column), rows)
    noise = table[:, clusters == NOISE].sum(axis=1)
    real = (clusters != NOISE) & table.any(axis=0)
    return Contingency(sparse.csr_array(table[:, real]), classes, clusters[real], noise)


def _contingency(true: NDArray, cluster: NDArray) -> Contingency:
    classes, row = numbered(true)
    real = cluster != NOISE
    clusters, column = numbered(cluster[real])
    cells, counts = counted(row[real] * max(len(clusters), 1) + column)
    shape = (len(classes), len(clusters))
    places = np.divmod(cells, max(len(clusters), 1))
    table = sparse.coo_array((counts, places), shape=shape).tocsr()
    noise = np.bincount(row[~real], minlength=len(classes))
    return Contingency(table, classes, clusters, noise)


def numbered(labels: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    """Distinct labels, ascending, and the number of each row's."""
    if np.issubdtype(labels.dtype, np.integer) and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if high - low < 4 * len(labels) + 1000:
            present = np.bincount(labels.astype(np.int64) - low) > 0
            number = np.cumsum(present) - 1
            values = (np.flatnonzero(present) + low).astype(labels.dtype)
            return values, number[labels.astype(np.int64) - low]
    values, inverse = np.unique(labels, return_inverse=True)
    return values, inverse.astype(np.int64)


def counted(keys: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
    """Distinct keys and their counts."""
    keys_there, number = numbered(keys)
    return keys_there, np.bincount(number, minlength=len(keys_there)).astype(np.int64)


def best_pairs(table: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the one-to-one pairing with most shared rows (Hungarian, sparse).

    A dummy partner is added for each row, so that a pairing of all rows exists.
    """
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    rows, columns = table.shape
    useful = table.astype(np.float64).tocsr()
    useful.data = useful.data + 1.0
    weights = sparse.hstack([useful, sparse.eye_array(rows)]).tocsr()
    row, column = min_weight_full_bipartite_matching(weights, maximize=True)
    real = column < columns
    return row[real], column[real]


def match_labels(
    previous: ArrayLike, new: ArrayLike, least: float = 0.5, first_id: int = 0
) -> NDArray[np.int64]:
    """Renumber new clusters to keep the ids of the earlier clusters that they match.

    Clusters are paired one to one to share as many rows as possible; a pair matches if it shares at
    least the share `least` of the smaller cluster. Others get unused ids, at least `first_id`.
    Labels are integers for the same rows, (n,); −1 is noise and stays −1.

    >>> match_labels([5, 5, 7, 7, 7], [0, 0, 1, 1, 2]).tolist()
    [5, 5, 7, 7, 8]
    """
    before, after = np.asarray(previous, np.int64), np.asarray(new, np.int64)
    if before.shape != after.shape:
        raise InputError(f"{len(before)} earlier labels, but {len(after)} new ones")
    renamed = np.full(len(after), NOISE, np.int64)
    real = np.flatnonzero(after != NOISE)
    if len(real):
        found = contingency(before, after)
        names = matched_ids(found, least, first_id)
        renamed[real] = names[np.searchsorted(found.clusters, after[real])]
    return renamed


def matched_ids(found: Contingency, least: float = 0.5, first_id: int = 0) -> NDArray[np.int64]:
    """Return the matched id of each new cluster, (clusters,), as in `match_labels`.

    The classes of the contingency are the earlier clusters; −1 is earlier noise.
    """
    names = np.full(len(found.clusters), NOISE, np.int64)
    known = np.flatnonzero(found.classes != NOISE)
    if len(known):
        shared = found.table[known]
        row, column = best_pairs(shared)
        earlier = np.asarray(shared.sum(axis=1)) + found.noise[known]
        sizes = np.asarray(found.table.sum(axis=0))
        match = shared[row, column] >= least * np.minimum(earlier[row], sizes[column])
        names[column[match]] = found.classes[known[row[match]]]
    fresh = np.flatnonzero(names == NOISE)
    top = int(found.classes.max(initial=NOISE)) + 1
    names[fresh] = max(top, first_id) + np.arange(len(fresh))
    return names
