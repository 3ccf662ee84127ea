"""Lloyd's iteration for any centre and any measure, the best of several starts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Assign = Callable[[NDArray[np.float64]], tuple[NDArray[np.int64], NDArray[np.float64]]]
"""From centres (K, d) to the cluster of each row, and what the row costs there."""

Centre = Callable[[NDArray[np.int64], int], NDArray[np.float64]]
"""From the rows of a cluster, and its number, to its centre (d,)."""


def best_of_starts(
    rows: NDArray[np.float64],
    weights: NDArray[np.float64],
    k: int,
    seed: int,
    starts: int,
    assign: Assign,
    centre: Centre,
    iterations: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Iterate from several draws of k-means++; return labels and centres of least cost."""
    seeds = plus_plus(rows, weights, k, seed, starts)
    tries = (iterate(rows, weights, first, assign, centre, iterations) for first in seeds)
    labels, centres, _ = min(tries, key=lambda found: found[2])
    return labels, centres


def iterate(
    rows: NDArray[np.float64],
    weights: NDArray[np.float64],
    centres: NDArray[np.float64],
    assign: Assign,
    centre: Centre,
    iterations: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Assign rows and move centres in turn until no row changes; return labels, centres, cost.

    A cluster that loses all rows takes the row that costs most.
    """
    k = len(centres)
    labels, costs = assign(centres)
    for _ in range(iterations):
        order = np.argsort(labels, kind="stable")
        bounds = np.searchsorted(labels[order], np.arange(k + 1))
        expensive = iter(np.argsort(-weights * costs, kind="stable"))
        centres = np.stack(
            [
                centre(order[a:b], j) if b > a else rows[next(expensive)]
                for j, (a, b) in enumerate(pairwise(bounds.tolist()))
            ]
        )
        before = labels
        labels, costs = assign(centres)
        if np.array_equal(before, labels):
            break
    return labels, centres, float(weights @ costs)


def plus_plus(
    rows: NDArray[np.float64], weights: NDArray[np.float64], k: int, seed: int, starts: int
) -> list[NDArray[np.float64]]:
    """Draw centres by k-means++ for each of several starts."""
    from sklearn.cluster import kmeans_plusplus

    random = np.random.RandomState(seed)
    return [
        kmeans_plusplus(rows, k, sample_weight=weights, random_state=random)[0]
        for _ in range(starts)
    ]
