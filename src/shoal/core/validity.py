"""Internal validity of clusters: compactness and separation of weighted rows, without labels.

Label −1 is noise. It is left out, except in DBCV, where it scores 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse.csgraph import minimum_spanning_tree

from shoal.core.contingency import NOISE
from shoal.errors import InputError

# Rows that DBCV is computed on: their distances (32 MB) are in memory, and its cost grows as
# their square. Drawn by weight, so that clusters have their share.
DBCV_SAMPLE = 2_000
_BLOCK = 8192  # rows whose differences from means are in memory at a time


@dataclass(frozen=True)
class Validity:
    """Measures of clusters by their vectors.

    Attributes
    ----------
    inertia
        Weighted sum of squared distances to the means of clusters; lower is better.
    calinski_harabasz
        Variance between means over variance within clusters, each by its degrees of freedom
        (Caliński, Harabasz 1974); higher is better, 0 with one cluster.
    davies_bouldin
        Mean over clusters of the worst ratio of widths to the distance of means (Davies, Bouldin
        1979); lower is better, NaN with one cluster.
    """

    inertia: float
    calinski_harabasz: float
    davies_bouldin: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def validity(x: NDArray, labels: ArrayLike, weights: ArrayLike | None = None) -> Validity:
    """Evaluate clusters by the distances of rows, (n, d), to means; noise is left out.

    `weights`, (n,), are the rows that each stands for, 1 by default.

    Raises
    ------
    InputError
        If there is not one label and one weight per row.
    """
    rows, label, weight = _real(x, labels, weights)
    clusters, own = np.unique(label, return_inverse=True)
    k, n = len(clusters), float(weight.sum())
    if not k:
        return Validity(0.0, 0.0, float("nan"))
    sizes = np.bincount(own, weight)
    sums = np.stack([np.bincount(own, weight * column) for column in rows.T], axis=1)
    means = sums / sizes[:, None]
    squared = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        block = slice(start, start + _BLOCK)
        squared[block] = ((rows[block] - means[own[block]]) ** 2).sum(axis=1)
    within = float(weight @ squared)
    between = float(sizes @ ((means - sums.sum(axis=0) / n) ** 2).sum(axis=1))
    if k == 1:
        return Validity(within, 0.0, float("nan"))
    freedom = max(n - k, 0.0) / (k - 1)
    ratio = between / within * freedom if within > 0 else 1.0  # as scikit-learn
    widths = np.bincount(own, weight * np.sqrt(squared)) / sizes
    return Validity(within, float(ratio), _davies_bouldin(means, widths))


def _davies_bouldin(means: NDArray[np.float64], widths: NDArray[np.float64]) -> float:
    """Mean over clusters of the largest (width + width) / distance; one cluster at a time."""
    total = 0.0
    for at, mean in enumerate(means):
        apart = np.sqrt(((means - mean) ** 2).sum(axis=1))
        apart[apart == 0] = np.inf  # itself, and means at the same place, as scikit-learn
        total += float(((widths[at] + widths) / apart).max())
    return total / len(means)


def _real(
    x: NDArray, labels: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray, NDArray, NDArray[np.float64]]:
    """Return rows without noise, their labels and weights."""
    rows, label = np.asarray(x), np.asarray(labels)
    weight = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
    if rows.ndim != 2 or label.shape != (len(rows),) or weight.shape != (len(rows),):
        raise InputError(
            f"rows have shape {rows.shape}, labels {label.shape} and weights {weight.shape}: one "
            "label and one weight a row are needed"
        )
    real = (label != NOISE) & (weight > 0)
    return rows if real.all() else rows[real], label[real], weight[real]


@dataclass(frozen=True)
class DensitySample:
    """A sample of rows with its distance matrix, for DBCV of any labelling."""

    rows: NDArray[np.int64]
    """(s,) numbers of the rows, ascending."""
    distances: NDArray[np.float64]
    dimensions: int
    """Columns of the rows."""


def density_sample(
    x: NDArray, weights: ArrayLike | None = None, size: int = DBCV_SAMPLE, seed: int = 0
) -> DensitySample:
    """Draw rows by weight, each at most once, and measure their distances."""
    weight = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    rows = np.flatnonzero(weight > 0)
    if len(rows) > size:
        # The largest log(u) / w: a draw by weight without repetition (Efraimidis, Spirakis 2006).
        keys = np.log(np.random.default_rng(seed).random(len(rows))) / weight[rows]
        rows = np.sort(rows[np.argsort(-keys, kind="stable")[:size]])
    points = x[rows].astype(np.float64)
    points -= points.mean(axis=0) if len(points) else 0.0
    squares = (points**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * (points @ points.T)
    np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
    np.fill_diagonal(distances, 0.0)
    return DensitySample(rows, distances, x.shape[1])


def dbcv(sample: DensitySample, labels: ArrayLike) -> float:
    """Density-based clustering validation (Moulavi et al. 2014), −1 to 1.

    For each cluster, how much sparser it is towards the nearest other cluster than inside, weighted
    by its share of the rows; noise, and clusters of one row in the sample, count as 0. NaN with
    fewer than two clusters of two rows in the sample. The labels, (n,), are those of all rows.
    """
    label = np.asarray(labels)[sample.rows]
    order = np.argsort(label, kind="stable")
    clusters, start = np.unique(label[order], return_index=True)
    members = [
        rows
        for cluster, rows in zip(clusters, np.split(order, start[1:]), strict=True)
        if cluster != NOISE and len(rows) > 1
    ]
    if len(members) < 2:
        return float("nan")
    inner, cores, sparseness = [], [], []
    for rows in members:
        core = _core_distances(sample.distances[np.ix_(rows, rows)], sample.dimensions)
        inside, widest = _density_tree(sample.distances[np.ix_(rows, rows)], core)
        inner.append(rows[inside])
        cores.append(core[inside])
        sparseness.append(widest)
    parted = _separations(sample.distances, inner, cores)
    total = sum(
        len(rows) * (apart - widest) / max(apart, widest)
        for rows, apart, widest in zip(members, parted, sparseness, strict=True)
        if max(apart, widest) > 0
    )
    return float(total / len(label))


def _core_distances(distances: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    """All-points core distance: the mean of 1 / distance^d to the others, to the power −1 / d.

    In logarithms, because the powers overflow at a few dozen dimensions. A row with a copy in the
    cluster has 0.
    """
    n = len(distances)
    with np.errstate(divide="ignore"):
        logs = -dimensions * np.log(distances)
    np.fill_diagonal(logs, -np.inf)
    most = logs.max(axis=1)
    finite = np.isfinite(most)
    means = np.exp(logs[finite] - most[finite, None]).sum(axis=1) / (n - 1)
    core = np.zeros(n)
    core[finite] = np.exp(-(most[finite] + np.log(means)) / dimensions)
    return core


def _density_tree(
    distances: NDArray[np.float64], core: NDArray[np.float64]
) -> tuple[NDArray[np.int64], float]:
    """Return the inner rows of a cluster's minimum spanning tree, and its widest inner edge."""
    reach = np.maximum(np.maximum(core[:, None], core), distances)
    # A sparse graph drops zeros: the smallest positive number stands for them.
    tree = minimum_spanning_tree(np.maximum(reach, np.finfo(float).tiny)).tocoo()
    degree = np.bincount(np.concatenate([tree.row, tree.col]), minlength=len(core))
    inside = np.flatnonzero(degree > 1)
    both = (degree[tree.row] > 1) & (degree[tree.col] > 1)
    # Without inner edges (two or three rows, a star) all edges count.
    widest = float(tree.data[both].max() if both.any() else tree.data.max())
    return (inside if len(inside) else np.arange(len(core))), widest


def _separations(
    distances: NDArray[np.float64],
    inner: list[NDArray[np.int64]],
    cores: list[NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return the least reachability distance from each cluster's inner rows to other clusters'."""
    rows, core = np.concatenate(inner), np.concatenate(cores)
    own = np.repeat(np.arange(len(inner)), [len(part) for part in inner])
    reach = np.maximum(np.maximum(core[:, None], core), distances[np.ix_(rows, rows)])
    reach[own[:, None] == own] = np.inf
    return np.minimum.reduceat(reach.min(axis=1), np.flatnonzero(np.diff(own, prepend=-1)))
