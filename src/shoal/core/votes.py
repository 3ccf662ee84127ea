"""The vote of the nearest representatives on the cluster of a new row."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_TINY = float(np.finfo(np.float32).tiny)


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
        (n, k) cluster, share (`held_share`) and distance of each row's voters, nearest first.
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
