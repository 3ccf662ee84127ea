"""The null model: splits of unstructured data, and when a split is more than chance.

This module decides only which splits are *real*; which of these to show first is decided in
`core.primary`.
"""

from __future__ import annotations

from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

# In 45,000 splits of 220 structureless sets the excess has mean 0 and this standard deviation,
# whatever the size of the piece.
SPREAD = 0.45
# Excess of a split that may be real: four in five of those lie under it.
REAL = 0.4
# Evidence, summed over the splits of a tree, from which data are said to have structure. It was set
# by the sets of benchmarks.null and benchmarks.structureless, of which 97 of 100 stay under it.
STRUCTURE = 0.7
# Excess that a split gets which people asked for: it is clear enough to be in most primary layers.
SURE = 3.0
# Under this a layer is weak: of the splits of structureless pieces one in a thousand lies above.
WEAK = 1.2


def null_log_ratio(dimension: float, steps: float, leaves: int) -> float:
    """Return the mean of ln(geometry / ratio) at the splits of an unstructured piece.

    Fitted on 220 sets of 150 to 6,000 rows and 2 to 64 dimensions (docs/design.md); the residuals
    have a standard deviation of 0.45.

    Parameters
    ----------
    dimension
        Intrinsic dimension of the piece, estimated from nearest neighbours.
    steps
        Extent of the piece along the axis of the split, in mean steps of an edge along it. A long
        thin piece has many places to be cut across, and by chance one of them is sparse: then the
        effective dimension ln(leaves) / ln(steps) is low, whatever the neighbours show.
    leaves
        Leaves of the piece. In a small one, the ratio of few edges is uncertain, which lowers the
        excess; without compensation every small split would be negative.
    """
    effective = max(float(np.log(max(leaves, 2))) / float(np.log(max(steps, 1.5))), 0.5)
    return (
        -2.42
        + 0.97 / max(dimension, 0.5) ** 0.87
        + 4.44 / effective**0.87
        - 8.0 / max(leaves, 2) ** 0.65
    )


def evidence(excess: NDArray) -> float:
    """Sum the excess of the splits of a tree beyond chance: many weak ones count like a strong one.

    Each is capped by that of the split above it; in unstructured data the first caps them all.
    """
    finite = excess[np.isfinite(excess)].astype(np.float64)
    return float(np.maximum(finite - REAL, 0.0).sum())


def has_structure(excess: NDArray) -> bool:
    """Return whether the splits of a tree together exceed those of unstructured data."""
    return evidence(excess) >= STRUCTURE


def finest_threshold(excess: NDArray) -> float:
    """Return the lowest excess of splits to show: `REAL`, or less for many weak ones.

    A small group with few edges rarely reaches `REAL`. But if twice as many splits as expected by
    chance are above some lower excess, most of them are real. Chance gives as many splits above 0
    as below, so at most twice as many are due to chance as are below 0.

    References
    ----------
    Benjamini, Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57 (1995).
    Storey, "A direct approach to false discovery rates", J. R. Stat. Soc. B 64 (2002).
    """
    finite = excess[np.isfinite(excess)].astype(np.float64)
    by_chance = min(2 * int((finite < 0.0).sum()), len(finite))
    for threshold in np.linspace(0.0, REAL, 9)[:-1].tolist():
        above = by_chance * 0.5 * erfc(threshold / (SPREAD * sqrt(2.0)))
        if (finite >= threshold).sum() >= 2.0 * above:
            return threshold
    return REAL
