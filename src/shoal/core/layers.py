"""Layers: the cuts of the tree that stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import check_count
from shoal.core.null import WEAK, finest_threshold
from shoal.core.record_lists import Tabular, text_table
from shoal.core.stability import Resampled
from shoal.core.tree import Tree

# A layer has at most so many times the clusters of the next coarser one; steps are wider where
# there would be more layers than a person looks through, and where no gap is wide enough.
_STEP = 1.6
_MOST_LAYERS = 12
# Least gap of the excess after a layer coarser than the primary one: a third of the spread of
# unstructured splits (`null.SPREAD`).
_LEAST_GAP = 0.15


@dataclass(frozen=True)
class Layer(Tabular):
    """A cut of the tree that stands out, or was requested.

    Parameters
    ----------
    k : int
        Number of clusters.
    excess : float
        Excess of its last split; infinite for K = 1, minus infinity for splits within communities.
    stability : float
        How well the clusters are reproduced, 0..1; NaN if not known. The lesser of the mean over
        rows of the stability of their cluster in trees of random subsets, and of the mean ARI with
        the same cut of trees from other seeds.
    primary : bool
        True for the one layer that is suggested.
    """

    k: int
    excess: float
    stability: float
    primary: bool = False

    @property
    def weak(self) -> bool:
        """True if unstructured data have splits as clear as its last one, too."""
        return self.k > 1 and self.excess < WEAK

    def __repr__(self) -> str:
        marks = ", primary" * self.primary + ", weak" * self.weak
        return f"Layer(k={self.k}, excess={self.excess:.3g}, stability={self.stability:.3g}{marks})"

    def records(self) -> list[dict[str, Any]]:
        """Return the layer as the one line of a table."""
        return [self.as_dict()]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; None for what is not finite."""
        plain = {**asdict(self), "weak": self.weak}
        for name in ("excess", "stability"):
            plain[name] = plain[name] if np.isfinite(plain[name]) else None
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Layer:
        """Inverse of `as_dict`."""
        k = int(plain["k"])
        excess = (np.inf if k == 1 else -np.inf) if plain["excess"] is None else plain["excess"]
        stability = np.nan if plain["stability"] is None else float(plain["stability"])
        return cls(k, float(excess), stability, bool(plain["primary"]))


class Layers(Tabular, tuple[Layer, ...]):
    """Layers, coarse to fine, which display as a table."""

    __slots__ = ()

    def records(self) -> list[dict[str, Any]]:
        return [layer.as_dict() for layer in self]

    def __repr__(self) -> str:
        return text_table(self.records())


def find_layers(
    tree: Tree,
    weights: NDArray,
    resampled: Resampled | None,
    primary: int = 1,
    requested: Sequence[int] | None = None,
    k: int | None = None,
) -> tuple[Layer, ...]:
    """Return the layers of a tree, coarse to fine, one of them primary.

    If the primary layer has one cluster, it is the only one. Otherwise they go from two clusters to
    the last split that may be real.

    Parameters
    ----------
    weights
        (m,) rows of each leaf.
    resampled
        For the stability; None leaves it unknown.
    primary
        K of the primary layer, unless `requested` or `k` names another.
    requested
        The K of the layers, the first one primary, instead of those found in the data.
    k
        An additional K, which becomes primary.

    Raises
    ------
    SettingError
        When a K exceeds the number of leaves.
    """
    check_count("k", max([*(requested or ()), k or 1]), tree.n_leaves, "representatives")
    if requested:
        ks, primary = sorted(set(requested)), requested[0]
    else:
        finest = max(primary, count_above(tree, finest_threshold(tree.excess)))
        ks = ladder(tree, primary, finest) if primary > 1 else [1]
    if k is not None:
        ks, primary = sorted({*ks, k}), k
    return tuple(
        Layer(
            each,
            float(tree.excess[each - 2]) if each > 1 else np.inf,
            _stability(tree, each, weights, resampled),
            each == primary,
        )
        for each in ks
    )


def ladder(tree: Tree, primary: int, finest: int) -> list[int]:
    """Choose the K of all layers: the primary one, the finest, and steps between them.

    Each step leads to the widest gap of the excess within reach, at most 1.6 times as many clusters
    or so few. If that makes more than twelve layers, the reach is extended.
    """
    reach = _STEP
    while True:
        found = {primary, finest}
        finer = primary
        while finest > max(reach * finer, finer + 1):
            most = min(max(int(reach * finer), finer + 1), finest - 1)
            finer = _widest_gap(tree, finer + 1, most, 0.0)
            found.add(finer)
        coarser = primary
        while coarser > 2:
            coarser = _widest_gap(tree, max(2, ceil(coarser / reach)), coarser - 1, _LEAST_GAP)
            if coarser > 1:
                found.add(coarser)
        if len(found) <= _MOST_LAYERS:
            return sorted(found)
        reach *= 1.1


def _widest_gap(tree: Tree, low: int, high: int, least: float) -> int:
    """Return the K of ``low..high`` with the widest gap after it.

    If that is less than `least`, coarser ranges are tried; 1 if there is none.
    """
    while high > 1:
        ks = np.arange(low, high + 1)
        gaps = tree.excess[ks - 2] - tree.excess[ks - 1]
        widest = int(gaps.argmax())
        if gaps[widest] >= least:
            return int(ks[widest])
        low, high = max(2, ceil(low / _STEP)), low - 1
    return 1


def count_above(tree: Tree, threshold: float) -> int:
    """Return the number of clusters of the cut by all splits at or above a threshold."""
    return 1 + int((tree.excess >= threshold).sum())


def _stability(tree: Tree, k: int, weights: NDArray, resampled: Resampled | None) -> float:
    """Mean stability of the clusters of a cut, weighted by their rows."""
    if resampled is None:
        return float("nan")
    bounds = tree.bounds(k)
    found = resampled.stability(tree.order, np.stack([bounds[:-1], bounds[1:]], 1))
    total = np.add.reduceat(np.asarray(weights, np.float64)[tree.order], bounds[:-1])
    seen = ~np.isnan(found)
    return float(np.average(found[seen], weights=total[seen])) if seen.any() else float("nan")
