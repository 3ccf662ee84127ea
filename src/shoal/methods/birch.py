"""BIRCH: rows are summarised in a tree of small balls, which are then agglomerated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SettingError
from shoal.methods.base import Method, Parameter, Partition, WeightedRows

_NEIGHBOUR = 10  # a ball shall hold about ten rows
_LOOKED = 2_000  # rows by which its size is chosen
_TRIES = 30
_MOST_BALLS = 10_000  # whose distances to each other take 400 MB


def fit(
    data: WeightedRows, seed: int, k: int, threshold: float | None, branching: int
) -> Partition:
    """Cut rows into `k` clusters of balls of radius `threshold` (Zhang et al. 1996; scikit-learn).

    Where there are fewer balls than `k`, the threshold is halved until there are enough; where
    there are more than can be agglomerated, it grows, unless it was given.
    """
    from sklearn.cluster import Birch

    rows = data.as_float64
    # The tree depends on the order of rows; sorted ones, as they come, fill it from one side.
    shuffled = np.random.default_rng(seed).permutation(rows)
    chosen = usual_radius(data.vectors, seed) if threshold is None else threshold
    for _ in range(_TRIES):
        model = Birch(threshold=chosen, branching_factor=branching, n_clusters=None).fit(shuffled)
        balls = len(model.subcluster_centers_)
        if balls > _MOST_BALLS and threshold is not None:
            raise SettingError(
                f"threshold {threshold:g} makes {balls:,} balls, of which at most "
                f"{_MOST_BALLS:,} can be agglomerated: give a larger one"
            )
        if k <= balls <= _MOST_BALLS:
            break
        chosen *= 0.5 if balls < k else 1.5
    if balls > 1:
        model.set_params(n_clusters=min(k, balls))
        model.partial_fit()  # the last step alone: the balls are agglomerated
    note = f"BIRCH: {balls:,} balls of radius {chosen:.4g} (threshold)."
    return Partition(model.predict(rows), notes=(note,))


def usual_radius(vectors: NDArray[np.float32], seed: int) -> float:
    """Return the median distance to the tenth neighbour, of some rows."""
    from shoal.core.nearest import nearest_of

    draw = np.random.default_rng(seed)
    tried = vectors[draw.choice(len(vectors), min(_LOOKED, len(vectors)), replace=False)]
    count = min(_NEIGHBOUR + 1, len(vectors))
    return max(float(np.median(nearest_of(tried, vectors, count)[1][:, -1])), 1e-12)


METHOD = Method(
    "birch",
    "hierarchies",
    "Summarises rows in a tree of small balls, which are then agglomerated.",
    fit,
    "time m·d·log m, memory of the balls: about m·d / 10 and their pairs",
    weighted=False,
    most=100_000,
    version=2,
    parameters=(
        Parameter("threshold", None, "Radius of a ball; by default from the data.", 1e-12),
        Parameter("branching", 50, "Maximum number of children of a node.", 2, 10_000, whole=True),
    ),
)
