"""X-means: k-means that finds K, by halving clusters as long as BIC gains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition, WeightedRows
from shoal.methods.kmeans import ITERATIONS
from shoal.methods.rules import Rule


def fit(
    data: WeightedRows, seed: int, k: int | None, starts: int, iterations: int, most: int
) -> Partition:
    """Find K and the clusters by halving each cluster in turn while BIC is better with two.

    With `k`, the halvings with the largest gain come first, until there are `k` clusters.
    A final k-means over all rows starts from the centres of these clusters.

    Pelleg and Moore, "X-means: Extending k-means with efficient estimation of the number of
    clusters", 2000; BIC as in Ishioka 2000, of two spherical Gaussians of one variance.
    """
    from sklearn.cluster import KMeans

    rows, weights = data.as_float64, data.weights

    def halved(mine: NDArray[np.int64]) -> tuple[float, NDArray[np.int64], NDArray[np.int64]]:
        if len(mine) < 2:
            return -np.inf, mine, mine
        model = KMeans(2, n_init=starts, max_iter=iterations, random_state=seed)
        side = model.fit_predict(rows[mine], sample_weight=weights[mine])
        gain = bic_gain(rows[mine], weights[mine], side)
        return gain, mine[side == 0], mine[side == 1]

    leaves = [np.arange(len(rows))]
    tried = [halved(leaves[0])]
    while len(leaves) < (k or min(most, len(rows))):
        best = int(np.argmax([gain for gain, *_ in tried]))
        gain, one, other = tried[best]
        if gain == -np.inf or (k is None and gain <= 0):
            break
        leaves[best], tried[best] = one, halved(one)
        leaves.append(other)
        tried.append(halved(other))
    centres = np.stack([np.average(rows[mine], axis=0, weights=weights[mine]) for mine in leaves])
    model = KMeans(len(leaves), init=centres, n_init=1, max_iter=iterations, random_state=seed)
    labels = model.fit_predict(rows, sample_weight=weights)
    return Partition(labels, rule=Rule("euclidean", model.cluster_centers_))


def bic_gain(rows: NDArray[np.float64], weights: NDArray[np.float64], side: NDArray) -> float:
    """Return by how much BIC is better with two clusters than with one; more is better."""
    n, d = float(weights.sum()), rows.shape[1]
    if len(np.unique(side)) < 2:
        return -np.inf
    scatter, sizes = [], []
    for part in (side >= 0, side == 0, side == 1):
        middle = np.average(rows[part], axis=0, weights=weights[part])
        scatter.append(float(weights[part] @ ((rows[part] - middle) ** 2).sum(axis=1)))
        sizes.append(float(weights[part].sum()))
    whole, two = scatter[0], scatter[1] + scatter[2]
    if n <= 2 or whole <= 0:
        return -np.inf
    tiny = 1e-12 * whole
    likelihoods = (
        -0.5 * n * d * np.log(max(whole, tiny) / (n * d)),
        -0.5 * n * d * np.log(max(two, tiny) / (n * d))
        + sum(size * np.log(size / n) for size in sizes[1:]),
    )
    # One more centre and one more share to learn.
    return float(likelihoods[1] - likelihoods[0] - 0.5 * (d + 1) * np.log(n))


METHOD = Method(
    "x-means",
    "centres",
    "k-means that finds K: splits clusters while BIC improves.",
    fit,
    "time m·d·log K a step, memory m·d",
    needs_k=False,
    predicts="nearest centre",
    parameters=(
        Parameter("starts", 3, "Initialisations per split.", 1, 1000, whole=True),
        ITERATIONS,
        Parameter("most", 100, "Maximum number of clusters.", 1, 10_000, whole=True),
    ),
)
