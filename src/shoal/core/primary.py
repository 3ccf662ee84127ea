"""Which cut of the tree is shown first: clear splits, and clusters that would come out again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.core.null import finest_threshold
from shoal.core.stability import Resampled, pieces
from shoal.core.tree import Tree

_MOST = 600  # splits looked at: a person is not shown more clusters first
# How much the clusters' information counts beside the gap, and how steeply it falls with their
# stability: 2 to 6 and 2 to 4 do about as well on the chosen half of benchmarks.labelled.
_INFORMATION = 3.0
_STEEP = 3.0
_SATURATED = 4.0  # of an excess: from there on a split is as clear as can be


def primary_k(tree: Tree, weights: NDArray, resampled: Resampled | None) -> int:
    """Choose the number of clusters of the primary layer.

    A cut is good when the splits that it takes are much clearer than the next one (the gap), and
    when its clusters say much about the rows and come out again in trees of other rows (the
    reproducible information). The product of the first with the third power of the second is
    the largest at the cut that is chosen. Sizes of data or clusters do not enter.

    Parameters
    ----------
    tree : Tree
        Of data with structure (`has_structure`).
    weights : ndarray, shape (m,)
    resampled : Resampled or None
        Trees of random parts; without them every cluster counts as stable.
    """
    least = finest_threshold(tree.excess)
    count = min(int((tree.excess >= least).sum()), _MOST)
    if count == 0:
        return 1
    clear = np.tanh(np.append(tree.excess[:count].astype(np.float64), least) / _SATURATED)
    if count < len(tree.excess):
        clear[-1] = np.tanh(max(float(tree.excess[count]), least) / _SATURATED)
    gaps = np.maximum(clear[:-1] - clear[1:], 1e-9)
    information = reproducible_information(tree, weights, resampled, count)
    return 2 + int((gaps * information**_INFORMATION).argmax())


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
    each = -share * np.log(np.maximum(share, 1e-300)) * stable**_STEEP
    at = {int(runs[0, 0]): 0}  # where a cluster begins: its number among the pieces
    information, found = each[0], np.empty(count)
    for t in range(count):
        first, second = 1 + 2 * t, 2 + 2 * t
        start = int(runs[first, 0])
        information += each[first] + each[second] - each[at[start]]
        at[start], at[int(runs[second, 0])] = first, second
        found[t] = information
    return np.maximum(found, 0.0)
