"""Mahalanobis k-means: k-means where all clusters share one covariance, learnt on the way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition, WeightedRows
from shoal.methods.kmeans import ITERATIONS, STARTS
from shoal.methods.rules import Rule


def fit(
    data: WeightedRows, seed: int, k: int, starts: int, iterations: int, rounds: int, ridge: float
) -> Partition:
    """Cut rows into `k` clusters by the Mahalanobis distance of their common covariance.

    k-means, then the covariance within the clusters, by which rows are whitened for the next
    k-means, until the clusters stay: the classification likelihood of Gaussians with one common
    covariance (Friedman and Rubin 1967; Celeux and Govaert 1995). It begins once with the rows as
    they are and once with rows whitened as a whole, as long clusters side by side are found from
    the latter only; the covariance of the smaller determinant is kept.
    """
    from sklearn.cluster import KMeans

    rows, weights = data.as_float64, data.weights
    middle = np.average(rows, axis=0, weights=weights)
    rows -= middle

    def alternate(transform: NDArray[np.float64]) -> tuple[NDArray, NDArray[np.float64]]:
        """Learn clusters and covariance in turn until the clusters stay; return both."""
        model = KMeans(k, n_init=starts, max_iter=iterations, random_state=seed)
        labels = model.fit_predict(rows @ transform, sample_weight=weights)
        for _ in range(rounds):
            transform = whitening(rows, weights, labels, k, ridge)
            white = rows @ transform
            centres = means(white, weights, labels, k)
            model = KMeans(k, init=centres, n_init=1, max_iter=iterations, random_state=seed)
            before, labels = labels, model.fit_predict(white, sample_weight=weights)
            if np.array_equal(before, labels):
                break
        return labels, transform

    together = np.zeros(len(rows), int)
    starts_from = np.eye(rows.shape[1]), whitening(rows, weights, together, 1, ridge)
    # A wider whitening is a narrower covariance.
    labels, transform = max(
        map(alternate, starts_from), key=lambda found: float(np.linalg.slogdet(found[1])[1])
    )
    centres = means(rows, weights, labels, k) + middle
    return Partition(labels, rule=Rule("euclidean", centres, transform))


def means(rows: NDArray, weights: NDArray, labels: NDArray, k: int) -> NDArray[np.float64]:
    """Return the weighted mean of each cluster, 0 for one without rows."""
    total = np.bincount(labels, weights, minlength=k)
    sums = np.stack([np.bincount(labels, weights * column, minlength=k) for column in rows.T], 1)
    found: NDArray[np.float64] = sums / np.where(total > 0, total, 1.0)[:, None]
    return found


def whitening(
    rows: NDArray, weights: NDArray, labels: NDArray, k: int, ridge: float
) -> NDArray[np.float64]:
    """Return the matrix that makes the covariance within clusters the identity.

    Directions with less than `ridge` times the largest variance count as if they had so much: else
    those of mere noise would decide.
    """
    apart = rows - means(rows, weights, labels, k)[labels]
    covariance = (weights * apart.T) @ apart / weights.sum()
    values, axes = np.linalg.eigh(covariance)
    floor = max(ridge * float(values[-1]), 1e-300)
    white: NDArray[np.float64] = axes / np.sqrt(np.maximum(values, floor))
    return white


METHOD = Method(
    "mahalanobis-kmeans",
    "centres",
    "k-means with the covariance shared by the clusters: for elongated parallel clusters.",
    fit,
    "time m·(K·d + d²) a step, memory m·d",
    predicts="nearest centre",
    parameters=(
        STARTS,
        ITERATIONS,
        Parameter("rounds", 20, "Maximum number of covariance updates.", 1, 1000, whole=True),
        Parameter("ridge", 0.01, "Minimum variance, as a share of the largest.", 1e-12, 1.0),
    ),
)
