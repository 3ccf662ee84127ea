"""k-medoids: centres that are rows, by swaps (FasterPAM)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition, WeightedRows
from shoal.methods.lloyd import plus_plus
from shoal.methods.rules import Rule


def fit(data: WeightedRows, seed: int, k: int, starts: int) -> Partition:
    """Cut rows into `k` clusters of least distance to one of their rows, the medoid.

    Own code from the paper: the package of its authors is GPL, and scikit-learn-extra is no
    longer kept.

    Schubert and Rousseeuw, "Fast and eager k-medoids clustering: O(k) runtime improvement of the
    PAM, CLARA, and CLARANS algorithms", Information Systems 2021.
    """
    from shoal.methods.kernels import faster_pam

    rows, weights, apart = data.as_float64, data.weights, data.distances()
    seeds = plus_plus(rows, weights, k, seed, starts)
    tries = [faster_pam(apart, weights, _rows_of(rows, centres)) for centres in seeds]
    medoids = min(tries, key=lambda found: found[1])[0]
    labels = apart[medoids].argmin(axis=0).astype(np.int32)
    labels[medoids] = np.arange(k)
    return Partition(labels, rule=Rule("euclidean", rows[medoids]))


def _rows_of(rows: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Find which rows the centres are, each another one."""
    taken: list[int] = []
    for centre in centres:
        away = ((rows - centre) ** 2).sum(axis=1)
        away[taken] = np.inf
        taken.append(int(away.argmin()))
    return np.asarray(taken, np.int64)


METHOD = Method(
    "k-medoids",
    "centres",
    "Centres are rows of the data, optimised by swaps (FasterPAM).",
    fit,
    "time m² a round of swaps, memory 4 m² bytes",
    most=10_000,
    pair_bytes=4,
    predicts="nearest medoid",
    parameters=(
        Parameter("starts", 1, "Initialisations; the best result is kept.", 1, 1000, whole=True),
    ),
    aliases=("pam", "faster-pam"),
)
