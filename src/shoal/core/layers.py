"""Layers: the cuts of the tree that the data itself marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import erf, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.stability import Resampled
from shoal.core.tree import Tree
from shoal.errors import InputError

# No structureless set reached an excess of 0.8; no layer is marked under this.
NOISE = 1.2
# Splits from here on are in every primary layer.
SURE = 3.0
_LADDER = (4.0, 3.0, 2.5, 2.0, 1.5)
_REACH = 0.25
_LEAP = 1.45
_CENTRE, _GROWTH, _FEW = 1.8, 0.36, 5000
_WIDTH = 0.8
_MOST_ROWS = 100_000.0


@dataclass(frozen=True)
class Layer:
    """A marked cut of the tree.

    Parameters
    ----------
    k : int
        How many clusters.
    excess : float
        Excess of the last split that it takes; infinite for K = 1, minus infinite where only
        the graph's fine grain decides.
    stability : float
        Mean over rows of the stability of their cluster, 0..1; NaN when not known.
    primary : bool
        True for the one layer that is shown first.
    """

    k: int
    excess: float
    stability: float
    primary: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Give plain values; what is not finite becomes None."""
        plain = asdict(self)
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


def primary_threshold(excess: NDArray, n_rows: float) -> float:
    """Choose the threshold of the primary layer: the gap that most thresholds fall into.

    Thresholds are drawn, in thought, from a normal law; the answer is the lower end of the
    gap between successive excesses that catches most of them. So a clear gap wins wherever
    it is, and without one the centre decides. The centre rises slowly with the number of
    rows, as more rows show finer structure: 1.8 up to 5,000 rows, + 0.36 for each factor e.
    Splits with an excess of 3.0 and more are always taken, those under 1.2 never.

    Parameters
    ----------
    excess : ndarray
        The excess of all splits that are large enough, not rising, before any vote.
    n_rows : float
        Rows that the graph tells of (`effective_rows`).
    """

    def below(x: float) -> float:
        return chance_of_real(min(max(x, NOISE), SURE), n_rows)

    ends = [SURE, *(float(e) for e in excess if NOISE < e < SURE), NOISE]
    masses = [below(a) - below(b) for a, b in pairwise(ends)]
    best = int(np.argmax(masses))
    return (ends[best] + ends[best + 1]) / 2


def chance_of_real(excess: float, n_rows: float) -> float:
    """Give the chance that a split of some excess is taken, by the law of thresholds, 0..1."""
    centre = _CENTRE + _GROWTH * max(0.0, log(n_rows / _FEW))
    return 0.5 * (1.0 + erf((excess - centre) / (_WIDTH * sqrt(2.0))))


def effective_rows(weights: NDArray) -> float:
    """Give the geometric mean of representatives and rows: the detail that a graph resolves.

    At most 100,000, above which no more detail was seen.
    """
    return min(float(np.sqrt(len(weights) * np.sum(weights))), _MOST_ROWS)


def snapped(excess: NDArray, threshold: float) -> float:
    """Move a threshold into the middle of the widest gap within a quarter of it."""
    near = [float(e) for e in excess if abs(e - threshold) < _REACH]
    ends = [threshold + _REACH, *near, threshold - _REACH]
    widths = [a - b for a, b in pairwise(ends)]
    best = int(np.argmax(widths))
    return (ends[best] + ends[best + 1]) / 2


def find_layers(
    tree: Tree,
    unvoted: NDArray,
    weights: NDArray,
    resampled: Resampled | None,
    asked: Sequence[int] | None = None,
    detail: float | None = None,
) -> tuple[Layer, ...]:
    """Mark the layers of a tree, coarse to fine, one of them primary.

    Parameters
    ----------
    tree : Tree
    unvoted : ndarray
        The excess of all large enough splits, those that failed the vote included: they
        tell how high chance reaches in these data.
    weights : ndarray, shape (m,)
    resampled : Resampled or None
        For the stability; None leaves it unknown.
    asked : sequence of int, optional
        Mark these K, the first one primary, instead of the data's own.
    detail : float, optional
        Excess from which a split counts in the primary layer; `primary_threshold` when not
        given.

    Raises
    ------
    InputError
        When more clusters are asked for than there are rows.
    """
    m = tree.n_leaves
    unvoted = unvoted[np.isfinite(unvoted)]
    if asked:
        if max(asked) > m:
            raise InputError(
                f"{max(asked)} clusters were asked for, but there are {m} distinct rows: "
                f"ask for at most {m}"
            )
        ks, primary = sorted(set(asked)), asked[0]
    else:
        threshold = detail or primary_threshold(unvoted, effective_rows(weights))
        primary = count_above(tree, threshold)
        marks = {count_above(tree, snapped(unvoted, t)) for t in _LADDER}
        ks = sorted({primary, *(k for k in marks if k > 1 and primary > 1)})
        ks = sorted({*ks, *_between(tree, [k for k in ks if k >= primary])})
    return tuple(
        Layer(
            k,
            float(tree.excess[k - 2]) if k > 1 else np.inf,
            _stability(tree, k, weights, resampled),
            k == primary,
        )
        for k in ks
    )


def _between(tree: Tree, ks: list[int]) -> list[int]:
    """Fill leaps from one K to half as many again or more: the widest gap on the way."""
    found = []
    for low, high in pairwise(ks):
        if high > _LEAP * low and high - low > 1:
            drops = tree.excess[low - 1 : high - 2] - tree.excess[low : high - 1]
            found.append(low + 1 + int(drops.argmax()))
    return found


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
