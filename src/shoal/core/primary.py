"""Which cut of the tree is shown first: clear splits, and clusters that would come out again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoal.core.null import finest_threshold, has_structure
from shoal.core.stability import Resampled, pieces
from shoal.core.tree import Tree

_MOST = 600  # splits looked at: a person is not shown more clusters first
# How much the clusters' information counts beside the gap, and how steeply it falls with their
# stability: 2.5 to 6 and 2 to 4 do about as well on the chosen half of benchmarks.labelled. With 2,
# Fashion-MNIST is cut into two; with 3, a weak split of one of two moons is shown.
INFORMATION = 2.5
STEEP = 3.0
SATURATED = 4.0  # of an excess: from there on a split is as clear as can be


def cut_scores(tree: Tree, weights: NDArray, resampled: Resampled | None) -> NDArray[np.float64]:
    """Score the cuts into 2, 3, ... clusters; none where the tree has no structure.

    A cut is good when the splits that it takes are much clearer than the next one (the gap), and
    when its clusters say much about the rows and come out again in trees of other rows (the
    reproducible information). The score is gap × information^2.5. Sizes of data or
    clusters do not enter.

    Parameters
    ----------
    tree : Tree
    weights : ndarray, shape (m,)
    resampled : Resampled or None
        Trees of random parts; without them every cluster counts as stable.

    Returns
    -------
    ndarray, shape (cuts,), float64
        Above 0.
    """
    if not has_structure(tree.excess):
        return np.zeros(0)
    least = finest_threshold(tree.excess)
    count = min(int((tree.excess >= least).sum()), _MOST)
    clear = np.tanh(np.append(tree.excess[:count].astype(np.float64), least) / SATURATED)
    if count < len(tree.excess):
        clear[-1] = np.tanh(max(float(tree.excess[count]), least) / SATURATED)
    gaps = np.maximum(clear[:-1] - clear[1:], 1e-9)
    return gaps * reproducible_information(tree, weights, resampled, count) ** INFORMATION


def clearest_cut(scores: Sequence[NDArray[np.float64]]) -> tuple[int, int]:
    """Choose the K of the primary layer from several trees of the same rows, and a tree for it.

    The K has the highest mean score over the trees, so that no single tree's order of splits
    decides it; of the trees, the one that scores highest at that K is taken. Where most trees
    have no structure, K is 1.

    Parameters
    ----------
    scores : sequence of ndarray
        One array for each tree; see `cut_scores`.

    Returns
    -------
    (int, int)
        K, and the index of the tree.

    Examples
    --------
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
    """Return how much the clusters of the cuts into 2 .. `count` + 1 say that holds, in nats.

    The entropy of the cut, −Σ p ln p over its clusters, in which each counts with the third power
    of its stability.

    Returns
    -------
    ndarray, shape (count,), float64
    """
    runs = pieces(tree, count)
    total = np.concatenate([[0.0], np.cumsum(np.asarray(weights, np.float64)[tree.order])])
    share = (total[runs[:, 1]] - total[runs[:, 0]]) / total[-1]
    stable = np.ones(len(runs))
    if resampled is not None:
        stable = np.nan_to_num(resampled.stability(tree.order, runs), nan=0.0)
    each = -share * np.log(np.maximum(share, 1e-300)) * stable**STEEP
    at = {int(runs[0, 0]): 0}  # where a cluster begins: its number among the pieces
    information, found = each[0], np.empty(count)
    for t in range(count):
        first, second = 1 + 2 * t, 2 + 2 * t
        start = int(runs[first, 0])
        information += each[first] + each[second] - each[at[start]]
        at[start], at[int(runs[second, 0])] = first, second
        found[t] = information
    return np.maximum(found, 0.0)
