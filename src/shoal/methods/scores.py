"""How good a partition is without a truth: the silhouette."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 256


def silhouettes(
    rows: NDArray, labels: NDArray, weights: NDArray | None = None
) -> NDArray[np.float64]:
    """Return the exact silhouette of each row, (m,); noise has NaN, a cluster of one row 0.

    Rows count as often as they weigh.

    Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", 1987.
    """
    from scipy.spatial.distance import cdist

    x, heavy = rows.astype(np.float64), np.ones(len(rows)) if weights is None else weights
    k = int(labels.max(initial=-1)) + 1
    found = np.where(labels < 0, np.nan, 0.0)
    size = np.bincount(labels[labels >= 0], heavy[labels >= 0], minlength=k)
    if (size > 0).sum() < 2:
        return found
    member = np.zeros((len(x), k))
    member[labels >= 0, labels[labels >= 0]] = heavy[labels >= 0]
    for start in range(0, len(x), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(x)))
        block = block[labels[block] >= 0]
        total, own = cdist(x[block], x) @ member, labels[block]
        at = np.arange(len(block))
        inside = total[at, own] / np.maximum(size[own] - 1.0, 1e-300)
        mean = np.divide(total, size, out=np.full_like(total, np.inf), where=size > 0)
        mean[at, own] = np.inf
        outside = mean.min(axis=1)
        wider = np.maximum(inside, outside)
        value = np.divide(outside - inside, wider, out=np.zeros(len(block)), where=wider > 0)
        found[block] = np.where(size[own] > 1, value, 0.0)
    return found


def silhouette(rows: NDArray, labels: NDArray, weights: NDArray | None = None) -> float:
    """Return the mean silhouette of rows that are not noise; −1 with fewer than two clusters."""
    if len(np.unique(labels[labels >= 0])) < 2:
        return -1.0
    each, kept = silhouettes(rows, labels, weights), labels >= 0
    heavy = None if weights is None else weights[kept]
    return float(np.average(each[kept], weights=heavy))
