"""Streaming k-means: one pass that opens clusters on demand, then ball k-means on these."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import PASSES, Method, Parameter, Partition, WeightedRows
from shoal.methods.rules import Rule

_GROWTH = 1.5  # of the cost of a cluster when there are too many (Shindler et al.: β > 1)
_BALL = 1 / 3  # of the way to the nearest other centre (Braverman et al.)


def fit(data: WeightedRows, seed: int, k: int, sketch: int, starts: int) -> Partition:
    """Cut rows into `k` clusters in one pass, of which `sketch` × K × ln m means are kept.

    Shindler, Wong and Meyerson, "Fast and accurate k-means for large datasets", NIPS 2011.
    Braverman et al., "Streaming k-means on well-clusterable data", SODA 2011.
    """
    from shoal.methods.kernels import streamed

    rows, weights = data.as_float64, data.weights
    middle = np.average(rows, axis=0, weights=weights)
    rows -= middle
    most = int(min(len(rows), max(sketch * k * np.log(len(rows) + 1), 2 * k)))
    random = np.random.default_rng(seed)
    order = random.permutation(len(rows))
    spread = float(weights @ (rows**2).sum(axis=1))
    cost = max(spread / weights.sum() / most, 1e-300)
    chances = random.random(len(rows) + most)
    means, sizes, count = streamed(rows, weights, order, most, cost, _GROWTH, chances)
    means, sizes = means[:count], sizes[:count]
    if len(means) < k:  # rows that are tight, and few: they are summarised by nothing
        means, sizes = rows, weights
    centres = ball_kmeans(means, sizes, k, seed, starts) + middle
    rule = Rule("euclidean", centres)
    return Partition(rule.assign(data.vectors), rule=rule)


def ball_kmeans(
    rows: NDArray[np.float64], weights: NDArray[np.float64], k: int, seed: int, starts: int
) -> NDArray[np.float64]:
    """Return `k` centres: the best k-means, each then moved to the mean of the rows well inside.

    Rows in the third of the way to the nearest other centre are surely of the cluster; those
    between clusters move it no more.
    """
    from sklearn.cluster import KMeans

    model = KMeans(k, n_init=starts, random_state=seed).fit(rows, sample_weight=weights)
    centres: NDArray[np.float64] = model.cluster_centers_
    if k == 1:
        return centres
    moved = centres.copy()
    between = np.linalg.norm(centres[:, None, :] - centres, axis=2)
    np.fill_diagonal(between, np.inf)
    radius = _BALL * between.min(axis=1)
    nearest = Rule("euclidean", centres).assign(rows)
    inside = np.linalg.norm(rows - centres[nearest], axis=1) <= radius[nearest]
    for j in range(k):
        mine = inside & (nearest == j)
        if mine.any():
            moved[j] = np.average(rows[mine], axis=0, weights=weights[mine])
    return moved


METHOD = Method(
    "streaming-kmeans",
    "centres",
    "One pass that opens clusters on demand, then ball k-means on the result.",
    fit,
    "time m·K·ln m·d once, memory K·ln m·d",
    predicts="nearest centre",
    parameters=(
        Parameter("sketch", 5, "Means kept per cluster, times ln m.", 1, 10_000, whole=True),
        Parameter("starts", 10, "Initialisations of k-means on these.", 1, 1000, whole=True),
        PASSES,
    ),
    version=2,
    aliases=("ball-kmeans",),
)
