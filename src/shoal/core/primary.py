"""Which cut of the tree is shown first: clear splits, and clusters that would come out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.null import finest_threshold, has_structure
from shoal.core.stability import Resampled, pieces
from shoal.core.tree import Tree

_MOST = 600  # splits compared: a person is not shown more clusters first
# The exponents of the clusters' information in the score, and of their stability in the
# information: 2.5 to 6 and 2 to 4 do about as well on the chosen half of benchmarks.labelled. With
# 2, Fashion-MNIST is cut into two; with 3, a weak split of one of two moons is shown.
_INFORMATION_EXPONENT = 2.5
_STABILITY_EXPONENT = 3.0
_EXCESS_SCALE = 4.0  # from about this excess on, a split is as clear as can be


def cut_scores(tree: Tree, weights: NDArray, resampled: Resampled | None) -> NDArray[np.float64]:
    """Score the cuts into 2, 3, ... clusters, (cuts,), above 0; none without structure.

    A cut is good when its splits are much clearer than the next one (the gap), and when its
    clusters say much about the rows and are found again in trees of random subsets (the
    reproducible information). The score is gap × information^2.5. Sizes of data or clusters do not
    enter. Without trees of subsets every cluster counts as stable.
    """
    if not has_structure(tree.excess):
        return np.zeros(0)
    least = finest_threshold(tree.excess)
    count = min(int((tree.excess >= least).sum()), _MOST)
    following = float(tree.excess[count]) if count < len(tree.excess) else least
    clear = _clarity(np.append(tree.excess[:count].astype(np.float64), max(following, least)))
    gaps = np.maximum(clear[:-1] - clear[1:], 1e-9)
    return _score(gaps, reproducible_information(tree, weights, resampled, count))


def layer_score(tree: Tree, k: int, weights: NDArray, stability: float) -> float:
    """Score one cut like `cut_scores`, by the mean stability of its clusters; NaN counts as 1.

    For a finished fit, which stores no trees of subsets.
    """
    clear = _clarity(tree.excess[k - 2 : k].astype(np.float64))
    gap = float(clear[0] - clear[1]) if len(clear) == 2 else float(clear[0])
    share = np.bincount(tree.labels(k), weights) / weights.sum()
    share = share[share > 0]
    stable = stability if np.isfinite(stability) else 1.0
    entropy = float(-(share * np.log(share)).sum() * stable**_STABILITY_EXPONENT)
    return float(_score(max(gap, 0.0), entropy))


def _clarity(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.tanh(np.maximum(excess, 0) / _EXCESS_SCALE)


def _score(gap: Any, information: Any) -> Any:
    return gap * information**_INFORMATION_EXPONENT


def clearest_cut(scores: Sequence[NDArray[np.float64]]) -> tuple[int, int]:
    """Choose the K of the primary layer by several trees of the same rows, and a tree for it.

    The K has the highest mean score over the trees (one array of `cut_scores` each), so that no
    single tree's order of splits decides it; of the trees, the one that scores highest at that K is
    taken. Where most trees have no structure, K is 1.

    >>> clearest_cut([np.array([1.0, 2.0]), np.array([1.0, 3.0, 0.5]), np.array([4.0])])
    (2, 2)
    """
    structured = [len(one) > 0 for one in scores]
    if 2 * sum(structured) < len(scores):
        return 1, structured.index(False)
    padded = np.zeros((len(scores), max(map(len, scores))))
    for row, one in zip(padded, scores, strict=True):
        row[: len(one)] = one
    best = int(padded.mean(axis=0).argmax())
    return 2 + best, int(padded[:, best].argmax())


def reproducible_information(
    tree: Tree, weights: NDArray, resampled: Resampled | None, count: int
) -> NDArray[np.float64]:
    """Return the reproducible information of the cuts into 2 .. `count` + 1, in nats, (count,).

    The entropy of the cut, −Σ p ln p over its clusters, in which each counts with the third power
    of its stability.
    """
    runs = pieces(tree, count)
    total = np.concatenate([[0.0], np.cumsum(np.asarray(weights, np.float64)[tree.order])])
    share = (total[runs[:, 1]] - total[runs[:, 0]]) / total[-1]
    stable = np.ones(len(runs))
    if resampled is not None:
        stable = np.nan_to_num(resampled.stability(tree.order, runs), nan=0.0)
    each = -share * np.log(np.maximum(share, 1e-300)) * stable**_STABILITY_EXPONENT
    at = {int(runs[0, 0]): 0}  # where a cluster begins: its number among the pieces
    information, found = each[0], np.empty(count)
    for t in range(count):
        first, second = 1 + 2 * t, 2 + 2 * t
        start = int(runs[first, 0])
        information += each[first] + each[second] - each[at[start]]
        at[start], at[int(runs[second, 0])] = first, second
        found[t] = information
    return np.maximum(found, 0.0)
