"""Constraints from edits, applied to a tree: groups that stay together or are separated.

Constrained representatives are in *groups*. A group becomes one branch of the tree, because its
communities are joined before anything else. Splits inside a group that stays together do not count;
the split above two groups to separate always does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shoal.core.dendrogram import Dendrogram
from shoal.core.null import REAL, SURE


@dataclass(frozen=True)
class Constraints:
    """Groups of representatives and the constraints on them.

    Attributes
    ----------
    group
        (m,) the group of each representative, 0 .. g − 1; −1 for none.
    together
        (g,) True if all of a group is one cluster.
    apart
        (p, 2) pairs of groups that must not share a cluster.
    """

    group: NDArray[np.int32]
    together: NDArray[np.bool_]
    apart: NDArray[np.int32]


def all_apart(groups: NDArray[np.int32]) -> Constraints:
    """Keep groups of all representatives, 0 .. g − 1, in different clusters."""
    count = int(groups.max()) + 1
    apart = np.asarray(list(combinations(range(count), 2)), np.int32)
    return Constraints(groups, np.zeros(count, np.bool_), apart)


def split_by_group(communities: NDArray[np.int32], constraints: Constraints) -> NDArray[np.int32]:
    """Divide communities so that each is in one group, or in none.

    >>> one = Constraints(np.array([0, 0, -1]), np.array([True]), np.empty((0, 2), int))
    >>> split_by_group(np.array([0, 0, 0], np.int32), one).tolist()
    [1, 1, 0]
    """
    groups = len(constraints.together) + 1
    keys = communities.astype(np.int64) * groups + constraints.group + 1
    return np.unique(keys, return_inverse=True)[1].astype(np.int32)


def groups_of(communities: NDArray[np.int32], constraints: Constraints) -> NDArray[np.int32]:
    """Return the group of each community from `split_by_group`, −1 for none."""
    groups = np.full(int(communities.max()) + 1, -1, np.int32)
    groups[communities] = constraints.group
    return groups


def constrain(
    plan: Dendrogram,
    groups: NDArray[np.int32],
    constraints: Constraints,
    real: NDArray[np.float64],
    follow: NDArray[np.int64],
    least: float = SURE,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Apply the constraints to the splits.

    If a split must count, so do those above it that are more than noise; those that are noise, or
    too small, keep their other side.

    Parameters
    ----------
    plan, groups
        Dendrogram made with these groups of its communities, (c,).
    real, follow
        (nodes,) as in `condense`.
    least
        Minimum excess of a split that must count.
    """
    real, follow = real.copy(), follow.copy()
    owner = _owners(plan, groups)
    forced = np.zeros(plan.root + 1, np.bool_)
    forced[_meetings(plan, owner, constraints.apart)] = True
    below = np.zeros(plan.root + 1, np.bool_)
    for v in range(plan.n_leaves, plan.root + 1):
        first, second = plan.children[v].tolist()
        below[v] = forced[v] or below[first] or below[second]
        if owner[v] >= 0 and constraints.together[owner[v]]:
            real[v], follow[v] = np.nan, first
        elif forced[v] or (below[first] and below[second]):
            real[v] = least if np.isnan(real[v]) else max(real[v], least)
        elif below[v]:
            if real[v] >= REAL:
                real[v] = max(real[v], least)
            else:
                real[v], follow[v] = np.nan, first if below[first] else second
    return real, follow


def _owners(plan: Dendrogram, groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the group that contains all of each node, −1 for none."""
    owner = np.full(plan.root + 1, -1, np.int64)
    owner[: plan.n_leaves] = groups
    for v in range(plan.n_leaves, plan.root + 1):
        first, second = plan.children[v]
        if owner[first] == owner[second]:
            owner[v] = owner[first]
    return owner


def _meetings(
    plan: Dendrogram, owner: NDArray[np.int64], apart: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the lowest node above both groups of each pair, except for groups without rows."""
    top = {int(owner[v]): v for v in range(plan.root + 1)}  # the last is the highest
    found = []
    for one, other in apart.tolist():
        if one in top and other in top:
            low = min(plan.low[top[one]], plan.low[top[other]])
            high = max(plan.high[top[one]], plan.high[top[other]])
            above = (plan.low <= low) & (plan.high >= high)
            found.append(int(np.flatnonzero(above)[0]))
    return np.asarray(found, np.int64)
