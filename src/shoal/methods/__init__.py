"""Classical clustering methods behind one protocol: `Method.fit` returns a `Partition`."""

from __future__ import annotations

import re
from importlib import import_module

from shoal.core.checked import check_word
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

_MODULES = (
    "kmeans",
    "mini_batch_kmeans",
    "spherical_kmeans",
    "mahalanobis_kmeans",
    "streaming_kmeans",
    "bisecting_kmeans",
    "x_means",
    "k_medians",
    "k_medoids",
    "som",
    "gmm",
    "birch",
    "agglomerative",
    "diana",
    "dbscan",
    "optics",
    "hdbscan",
    "spectral",
    "louvain",
    "leiden",
)
"""The module of each method, in the order in which they are listed."""

METHODS: dict[str, Method] = {
    method.name: method
    for method in (import_module(f"shoal.methods.{name}").METHOD for name in _MODULES)
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
    aliases = {alias: method.name for method in METHODS.values() for alias in method.aliases}
    by_spelling = {_letters(name): name for name in NAMES}
    by_spelling |= {_letters(alias): name for alias, name in aliases.items()}
    return by_spelling.get(_letters(text)) or check_word("method", text, NAMES)


def _letters(text: str) -> str:
    """Return letters and digits alone, in lower case."""
    return re.sub(r"[^a-z0-9]", "", str(text).lower())
