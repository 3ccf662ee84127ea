"""Spectral clustering: k-means on the smoothest functions over the graph of neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition


def fit(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    k: int,
    neighbours: int = 10,
) -> Partition:
    """Cut the graph of `neighbours` nearest neighbours into `k` clusters (scikit-learn).

    References
    ----------
    Shi and Malik, "Normalized cuts and image segmentation", 2000.
    """
    from sklearn.cluster import SpectralClustering

    if k == len(vectors):  # more eigenvectors than the solver finds
        return Partition(np.arange(k, dtype=np.int32))
    model = SpectralClustering(
        k,
        affinity="nearest_neighbors",
        n_neighbors=min(neighbours, len(vectors)),
        random_state=seed,
        assign_labels="cluster_qr",
    )
    return Partition(np.asarray(model.fit_predict(vectors.astype(np.float64)), np.int32))


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
