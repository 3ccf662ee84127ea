"""Bisecting k-means: the cluster of the largest squared distance is halved again and again."""

from __future__ import annotations

from shoal.methods.base import Method, Parameter, Partition, WeightedRows
from shoal.methods.kmeans import ITERATIONS


def fit(
    data: WeightedRows, seed: int, k: int, starts: int, iterations: int, split: str
) -> Partition:
    """Cut rows into `k` clusters by halving (Steinbach et al. 2000; scikit-learn)."""
    from sklearn.cluster import BisectingKMeans

    model = BisectingKMeans(
        k,
        n_init=starts,
        max_iter=iterations,
        random_state=seed,
        init="k-means++",
        bisecting_strategy="biggest_inertia" if split == "inertia" else "largest_cluster",
    )
    return Partition(model.fit_predict(data.as_float64, sample_weight=data.weights))


METHOD = Method(
    "bisecting-kmeans",
    "centres",
    "Repeated k-means with K = 2 on the worst cluster: even sizes, fast for large K.",
    fit,
    "time m·d·log K a step, memory m·d",
    parameters=(
        Parameter("starts", 3, "Initialisations per split.", 1, 1000, whole=True),
        ITERATIONS,
        Parameter("split", "inertia", "Which cluster to split next.", choices=("inertia", "size")),
    ),
)
