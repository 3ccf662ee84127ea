"""Agglomerative clustering (AGNES): the nearest two clusters are joined, again and again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition, WeightedRows
from shoal.methods.dendrograms import cut, numbered

LINKAGES = ("ward", "average", "complete", "single")


def fit(data: WeightedRows, seed: int, k: int, linkage: str) -> Partition:
    """Join rows to one dendrogram and cut it into `k` clusters."""
    merges, heights = dendrogram(data, linkage)
    return Partition(cut(merges, k), merges=merges, heights=heights)


def dendrogram(data: WeightedRows, linkage: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return merges and heights: those of SciPy, except where rows weigh different amounts.

    With Ward and average linkage (UPGMA) a weighted row is as many rows that were joined already.
    """
    from scipy.cluster import hierarchy

    if linkage in ("single", "complete") or data.is_even:
        found = hierarchy.linkage(data.as_float64, linkage)
        return found[:, :2].astype(np.int64), found[:, 2]
    from shoal.methods.kernels import chain_merges

    weights, apart = data.weights, data.distances(np.float64)
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
