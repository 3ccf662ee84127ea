"""Classical clustering methods behind one protocol: `Method.fit` returns a `Partition`."""

from __future__ import annotations

import re

from shoal.core.checked import check_word
from shoal.methods import (
    agglomerative,
    birch,
    bisecting_kmeans,
    communities,
    dbscan,
    diana,
    gmm,
    hdbscan,
    k_medians,
    k_medoids,
    kmeans,
    mahalanobis_kmeans,
    mini_batch_kmeans,
    optics,
    som,
    spectral,
    spherical_kmeans,
    streaming_kmeans,
    x_means,
)
from shoal.methods.base import Method, Parameter, Partition, parse_assignments
from shoal.methods.rules import Rule

__all__ = [
    "DEFAULT",
    "METHODS",
    "NAMES",
    "Method",
    "Parameter",
    "Partition",
    "Rule",
    "method_name",
    "parse_assignments",
]

DEFAULT = "shoal"
"""Shoal's own structure (`core.structure`), which is not a `Method`: it finds tree and layers."""

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        kmeans.METHOD,
        mini_batch_kmeans.METHOD,
        spherical_kmeans.METHOD,
        mahalanobis_kmeans.METHOD,
        streaming_kmeans.METHOD,
        bisecting_kmeans.METHOD,
        x_means.METHOD,
        k_medians.METHOD,
        k_medoids.METHOD,
        som.METHOD,
        gmm.METHOD,
        birch.METHOD,
        agglomerative.METHOD,
        diana.METHOD,
        dbscan.METHOD,
        optics.METHOD,
        hdbscan.METHOD,
        spectral.METHOD,
        communities.LOUVAIN,
        communities.LEIDEN,
    )
}
"""All methods except Shoal's own, by name."""

NAMES = (DEFAULT, *METHODS)
"""Values of ``--method``."""


def method_name(text: str) -> str:
    """Return the name of a method, however it is spelt.

    Raises
    ------
    SettingError
        With the name that may be meant, or all of them.

    Examples
    --------
    >>> method_name("k-means"), method_name("MiniBatchKMeans"), method_name("agnes")
    ('kmeans', 'mini-batch-kmeans', 'agglomerative')
    """
    found = _SPELT.get(_plain(text))
    if found is not None:
        return found
    return check_word("method", text, NAMES)


def _plain(text: str) -> str:
    """Leave out what people write differently."""
    return re.sub(r"[^a-z0-9]", "", str(text).lower())


_SPELT = {_plain(name): name for name in NAMES} | {
    _plain(alias): method.name for method in METHODS.values() for alias in method.aliases
}
