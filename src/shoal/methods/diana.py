"""DIANA: from the top, the widest cluster loses a splinter group, again and again."""

from __future__ import annotations

import numpy as np

from shoal.methods.base import Method, Partition, WeightedRows
from shoal.methods.dendrograms import cut, numbered


def fit(data: WeightedRows, seed: int, k: int) -> Partition:
    """Split rows to one dendrogram from the top and cut it into `k` clusters.

    The row farthest from the others of its cluster, in the mean, opens a splinter group, to which
    rows go while they are nearer to it; the height is the diameter of what is split.

    Kaufman and Rousseeuw, "Finding groups in data", 1990, chapter 6.
    """
    from shoal.methods.kernels import diana_splits

    order, places, heights = diana_splits(data.distances(), data.weights)
    pairs = np.stack([order[places - 1], order[places]], axis=1)
    merges, heights = numbered(pairs[::-1], heights[::-1])  # the last splits join first
    return Partition(cut(merges, k), merges=merges, heights=heights)


METHOD = Method(
    "diana",
    "hierarchies",
    "Repeatedly splits a splinter group from the widest cluster: a divisive dendrogram.",
    fit,
    "time m² to m³, memory 4 m² bytes",
    most=4_000,
    pair_bytes=4,
    hierarchical=True,
    aliases=("divisive",),
)
