"""Layers: the cuts of the tree that the data itself marks."""

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

# A layer has at most this many times the clusters of the one before it ...
_STEP = 1.6
# ... unless there would be more layers than a person looks through ...
_MOST_LAYERS = 12
# ... or the splits between are alike: a third of the spread of structureless splits.
_ALIKE = 0.15


@dataclass(frozen=True)
class Layer(Tabular):
    """A marked cut of the tree.

    Parameters
    ----------
    k : int
        How many clusters.
    excess : float
        Excess of the last split that it takes; infinite for K = 1, minus infinite where only
        the graph's fine grain decides.
    stability : float
        How well the clusters come out again, 0..1; NaN when not known. The lesser of the mean over
        rows of the stability of their cluster in trees of random parts, and of the mean ARI with
        what other draws of the same rows show.
    primary : bool
        True for the one layer that is shown first.
    """

    k: int
    excess: float
    stability: float
    primary: bool = False

    @property
    def weak(self) -> bool:
        """True where splits as faint as its last one are found in structureless data, too."""
        return self.k > 1 and self.excess < WEAK

    def __repr__(self) -> str:
        marks = ", primary" * self.primary + ", weak" * self.weak
        return f"Layer(k={self.k}, excess={self.excess:.3g}, stability={self.stability:.3g}{marks})"

    def records(self) -> list[dict[str, Any]]:
        """Return the layer as one line."""
        return [self.as_dict()]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; what is not finite becomes None."""
        plain = {**asdict(self), "weak": self.weak}
        for name in ("excess", "stability"):
            plain[name] = plain[name] if np.isfinite(plain[name]) else None
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Layer:
        """Make the layer from what `as_dict` gave."""
        k = int(plain["k"])
        excess = (np.inf if k == 1 else -np.inf) if plain["excess"] is None else plain["excess"]
        stability = np.nan if plain["stability"] is None else float(plain["stability"])
        return cls(k, float(excess), stability, bool(plain["primary"]))


class Layers(Tabular, tuple[Layer, ...]):
    """Layers, coarse to fine, that are shown as a table."""

    __slots__ = ()

    def records(self) -> list[dict[str, Any]]:
        """Return each layer's plain values; see `Layer.as_dict`."""
        return [layer.as_dict() for layer in self]

    def __repr__(self) -> str:
        return text_table(self.records())


def find_layers(
    tree: Tree,
    weights: NDArray,
    resampled: Resampled | None,
    primary: int = 1,
    asked: Sequence[int] | None = None,
    k: int | None = None,
) -> tuple[Layer, ...]:
    """Mark the layers of a tree, coarse to fine, one of them primary.

    Where the primary layer has one cluster, it is the only one. Otherwise they go from two clusters
    to the last split that may be real.

    Parameters
    ----------
    tree : Tree
    weights : ndarray, shape (m,)
    resampled : Resampled or None
        For the stability; None leaves it unknown.
    primary : int, default 1
        K of the primary layer, unless `asked` or `k` name another.
    asked : sequence of int, optional
        Mark these K, the first one primary, instead of the data's own.
    k : int, optional
        Mark this K too, and make it the primary layer.

    Raises
    ------
    SettingError
        When more clusters are requested than there are representatives.
    """
    check_count("k", max([*(asked or ()), k or 1]), tree.n_leaves, "representatives")
    if asked:
        ks, primary = sorted(set(asked)), asked[0]
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

    A step leads to the widest gap of the excess within reach, at most 1.6 times the clusters
    away, so far as the splits differ. More than twelve layers make the steps wider.
    """
    reach = _STEP
    while True:
        found = {primary, finest}
        low = primary
        while finest > max(reach * low, low + 1):
            low = _widest_gap(tree, low + 1, min(max(int(reach * low), low + 1), finest - 1), 0.0)
            found.add(low)
        high = primary
        while high > 2:
            high = _widest_gap(tree, max(2, ceil(high / reach)), high - 1, _ALIKE)
            if high > 1:
                found.add(high)
        if len(found) <= _MOST_LAYERS:
            return sorted(found)
        reach *= 1.1


def _widest_gap(tree: Tree, low: int, high: int, least: float) -> int:
    """Return the K of ``low..high`` before the widest drop; coarser if none is wide."""
    while high > 1:
        ks = np.arange(low, high + 1)
        drops = tree.excess[ks - 2] - tree.excess[ks - 1]
        best = int(drops.argmax())
        if drops[best] >= least:
            return int(ks[best])
        low, high = max(2, ceil(low / _STEP)), low - 1
    return 1


def count_above(tree: Tree, threshold: float) -> int:
    """Clusters of the cut that takes every split above a threshold."""
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
