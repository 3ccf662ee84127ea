"""All distances between rows, in one matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1024


def all_distances(vectors: NDArray, dtype: type = np.float32) -> NDArray:
    """Return the Euclidean distances of all pairs, (m, m), exactly symmetric, 0 on the diagonal."""
    from scipy.spatial.distance import cdist

    rows = vectors.astype(np.float64)
    found: NDArray = np.empty((len(rows), len(rows)), dtype)
    for start in range(0, len(rows), _BLOCK):
        found[start : start + _BLOCK] = cdist(rows[start : start + _BLOCK], rows)
    return found
