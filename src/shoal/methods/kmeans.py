"""k-means: Lloyd's iteration from k-means++ seeds, the best of several starts (scikit-learn)."""

from __future__ import annotations

from shoal.methods.base import PASSES, Method, Parameter, Partition, WeightedRows
from shoal.methods.rules import Rule

STARTS = Parameter("starts", 10, "Initialisations; the best result is kept.", 1, 1000, whole=True)
ITERATIONS = Parameter("iterations", 300, "Maximum number of iterations.", 1, 100_000, whole=True)


def fit(data: WeightedRows, seed: int, k: int, starts: int, iterations: int) -> Partition:
    """Cut rows into `k` clusters of least squared distance to their means (Lloyd 1982).

    Seeds are k-means++ (Arthur and Vassilvitskii 2007).
    """
    from sklearn.cluster import KMeans

    model = KMeans(k, n_init=starts, max_iter=iterations, random_state=seed)
    labels = model.fit_predict(data.as_float64, sample_weight=data.weights)
    return Partition(labels, rule=Rule("euclidean", model.cluster_centers_))


METHOD = Method(
    "kmeans",
    "centres",
    "Lloyd's k-means with k-means++ initialisation, the best of several runs.",
    fit,
    "time m·K·d a step, memory m·d",
    predicts="nearest centre",
    parameters=(STARTS, ITERATIONS, PASSES),
    aliases=("lloyd",),
)
