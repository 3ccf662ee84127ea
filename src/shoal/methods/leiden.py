"""Leiden: as Louvain, but communities stay connected."""

from __future__ import annotations

from dataclasses import replace

from shoal.methods import louvain
from shoal.methods.base import Partition, WeightedRows


def fit(
    data: WeightedRows, seed: int, k: int | None, resolution: float, neighbours: int
) -> Partition:
    """Find communities by modularity, each connected (Traag et al. 2019)."""
    return louvain.fit_communities("Leiden", data, seed, resolution, neighbours)


METHOD = replace(
    louvain.METHOD, name="leiden", summary="Like Louvain, but with connected communities.", fit=fit
)
