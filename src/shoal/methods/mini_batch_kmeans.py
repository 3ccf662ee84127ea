"""Mini-batch k-means: centres moved by small random batches of rows (scikit-learn)."""

from __future__ import annotations

from shoal.methods.base import PASSES, Method, Parameter, Partition, WeightedRows
from shoal.methods.rules import Rule


def fit(
    data: WeightedRows, seed: int, k: int, batch: int, starts: int, iterations: int
) -> Partition:
    """Cut rows into `k` clusters as k-means does, by batches (Sculley 2010)."""
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(
        k, batch_size=batch, n_init=starts, max_iter=iterations, random_state=seed
    )
    labels = model.fit_predict(data.as_float64, sample_weight=data.weights)
    return Partition(labels, rule=Rule("euclidean", model.cluster_centers_))


METHOD = Method(
    "mini-batch-kmeans",
    "centres",
    "k-means on small random batches: faster, slightly worse.",
    fit,
    "time batch·K·d a step, memory m·d",
    predicts="nearest centre",
    parameters=(
        Parameter("batch", 1024, "Rows per batch.", 1, 2**31 - 1, whole=True),
        Parameter("starts", 3, "Initialisations to compare.", 1, 1000, whole=True),
        Parameter(
            "iterations", 100, "Maximum number of passes over the rows.", 1, 100_000, whole=True
        ),
        PASSES,
    ),
)
