"""Criteria for K: measures of the clusters, and the K that each of them picks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.validity import validity
from shoal.methods.base import WeightedRows
from shoal.methods.gmm import mixture
from shoal.methods.mahalanobis_kmeans import means
from shoal.methods.rules import Rule
from shoal.methods.scores import silhouette

_STRENGTH = 0.8  # from which clusters are predicted well (Tibshirani and Walther 2005)

Labels = dict[int, NDArray[np.int32]]
"""The labels for each K."""


def measures(
    k: int, rows: WeightedRows, labels: NDArray[np.int32], near: NDArray[np.int64]
) -> dict[str, Any]:
    """Measure the clusters of one K, their silhouette by the rows `near`."""
    weights = rows.weights if len(near) == len(rows) else None
    return {
        "k": k,
        **validity(rows.vectors, labels, rows.weights).as_dict(),
        "silhouette": silhouette(rows.vectors[near], labels[near], weights),
        **dict.fromkeys(("gap", "gap_error", "strength", "bic")),
    }


def add_bic(
    records: list[dict[str, Any]], rows: WeightedRows, seed: int, values: Mapping[str, Any]
) -> None:
    """Add the Bayesian information criterion of mixtures."""
    names = ("covariance", "starts", "iterations", "tolerance", "ridge")
    chosen = {name: values[name] for name in names}
    for record in records:
        found = mixture(rows, record["k"], seed, **chosen)
        record["bic"] = found.bic(float(rows.weights.sum()))


def add_gap(
    records: list[dict[str, Any]],
    rows: NDArray[np.float32],
    fit: Callable[[WeightedRows], Labels],
    references: int,
    draw: np.random.Generator,
) -> None:
    """Add the gap statistic: how much tighter clusters are than those of structureless twins.

    Twins are uniform in the box along the principal axes.

    Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap
    statistic", 2001.
    """
    middle = rows.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(rows - middle, full_matrices=False)[2]
    along = (rows - middle) @ axes.T
    low, high = along.min(axis=0), along.max(axis=0)

    def logs(some: NDArray) -> dict[int, float]:
        tiny = np.finfo(np.float64).tiny
        found = fit(WeightedRows(some.astype(np.float32), np.ones(len(some))))
        return {k: float(np.log(max(validity(some, found[k]).inertia, tiny))) for k in found}

    real = logs(rows)
    twins = [logs(draw.uniform(low, high, along.shape) @ axes) for _ in range(references)]
    for record in records:
        k = record["k"]
        if k not in real:
            continue
        others = np.asarray([twin[k] for twin in twins])
        record["gap"] = float(others.mean()) - real[k]
        record["gap_error"] = float(others.std() * np.sqrt(1 + 1 / references))


def add_strength(
    records: list[dict[str, Any]],
    rows: NDArray[np.float32],
    fit: Callable[[WeightedRows], Labels],
    draw: np.random.Generator,
) -> None:
    """Add the prediction strength: how well clusters of one half hold in the other.

    The least share, over the clusters of one half, of its pairs that the means of the other half
    keep together; the mean of both directions.

    Tibshirani and Walther, "Cluster validation by prediction strength", 2005.
    """
    order = draw.permutation(len(rows))
    halves = [rows[np.sort(order[::2])], rows[np.sort(order[1::2])]]
    parts = [WeightedRows(half, np.ones(len(half))) for half in halves]
    found = [fit(part) for part in parts]
    for record in records:
        k = record["k"]
        if k not in found[0] or k not in found[1]:
            continue
        shares = []
        for mine, other in ((0, 1), (1, 0)):
            centres = means(parts[other].vectors, parts[other].weights, found[other][k], k)
            predicted = Rule("euclidean", centres).assign(parts[mine].vectors)
            shares.append(_kept_together(found[mine][k], predicted))
        record["strength"] = float(np.mean(shares))


def _kept_together(own: NDArray, predicted: NDArray) -> float:
    """Return the least share of the pairs of a cluster that are together in other labels."""
    least = 1.0
    for cluster in np.unique(own):
        sizes = np.bincount(predicted[own == cluster])
        n = int(sizes.sum())
        if n > 1:
            least = min(least, float((sizes * (sizes - 1)).sum() / (n * (n - 1))))
    return least


def picks(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the K that each criterion would pick."""
    ks = [record["k"] for record in records]

    def values(name: str) -> NDArray[np.float64]:
        return np.asarray([np.nan if r[name] is None else r[name] for r in records], np.float64)

    picks = {
        "elbow": elbow(ks, values("inertia")),
        "silhouette": ks[int(np.nanargmax(values("silhouette")))],
        "calinski_harabasz": ks[int(np.nanargmax(values("calinski_harabasz")))],
    }
    if np.isfinite(values("davies_bouldin")).any():
        picks["davies_bouldin"] = ks[int(np.nanargmin(values("davies_bouldin")))]
    gap = values("gap")
    if np.isfinite(gap).any():
        later = np.append(gap[1:] - values("gap_error")[1:], -np.inf)
        picks["gap"] = ks[int(np.argmax(gap >= np.nan_to_num(later, nan=-np.inf)))]
    strong = np.flatnonzero(values("strength") >= _STRENGTH)
    if len(strong):
        picks["strength"] = ks[int(strong[-1])]
    if np.isfinite(values("bic")).any():
        picks["bic"] = ks[int(np.nanargmin(values("bic")))]
    return picks


def elbow(ks: Sequence[int], inertia: NDArray[np.float64]) -> int:
    """Return the K at which the curve of the inertia lies farthest below its chord.

    It always falls, so there is such a K in structureless data, too (Satopää et al. 2011).

    >>> elbow([1, 2, 3, 4, 5], np.array([100.0, 60, 12, 10, 8]))
    3
    """
    if len(ks) < 3 or inertia[0] <= inertia[-1]:
        return int(ks[0])
    at = (np.asarray(ks, np.float64) - ks[0]) / (ks[-1] - ks[0])
    height = (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    return int(ks[int((1 - at - height).argmax())])
