"""Spectral clustering: k-means on the smoothest functions over the graph of neighbours."""

from __future__ import annotations

import numpy as np

from shoal.methods.base import Method, Parameter, Partition, WeightedRows


def fit(data: WeightedRows, seed: int, k: int, neighbours: int) -> Partition:
    """Cut the graph of `neighbours` nearest neighbours into `k` clusters (scikit-learn).

    Shi and Malik, "Normalized cuts and image segmentation", 2000.
    """
    from sklearn.cluster import SpectralClustering

    if k == len(data):  # more eigenvectors than the solver finds
        return Partition(np.arange(k, dtype=np.int32))
    model = SpectralClustering(
        k,
        affinity="nearest_neighbors",
        n_neighbors=min(neighbours, len(data)),
        random_state=seed,
        assign_labels="cluster_qr",
    )
    return Partition(model.fit_predict(data.as_float64))


METHOD = Method(
    "spectral",
    "graphs",
    "Spectral clustering of the nearest-neighbour graph: clusters of any shape.",
    fit,
    "time m²·d and eigenvectors, memory m·neighbours",
    weighted=False,
    most=20_000,
    parameters=(Parameter("neighbours", 10, "Neighbours per row.", 2, 1000, whole=True),),
)
