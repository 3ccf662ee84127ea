"""The graph on the representatives: nearest neighbours, weighted by the neighbours they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from shoal.core.nearest import nearest_neighbours
from shoal.core.piles import rows_each

LEAST_NEIGHBOURS = 5
MOST_NEIGHBOURS = 15
_SCALES = (5, 7, 10, 15)
_CURVED = 1.06
_JUMP = 12.0
_FLOOR = 1e-3
_SHARED = 1 / 3  # neighbours in common, in the mean, inside a group


@dataclass(frozen=True)
class Graph:
    """A weighted, symmetric graph in compressed rows.

    Attributes
    ----------
    indptr, indices, weights
        The edges of row i are ``indices[indptr[i]:indptr[i + 1]]``, ascending; every edge is stored
        in both directions with the same weight, 0..1 times the root of both row weights.
    inverse_dimension
        (m,) one over the intrinsic dimension around each row.
    neighbours, affinities
        (m, k) nearest neighbours, and the share of neighbours in common with each, 0 if unused.
    copies
        (m,) rows that each counts as: 1, or more for a pile, whose only edge is to itself; None if
        there are no piles.
    degree
        Mean number of edges of a row that is not a pile.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    weights: NDArray[np.float64]
    inverse_dimension: NDArray[np.float64]
    neighbours: NDArray[np.int32]
    affinities: NDArray[np.float32]
    copies: NDArray[np.float64] | None = None
    degree: float = 0.0

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    def copies_of(self, rows: NDArray) -> tuple[NDArray[np.float64], float] | None:
        """Return the copies of some rows as `split_excess` takes them."""
        return None if self.copies is None else (self.copies[rows], self.degree)

    def matrix(self) -> Any:
        """Return a SciPy sparse matrix in compressed rows, (m, m)."""
        shape = (self.n_rows, self.n_rows)
        return sparse.csr_matrix((self.weights, self.indices, self.indptr), shape=shape)


def build_graph(
    neighbours: NDArray,
    distances: NDArray,
    weights: NDArray | None = None,
    n_neighbours: int | None = None,
) -> Graph:
    """Join rows to their nearest neighbours by the share of neighbours in common (Jaccard).

    A row keeps only the neighbours before a jump of its distances (`neighbours_before_jump`), so
    that groups smaller than the number of neighbours are not tied to each other.

    Parameters
    ----------
    neighbours, distances
        (m, k), nearest first, without the row itself.
    weights
        (m,) rows of each representative.
    n_neighbours
        Use this many of the k; by default `choose_neighbours`.

    References
    ----------
    Jarvis, Patrick, "Clustering using a similarity measure based on shared near neighbors", IEEE
    Trans. Computers C-22 (1973).
    """
    neighbours, affinities, inverse = _shared_affinities(neighbours, distances, n_neighbours)
    return _joined(neighbours, affinities, inverse, weights)


def _shared_affinities(
    neighbours: NDArray, distances: NDArray, n_neighbours: int | None
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]:
    """Return the neighbours used, the share of neighbours in common, and inverse dimensions."""
    distances = _floored(distances)
    if n_neighbours is None:
        n_neighbours = choose_neighbours(distances)
    k = min(n_neighbours, neighbours.shape[1])
    neighbours = np.ascontiguousarray(neighbours[:, :k], np.int32)
    distances = np.ascontiguousarray(distances[:, :k])
    kept = neighbours_before_jump(distances)
    return neighbours, shared_neighbours(neighbours, kept), inverse_dimension(distances, kept)


def build_graph_with_piles(
    vectors: NDArray[np.float32],
    nearest: tuple[NDArray[np.int32], NDArray[np.float32]],
    weights: NDArray,
    piles: NDArray[np.bool_],
    n_neighbours: int | None = None,
    workers: int = 1,
) -> tuple[Graph, NDArray[np.float32]]:
    """Like `build_graph` for the rows that are not piles; each pile is tied to itself alone.

    `nearest` are neighbours and distances of all rows, (m, k). Also returns the distances to the
    neighbours used; a pile comes first among its own.
    """
    m, ordinary, heavy = len(piles), np.flatnonzero(~piles), np.flatnonzero(piles)
    neighbours, distances = nearest[0].copy(), nearest[1].copy()
    affinities, inverse = np.zeros(neighbours.shape, np.float32), np.zeros(m)
    if len(ordinary) > 1:
        k = min(n_neighbours or MOST_NEIGHBOURS, len(ordinary) - 1)
        found, away = nearest_neighbours(np.ascontiguousarray(vectors[ordinary]), k, workers)
        used, shares, inverse[ordinary] = _shared_affinities(found, away, n_neighbours)
        k = used.shape[1]
        neighbours, distances = neighbours[:, :k].copy(), distances[:, :k].copy()
        affinities = affinities[:, :k].copy()
        neighbours[ordinary], distances[ordinary] = ordinary[used], away[:, :k]
        affinities[ordinary] = shares
    arrays: tuple[NDArray[Any], ...] = (neighbours, distances, affinities)
    for array, own in zip(arrays, (heavy, 0, 1), strict=True):
        array[heavy, 1:] = array[heavy, :-1]
        array[heavy, 0] = own
    return _joined(neighbours, affinities, inverse, weights), distances


def rebuild_graph(
    neighbours: NDArray[np.int32],
    affinities: NDArray[np.float32],
    distances: NDArray[np.float32],
    weights: NDArray | None = None,
) -> Graph:
    """Rebuild the graph of `build_graph` from the arrays in a run folder."""
    kept = (affinities > 0).sum(axis=1).astype(np.int32)
    ordinary = neighbours[:, 0] != np.arange(len(neighbours))
    inverse = np.zeros(len(neighbours))
    inverse[ordinary] = inverse_dimension(_floored(distances[ordinary]), kept[ordinary])
    return _joined(neighbours, affinities, inverse, weights)


def _joined(
    neighbours: NDArray[np.int32],
    affinities: NDArray[np.float32],
    inverse: NDArray[np.float64],
    weights: NDArray | None,
) -> Graph:
    """Make the edges go both ways, and weigh them by the rows that they tie."""
    m, k = neighbours.shape
    one_way = sparse.csr_matrix(
        (affinities.ravel().astype(np.float64), neighbours.ravel(), np.arange(0, m * k + 1, k)),
        shape=(m, m),
        copy=True,  # the next line moves indices in place, and `neighbours` is kept
    )
    one_way.eliminate_zeros()
    both = one_way.maximum(one_way.T).tocsr()
    both.sort_indices()
    edges = both.data
    piles, copies, degree = np.flatnonzero(both.diagonal()), None, 0.0
    if len(piles):
        assert weights is not None
        copies, degree = np.ones(m), _tie_piles(both, piles)
        copies[piles] = rows_each(np.asarray(weights, np.float64))[piles]
        ordinary = np.delete(inverse, piles)
        inverse[piles] = ordinary.mean() if len(ordinary) else 0.0
    if weights is not None:
        root = np.sqrt(np.asarray(weights, np.float64))
        edges = edges * (root[both.indices] * np.repeat(root, np.diff(both.indptr)))
    return Graph(
        both.indptr.astype(np.int64),
        both.indices.astype(np.int32),
        edges,
        inverse,
        neighbours,
        affinities,
        copies,
        degree,
    )


def _tie_piles(both: sparse.csr_matrix, piles: NDArray[np.int64]) -> float:
    """Connect each copy in a pile by as many edges as an ordinary row, of the same mean.

    Changes the weights of the edges from piles to themselves.
    """
    own = both.indptr[piles]  # the only edge of each
    others = both.nnz - len(piles)
    if others:
        degree = others / (both.shape[0] - len(piles))
        share = float(np.delete(both.data, own).mean())
    else:
        degree, share = float(MOST_NEIGHBOURS), _SHARED
    both.data[own] = degree * share
    return float(degree)


def _floored(distances: NDArray) -> NDArray[np.float64]:
    """Keep near duplicates from having infinite density: no distance under a floor."""
    floor = max(float(np.median(distances)) * _FLOOR, 1e-12)
    return np.maximum(np.asarray(distances, np.float64), floor)


def choose_neighbours(distances: NDArray) -> int:
    """Choose the number of neighbours by the size of the data and by their local shape.

    Few rows get few neighbours. And where the intrinsic dimension grows with the number of
    neighbours, rows lie on something thin that larger neighbourhoods leave (loops, small groups):
    then the largest number is taken at which the dimension has not yet grown. The distances, (m,
    k), are ascending and above zero.
    """
    m, k = distances.shape
    most = int(np.clip(round(1.5 * np.log(m)) - 1, LEAST_NEIGHBOURS, MOST_NEIGHBOURS))
    scales = [s for s in _SCALES if s < most] + [most]
    scales = [min(s, k) for s in scales]
    smallest = None
    chosen = scales[0]
    for s in scales:
        part = np.ascontiguousarray(distances[:, :s])
        kept = neighbours_before_jump(part)
        dimension = 1.0 / max(float(inverse_dimension(part, kept).mean()), 1e-3)
        smallest = dimension if smallest is None else min(smallest, dimension)
        if dimension > _CURVED * smallest:
            break
        chosen = s
    return chosen


def neighbours_before_jump(distances: NDArray[np.float64]) -> NDArray[np.int32]:
    """Count each row's neighbours before the first jump that no smooth density makes, 5..k, (m,).

    Among neighbours of a row in a smooth d-dimensional density, j d ln(r_{j+1} / r_j) is
    exponential with mean 1 (Levina, Bickel 2004), so a value of 12 comes once in 160,000. With d
    from the same few distances it comes more often: about one row in 100 is cut short.
    """
    kept = np.full(len(distances), distances.shape[1], np.int32)
    _cut_at_jumps(distances, kept)
    return kept


@njit(cache=True, nogil=True, error_model="numpy")
def _cut_at_jumps(distances, kept):  # type: ignore[no-untyped-def]
    m, k = distances.shape
    for i in range(m):
        logs = 0.0
        for j in range(1, k):
            here = np.log(distances[i, j - 1])
            if j >= LEAST_NEIGHBOURS:
                inverse = max((j * here - logs - here) / (j - 1), 0.02)
                if j * (np.log(distances[i, j]) - here) / inverse > _JUMP:
                    kept[i] = j
                    break
            logs += here


def inverse_dimension(
    distances: NDArray[np.float64], kept: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Estimate one over the intrinsic dimension around each row from its kept distances.

    The mean over rows is the harmonic mean of MacKay and Ghahramani's note on Levina and
    Bickel, "Maximum likelihood estimation of intrinsic dimension", NeurIPS 2004.
    """
    inverse = np.empty(len(distances))
    _fill_inverse(distances, kept, inverse)
    return inverse


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_inverse(distances, kept, inverse):  # type: ignore[no-untyped-def]
    for i in range(len(distances)):
        last = kept[i] - 1
        total = 0.0
        for j in range(last):
            total += np.log(distances[i, last] / distances[i, j])
        inverse[i] = total / last if last > 0 else total


def shared_neighbours(
    neighbours: NDArray[np.int32], kept: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the Jaccard index of the neighbourhoods of each row and each neighbour, (m, k).

    Rows count as their own neighbours. Of the neighbours, (m, k), the first `kept`, (m,), are used;
    the others have 0.
    """
    shared = np.zeros(neighbours.shape, np.float32)
    _fill_shared(neighbours, kept, np.full(len(kept), -1), shared)
    return shared


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_shared(neighbours, kept, near, shared):  # type: ignore[no-untyped-def]
    """Fill `shared`; `near` is the last row so far whose neighbour each row is, or itself."""
    for i in range(len(neighbours)):
        near[i] = i
        for t in range(kept[i]):
            near[neighbours[i, t]] = i
        for t in range(kept[i]):
            j = neighbours[i, t]
            both = 1  # j itself
            for b in range(kept[j]):
                both += near[neighbours[j, b]] == i
            shared[i, t] = both / (kept[i] + kept[j] + 2 - both)
