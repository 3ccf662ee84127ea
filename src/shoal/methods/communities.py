"""Louvain and Leiden: communities of the graph of nearest neighbours (scikit-network)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition


def _fit(
    name: str,
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    resolution: float,
    neighbours: int,
) -> Partition:
    """Find communities by modularity, on the graph of shared neighbours."""
    from sknetwork import clustering

    from shoal.core.graph import build_graph
    from shoal.core.nearest import nearest_neighbours

    near = nearest_neighbours(vectors, min(neighbours, len(vectors) - 1))
    graph = build_graph(*near, weights, min(neighbours, len(vectors) - 1)).matrix()
    if not graph.nnz:
        return Partition(np.arange(len(vectors), dtype=np.int32))
    model = getattr(clustering, name)(
        resolution=resolution, shuffle_nodes=True, random_state=seed % 2**32
    )
    return Partition(np.asarray(model.fit_predict(graph), np.int32))


def louvain(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    k: int | None = None,
    resolution: float = 1.0,
    neighbours: int = 15,
) -> Partition:
    """Move rows between communities while modularity rises (Blondel et al. 2008)."""
    return _fit("Louvain", vectors, weights, seed, resolution, neighbours)


def leiden(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    k: int | None = None,
    resolution: float = 1.0,
    neighbours: int = 15,
) -> Partition:
    """As Louvain, but communities stay connected (Traag et al. 2019)."""
    return _fit("Leiden", vectors, weights, seed, resolution, neighbours)


_PARAMETERS = (
    Parameter(
        "resolution", 1.0, "Resolution; higher values give more, smaller communities.", 1e-6, 1e6
    ),
    Parameter("neighbours", 15, "Neighbours per row.", 1, 1000, whole=True),
)

LOUVAIN = Method(
    "louvain",
    "graphs",
    "Communities of the graph of nearest neighbours, by modularity.",
    louvain,
    "time m·neighbours and the search for them, memory m·neighbours",
    needs_k=False,
    takes_k=False,
    parameters=_PARAMETERS,
)
LEIDEN = Method(
    "leiden",
    "graphs",
    "Like Louvain, but with connected communities.",
    leiden,
    "time m·neighbours and the search for them, memory m·neighbours",
    needs_k=False,
    takes_k=False,
    parameters=_PARAMETERS,
)
