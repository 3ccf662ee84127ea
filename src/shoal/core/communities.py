"""Fine communities of the graph: the leaves from which the tree is built."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse

from shoal.core.graph import Graph

# On a nearest-neighbour graph Louvain finds about ten communities per unit of resolution.
_ROWS_A_UNIT = 30.0
_FINEST = 150.0
# Least gain in modularity for another pass, and for another level, as in scikit-network.
_LEAST_GAIN = np.float32(1e-3)


def find_communities(graph: Graph, seed: int = 0) -> NDArray[np.int32]:
    """Cut the graph into many small communities (up to some thousand) by Louvain's method.

    The partition is that of ``sknetwork.clustering.Louvain``, which takes three times as long, lets
    no other thread run meanwhile, and imports for 0.1 s. Returns the community of each row, (m,),
    the largest first; `seed` is for the order in which rows are visited.

    References
    ----------
    Blondel et al., "Fast unfolding of communities in large networks", J. Stat. Mech. (2008).
    """
    m = graph.n_rows
    matrix = graph.matrix()
    if graph.copies is not None:  # piles have only self-loops
        matrix = matrix - sparse.diags(matrix.diagonal(), format="csr")
        matrix.eliminate_zeros()
    if not matrix.nnz:
        return np.arange(m, dtype=np.int32)
    resolution = np.float32(min(max(1.0, m / _ROWS_A_UNIT), _FINEST))
    # Callers increment a seed that may already be the largest that generators accept.
    visited = np.random.RandomState(seed % 2**32).permutation(m)
    matrix = matrix[visited][:, visited]
    matrix.data /= matrix.data.sum()
    degree, place, gain = matrix @ np.ones(m), np.arange(m), np.inf
    while gain > _LEAST_GAIN:
        edges = matrix.indptr, matrix.indices, matrix.data.astype(np.float32)
        labels, strength = np.arange(len(degree)), degree.astype(np.float32)
        room = np.zeros_like(strength), np.empty_like(labels)
        gain = _move(*edges, strength.copy(), resolution, labels, strength, *room)
        labels = np.unique(labels, return_inverse=True)[1]
        place, degree = labels[place], np.bincount(labels, degree)
        member = sparse.csr_matrix((np.ones(len(labels)), labels, np.arange(len(labels) + 1)))
        matrix = member.T.tocsr() @ (matrix @ member)
    by_size = np.argsort(-np.bincount(place), kind="stable")
    communities = np.empty(m, np.int32)
    communities[visited] = np.argsort(by_size)[place]
    return communities


@njit(cache=True, nogil=True)
def _move(  # type: ignore[no-untyped-def]
    indptr, indices, weights, degree, resolution, labels, strength, tie, near
):
    """Move each row to the community of a neighbour while modularity rises; return the gain.

    Twice the modularity is compared, in float32, so that partitions stay those of scikit-network.
    `strength` is that of each community, `tie` that of the row to each, 0 between rows, and `near`
    holds the communities with such ties.
    """
    two, total = np.float32(2), np.float32(0)
    while True:
        gained = np.float32(0)
        for i in range(len(labels)):
            own, count, loop = labels[i], 0, np.float32(0)
            for p in range(indptr[i + 1] - 1, indptr[i] - 1, -1):
                to = labels[indices[p]]
                if tie[to] == 0:
                    near[count] = to
                    count += 1
                tie[to] += weights[p]
                if indices[p] == i:
                    loop = weights[p]
            scaled = resolution * degree[i]
            chance = scaled * (strength[own] - degree[i])
            stay = two * (tie[own] - loop) - chance - chance
            tie[own] = 0
            best, chosen = np.float32(0), own
            for t in range(count):
                to = near[t]
                if to != own:
                    chance = scaled * strength[to]
                    gain = two * tie[to] - chance - chance - stay
                    if gain > best or (gain == best and to < chosen and chosen != own):
                        best, chosen = gain, to
                    tie[to] = 0
            if chosen != own:
                gained += best
                labels[i] = chosen
                strength[own] -= degree[i]
                strength[chosen] += degree[i]
        total += gained
        if gained <= _LEAST_GAIN:
            return total
