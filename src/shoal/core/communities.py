"""Fine communities of the graph: the leaves from which the tree is built."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoal.core.graph import Graph

# On a nearest-neighbour graph Louvain finds about ten communities per unit of resolution.
_ROWS_A_UNIT = 30.0
_FINEST = 150.0


def find_communities(graph: Graph, seed: int = 0) -> NDArray[np.int32]:
    """Cut the graph into many small communities (up to some thousand) by Louvain's method.

    Parameters
    ----------
    graph : Graph
        The graph on m rows.
    seed : int, default 0
        Order in which rows are visited.

    Returns
    -------
    ndarray, shape (m,), int32
        The community of each row, 0 .. number of communities − 1.

    References
    ----------
    Blondel et al., "Fast unfolding of communities in large networks", J. Stat. Mech. (2008).
    """
    from sknetwork.clustering import Louvain

    m = graph.n_rows
    matrix = graph.matrix()
    if graph.copies is not None:  # piles have only self-loops
        matrix = matrix - sparse.diags(matrix.diagonal(), format="csr")
        matrix.eliminate_zeros()
    if not matrix.nnz:
        return np.arange(m, dtype=np.int32)
    resolution = min(max(1.0, m / _ROWS_A_UNIT), _FINEST)
    # Callers increment a seed that may already be the largest that generators accept.
    louvain = Louvain(resolution=resolution, shuffle_nodes=True, random_state=seed % 2**32)
    found = louvain.fit_predict(matrix)
    return np.unique(found, return_inverse=True)[1].astype(np.int32)
