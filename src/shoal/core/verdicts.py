"""Cluster numbers, confidence and outlier flags of rows at a cut.

These three are independent; every row has all of them.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.piles import rows_each
from shoal.core.tree import Tree

_NEAR = 5  # the distance to the fifth neighbour tells how densely a row lies
_FAR_MADS = 6.0
_FAR_LEAST = np.log(1.5)
_FAR_RADII = 3.0
_CLEAR = 0.25
_TINY = float(np.finfo(np.float32).tiny)


def numbered_by_size(
    labels: NDArray[np.int32], weights: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Renumber clusters from the largest to the smallest, ties in their order; return sizes, too.

    >>> labels, sizes = numbered_by_size(np.array([0, 1, 1, 2]), np.array([1, 1, 4, 2]))
    >>> labels.tolist(), sizes.tolist()
    ([2, 0, 0, 1], [5, 2, 1])
    """
    sizes = np.zeros(int(labels.max(initial=-1)) + 1, np.int64)
    np.add.at(sizes, labels, weights)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[labels], sizes[order]


def affinity_share(
    neighbours: NDArray[np.int32],
    affinities: NDArray[np.float32],
    labels: NDArray[np.int32],
    which: NDArray | None = None,
) -> NDArray[np.float32]:
    """Return the share of each representative's affinity within its cluster, 0..1, (n,).

    Representatives without links have 0, or 1 if there is only one cluster.

    Parameters
    ----------
    neighbours, affinities
        (n, k); −1 for no neighbour.
    labels
        (m,) cluster of every representative.
    which
        (n,) the representatives to return; by default all m.
    """
    own = labels if which is None else labels[which]
    counted = (neighbours >= 0) & (affinities > 0)
    same = labels[np.maximum(neighbours, 0)] == own[:, None]
    tied = np.where(counted, affinities, 0).astype(np.float64)
    total = tied.sum(axis=1)
    held = np.where(same, tied, 0).sum(axis=1)
    alone = total <= 0
    share = held / np.where(alone, 1, total)
    share[alone] = float(len(labels) > 0 and bool((labels == labels[0]).all()))
    return share.astype(np.float32)


def outvoted(
    tree: Tree, nearest: NDArray[np.int32], distances: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which rows follow their second nearest representative at every cut, (n,).

    A row goes down the tree with its three voters (`nearest`, (n, 3), by distance): if a split
    separates the nearest from the other two, it follows these if they outvote it. So it ends at one
    leaf, and clusters of finer cuts are nested in those of coarser ones. Votes are one over the
    squared distance, so a row on its representative is never outvoted.

    >>> three, at = np.arange(3, dtype=np.int32), np.array([[1, 1.1, 1.2]], np.float32)
    >>> tree = Tree(three, np.array([1, 2]), np.zeros(2, np.float32))  # 0 | 1, 2
    >>> outvoted(tree, three[None], at).tolist(), outvoted(tree, three[None, ::-1], at).tolist()
    ([True], [False])
    """
    square = distances.astype(np.float64) ** 2
    first, second, third = square.T
    second_wins: NDArray[np.bool_] = first * (second + third) > second * third
    doubtful = np.flatnonzero(second_wins)
    one, two, three = nearest[doubtful].T
    second_wins[doubtful] = tree.apart(two, three) > tree.apart(one, two)
    return second_wins


def row_confidence(
    shares: NDArray[np.float32],
    labels: NDArray[np.int32],
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    margin: NDArray[np.uint8],
) -> NDArray[np.float32]:
    """Return the confidence of rows from their two nearest representatives, (n,).

    It is the share (`shares`, `labels`: (m,)) of the first one; down to half of that if the two are
    in different clusters at nearly the same distance. NaN for rows without a representative.

    Parameters
    ----------
    first, second
        (n,) nearest two representatives of each row, the deciding one first, −1 for none.
    margin
        (n,) uint8: 255 · (1 − nearest distance / second distance).
    """
    confidence = shares[np.maximum(first, 0)]
    doubtful = np.flatnonzero((second >= 0) & (labels[first] != labels[np.maximum(second, 0)]))
    clear = np.minimum(margin[doubtful] / np.float32(255 * _CLEAR), 1)
    confidence[doubtful] *= (1 + clear) / 2
    confidence[first < 0] = np.nan
    return confidence


def far_representatives(
    neighbours: NDArray[np.int32],
    affinities: NDArray[np.float32],
    distances: NDArray[np.float32],
    weights: NDArray,
) -> NDArray[np.bool_]:
    """Return which representatives are outlying: without links, or in much sparser surroundings.

    Sparsity is the distance to the fifth neighbour, relative to that of the neighbours (after the
    local outlier factor, Breunig et al. 2000); outlying is 6 robust standard deviations above the
    median of the logarithm, and at least 1.5 times as sparse. The rows of a representative are its
    first neighbours: one of many copies is never outlying.
    """
    m, k = neighbours.shape
    if m < 3 or k == 0:
        return np.zeros(m, np.bool_)
    copies = rows_each(np.asarray(weights, np.float64)) - 1
    reach = distances[:, min(_NEAR, k) - 1].astype(np.float64)
    positive = reach[reach > 0]
    floor = 1e-3 * float(np.median(positive)) if len(positive) else 1.0
    log_reach = np.log(np.maximum(reach, floor))
    around = np.median(log_reach[np.maximum(neighbours, 0)], axis=1)
    thinness = log_reach - around
    middle = np.median(thinness)
    deviation = 1.4826 * np.median(np.abs(thinness - middle))
    own = distances[np.arange(m), np.clip(_NEAR - copies, 1, k).astype(np.int64) - 1]
    thinness = np.log(np.maximum(own, floor)) - around
    far = thinness > middle + max(_FAR_MADS * deviation, _FAR_LEAST)
    alone: NDArray[np.bool_] = affinities.sum(axis=1) <= 0
    return (far | alone) & (copies < _NEAR)


def row_limits(radius: NDArray[np.float32], neighbours: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the distance to each representative beyond which its rows are outliers, shape (m,).

    Three times its radius, or the median radius of its neighbours if that is larger.
    """
    if neighbours.shape[1] == 0:
        return np.float32(_FAR_RADII) * radius
    around = np.median(radius[np.maximum(neighbours, 0)], axis=1)
    return (_FAR_RADII * np.maximum(radius, around)).astype(np.float32)


def vote(
    labels: NDArray[np.int32],
    shares: NDArray[np.float32],
    distance: NDArray[np.float32],
    chosen: NDArray[np.int32] | None = None,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Let the nearest representatives vote, weighted by one over the squared distance.

    Parameters
    ----------
    labels, shares, distance
        (n, k) cluster, share (`affinity_share`) and distance of each row's voters, nearest first.
    chosen
        (n,) clusters that are already decided; −1 where the vote decides.

    Returns
    -------
    tuple
        The cluster with most votes, the nearest of equals, and as its confidence the part of the
        votes for it, each voter counted by its own share.
    """
    winner, sure = np.empty(len(labels), np.int32), np.empty(len(labels), np.float32)
    given = np.full(len(labels), -1, np.int32) if chosen is None else chosen
    _vote(labels, shares, distance, given, winner, sure)
    return winner, sure


@njit(cache=True, nogil=True)
def _vote(labels, shares, distance, given, winner, sure):  # type: ignore[no-untyped-def]
    voters = labels.shape[1]
    votes = np.empty(voters)
    for i in range(len(labels)):
        floor = max(distance[i, 0] * 1e-3, _TINY)
        for j in range(voters):
            votes[j] = (floor / max(np.float64(distance[i, j]), floor)) ** 2
        cluster, most = labels[i, 0], -1.0
        for j in range(voters):
            mine = 0.0
            for other in range(voters):
                if labels[i, other] == labels[i, j]:
                    mine += votes[other]
            if mine > most:
                cluster, most = labels[i, j], mine
        if given[i] >= 0:
            cluster = given[i]
        mine = 0.0
        for j in range(voters):
            if labels[i, j] == cluster:
                mine += votes[j] * shares[i, j]
        winner[i], sure[i] = cluster, mine / votes.sum()
