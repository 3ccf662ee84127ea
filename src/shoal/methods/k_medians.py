"""k-medians: centres of least sum of absolute differences, which outliers hardly move."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Partition, WeightedRows
from shoal.methods.kmeans import ITERATIONS, STARTS
from shoal.methods.lloyd import best_of_starts
from shoal.methods.rules import Rule

_AT_ONCE = 1 << 22  # numbers in memory at a time


def fit(data: WeightedRows, seed: int, k: int, starts: int, iterations: int) -> Partition:
    """Cut rows into `k` clusters of least Manhattan distance to their medians.

    The centre is the weighted median of each coordinate (Bradley, Mangasarian and Street 1997).
    Own code: the libraries that have it are no longer kept.
    """
    from scipy.spatial.distance import cdist

    rows, weights = data.as_float64, data.weights

    def assign(centres: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        labels, costs = np.empty(len(rows), np.int64), np.empty(len(rows))
        step = max(1, _AT_ONCE // len(centres))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            away = cdist(rows[part], centres, "cityblock")
            labels[part] = away.argmin(axis=1)
            costs[part] = away.min(axis=1)
        return labels, costs

    def centre(mine: NDArray[np.int64], _: int) -> NDArray[np.float64]:
        return weighted_medians(rows[mine], weights[mine])

    labels, centres = best_of_starts(rows, weights, k, seed, starts, assign, centre, iterations)
    return Partition(labels.astype(np.int32), rule=Rule("manhattan", centres))


def weighted_medians(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray:
    """Return the median of each column where rows count as often as they weigh.

    Where half of the weight lies on either side, it is the middle of the two values, as usual.

    >>> weighted_medians(np.array([[1.0], [2.0], [9.0]]), np.array([1.0, 2.0, 1.0])).tolist()
    [2.0]
    >>> weighted_medians(np.array([[1.0], [2.0]]), np.array([1.0, 1.0])).tolist()
    [1.5]
    """
    if (weights == weights[0]).all():
        plain: NDArray = np.median(rows, axis=0)
        return plain
    order = np.argsort(rows, axis=0, kind="stable")
    values = np.take_along_axis(rows, order, axis=0)
    below = np.cumsum(weights[order], axis=0)
    half = below[-1] / 2
    columns = np.arange(rows.shape[1])
    low = (below >= half * (1 - 1e-12)).argmax(axis=0)
    high = (below > half * (1 + 1e-12)).argmax(axis=0)
    medians: NDArray = (values[low, columns] + values[high, columns]) / 2
    return medians


METHOD = Method(
    "k-medians",
    "centres",
    "k-means with medians and absolute differences: robust to outliers.",
    fit,
    "time m·K·d a step (several times that of k-means), memory m·d",
    axes=True,
    predicts="nearest centre",
    parameters=(STARTS, ITERATIONS),
)
