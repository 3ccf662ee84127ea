"""DBSCAN: clusters are what is connected densely; the rest is noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition

_FENCE = 1.5  # times the quartiles' distance above the upper one
_BLOCK = 512  # rows whose neighbours are in memory at a time


def fit(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    k: int | None = None,
    eps: float | None = None,
    min_samples: int = 5,
) -> Partition:
    """Find rows with `min_samples` rows within `eps`, and join those within `eps` of each other.

    Other rows go with the nearest of these within `eps`, or are noise. Neighbours are looked up
    block by block, so that a large `eps` takes no more memory; else it is scikit-learn's.

    References
    ----------
    Ester et al., "A density-based algorithm for discovering clusters", KDD 1996.
    """
    from sklearn.neighbors import NearestNeighbors

    rows = vectors.astype(np.float64)
    notes: tuple[str, ...] = ()
    if eps is None:
        eps = proposed_eps(vectors, weights, min_samples)
        notes = (f"eps = {eps:.4g}, the upper fence of the distances to row {min_samples}.",)
    index = NearestNeighbors(radius=eps).fit(rows)
    core = _reached(index, rows, weights) >= min_samples
    labels = np.full(len(rows), -1, np.int32)
    if core.any():
        _join(rows, core, eps, labels)
    return Partition(labels, notes=notes)


def _reached(index: object, rows: NDArray, weights: NDArray) -> NDArray[np.float64]:
    """Return the weight within eps of each row."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        near = index.radius_neighbors(rows[part], return_distance=False)  # type: ignore[attr-defined]
        found[part] = [weights[at].sum() for at in near]
    return found


def _join(rows: NDArray, core: NDArray[np.bool_], eps: float, labels: NDArray[np.int32]) -> None:
    """Label connected core rows alike, and the others as the nearest of them within eps."""
    from scipy.cluster.hierarchy import DisjointSet
    from sklearn.neighbors import NearestNeighbors

    cores = np.flatnonzero(core)
    index = NearestNeighbors(radius=eps).fit(rows[cores])
    sets = DisjointSet(range(len(cores)))
    for start in range(0, len(cores), _BLOCK):
        near = index.radius_neighbors(rows[cores[start : start + _BLOCK]], return_distance=False)
        for at, others in enumerate(near, start):
            for other in others[others > at].tolist():
                sets.merge(at, other)
    roots = np.asarray([sets[at] for at in range(len(cores))])
    _, first, number = np.unique(roots, return_index=True, return_inverse=True)
    labels[cores] = np.argsort(np.argsort(first))[number]
    rest = np.flatnonzero(~core)
    if len(rest):
        away, at = index.kneighbors(rows[rest], 1)
        near = away[:, 0] <= eps
        labels[rest[near]] = labels[cores[at[near, 0]]]


def proposed_eps(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], min_samples: int
) -> float:
    """Return the upper fence (Tukey 1977) of the distances to the `min_samples`-th row.

    So rows count as dense unless they lie farther from others than the usual spread explains. The
    knee of the curve, which is often recommended, cuts off the rim of clusters where there is no
    noise: on moons and circles of 600 rows it gave an ARI of .53 to .92, the fence .99 to 1.
    """
    curve = k_distances(vectors, weights, min_samples)
    low, high = np.quantile(curve, [0.25, 0.75])
    return max(float(high + _FENCE * (high - low)), 1e-12)


def k_distances(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], min_samples: int
) -> NDArray[np.float64]:
    """Return each row's distance to where `min_samples` rows are reached, rising, once a row."""
    from shoal.core.nearest import nearest_neighbours

    count = min(max(min_samples - 1, 1), len(vectors) - 1)
    near, away = nearest_neighbours(vectors, count)
    within = weights[:, None] + np.cumsum(weights[near], axis=1)
    # Copies of a row are at no distance from it.
    reached = np.where(within >= min_samples, 0, 1).sum(axis=1).clip(0, count - 1)
    found = away[np.arange(len(away)), reached].astype(np.float64)
    found[weights >= min_samples] = 0.0
    return np.sort(np.repeat(found, np.maximum(1, weights.astype(np.int64)).clip(max=1000)))


METHOD = Method(
    "dbscan",
    "density",
    "Clusters are what is densely connected; the rest is noise.",
    fit,
    "time m²·d (less in few dimensions), memory m·d",
    needs_k=False,
    takes_k=False,
    most=50_000,
    noise=True,
    parameters=(
        Parameter("eps", None, "Reach of a row; by default from the k-distances.", 1e-300),
        Parameter("min_samples", 5, "Rows within eps of a core row.", 1, 2**31 - 1, whole=True),
    ),
)
