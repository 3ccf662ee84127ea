"""Agglomerative clustering (AGNES): the nearest two clusters are joined, again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition
from shoal.methods.dendrograms import cut, numbered

LINKAGES = ("ward", "average", "complete", "single")


def fit(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    k: int,
    linkage: str = "ward",
) -> Partition:
    """Join rows to one dendrogram and cut it into `k` clusters.

    SciPy's linkage, except where rows weigh different and that matters: with Ward and average
    linkage (UPGMA) a weighted row is as many rows that were joined already.
    """
    merges, heights = joined(vectors, weights, linkage)
    return Partition(cut(merges, k), merges=merges, heights=heights)


def joined(
    vectors: NDArray[np.float32], weights: NDArray[np.float64], linkage: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the merges of the dendrogram, and their heights."""
    from scipy.cluster import hierarchy

    rows = vectors.astype(np.float64)
    if linkage in ("single", "complete") or (weights == weights[0]).all():
        found = hierarchy.linkage(rows, linkage)
        return found[:, :2].astype(np.int64), found[:, 2]
    from shoal.methods.distances import all_distances
    from shoal.methods.kernels import chain_merges

    apart = all_distances(vectors, np.float64)
    ward = linkage == "ward"
    if ward:
        apart *= apart
        for i, weight in enumerate(weights):
            apart[i] *= 2 * weight * weights / (weight + weights)
    pairs, heights = chain_merges(apart, weights, ward)
    return numbered(pairs, np.sqrt(heights) if ward else heights)


METHOD = Method(
    "agglomerative",
    "hierarchies",
    "Repeatedly joins the nearest clusters (AGNES): a dendrogram.",
    fit,
    "time m²·d, memory 8 m² bytes",
    most=20_000,
    pair_bytes=8,
    hierarchical=True,
    parameters=(Parameter("linkage", "ward", "Distance between clusters.", choices=LINKAGES),),
    aliases=("agnes", "hierarchical"),
)
