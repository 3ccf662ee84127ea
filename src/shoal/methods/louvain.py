"""Louvain: communities of the graph of nearest neighbours, by modularity (scikit-network)."""

from __future__ import annotations

import numpy as np

from shoal.methods.base import Method, Parameter, Partition, WeightedRows


def fit(
    data: WeightedRows, seed: int, k: int | None, resolution: float, neighbours: int
) -> Partition:
    """Move rows between communities while modularity rises (Blondel et al. 2008)."""
    return fit_communities("Louvain", data, seed, resolution, neighbours)


def fit_communities(
    algorithm: str, data: WeightedRows, seed: int, resolution: float, neighbours: int
) -> Partition:
    """Find communities of the graph of shared neighbours by a class of scikit-network."""
    from sknetwork import clustering

    from shoal.core.graph import build_graph
    from shoal.core.nearest import nearest_neighbours

    count = min(neighbours, len(data) - 1)
    nearest = nearest_neighbours(data.vectors, count)
    graph = build_graph(*nearest, data.weights, count).matrix()
    if not graph.nnz:
        return Partition(np.arange(len(data), dtype=np.int32))
    model = getattr(clustering, algorithm)(
        resolution=resolution, shuffle_nodes=True, random_state=seed % 2**32
    )
    return Partition(model.fit_predict(graph))


METHOD = Method(
    "louvain",
    "graphs",
    "Communities of the graph of nearest neighbours, by modularity.",
    fit,
    "time m·neighbours and the search for them, memory m·neighbours",
    needs_k=False,
    takes_k=False,
    parameters=(
        Parameter(
            "resolution",
            1.0,
            "Resolution; higher values give more, smaller communities.",
            1e-6,
            1e6,
        ),
        Parameter("neighbours", 15, "Neighbours per row.", 1, 1000, whole=True),
    ),
)
