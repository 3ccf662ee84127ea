"""What is shown in place of outliers or duplicates where no row of a set is one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.explore.atlas import Atlas
from shoal.explore.cuts import Cut
from shoal.explore.orders import Listed
from shoal.explore.positions import Positions

CLOSEST = 60
"""Rows that are shown: a few screens, as none of them is what was asked for."""


def passing(positions: Positions, atlas: Atlas, order: str) -> Positions:
    """Return the rows of a set that are outliers, or have an equal; all of them in other orders."""
    found = {"outliers": atlas.outliers, "duplicates": atlas.twins}.get(order)
    return positions if found is None else positions & found


def closest(positions: Positions, cut: Cut, order: str) -> Listed:
    """Return up to `CLOSEST` rows of a set that come nearest to being outliers or duplicates.

    Parameters
    ----------
    positions : Positions
        A set without any.
    cut : Cut
        Rows far from the middle of their cluster of it, for its usual distance, come first.
    order : str
        ``"outliers"`` or ``"duplicates"``: of the latter pairs, the most alike first, which are
        known where every row is a representative.
    """
    return Listed(
        _farthest(positions, cut) if order == "outliers" else _most_alike(positions, cut.atlas)
    )


def _farthest(positions: Positions, cut: Cut) -> NDArray[np.int64]:
    """Return the last rows of the typical order: those of the leaves farthest out."""
    far = Positions.of(np.empty(0, np.int64))
    away = cut.away / cut.usual_away[cut.of_leaf]
    start, taken = cut.atlas.start, 0
    for leaf in np.argsort(-away, kind="stable").tolist():
        mine = positions & Positions.ranges(start[leaf : leaf + 1], start[leaf + 1 : leaf + 2])
        far, taken = far | mine, taken + len(mine)
        if taken >= CLOSEST:
            break
    found = far.all()
    leaves = cut.atlas.leaves_at(found)
    inner = (found - start[leaves]) / np.maximum(cut.atlas.counts[leaves], 1)
    return found[np.lexsort((-inner, -away[leaves]))][:CLOSEST]


def _most_alike(positions: Positions, atlas: Atlas) -> NDArray[np.int64]:
    """Return the rows of the shortest ties between two rows of a set, pair after pair."""
    if not atlas.result.every_row:
        return np.empty(0, np.int64)
    neighbours, _, distances = atlas.neighbours
    one = np.repeat(np.arange(len(neighbours)), neighbours.shape[1])
    other, apart = neighbours.ravel().astype(np.int64), distances.ravel()
    ends = [atlas.start[atlas.leaf_of[row]] for row in (one, np.maximum(other, 0))]
    inside = (other >= 0) & positions.holds(ends[0]) & positions.holds(ends[1])
    shortest = np.flatnonzero(inside)
    shortest = shortest[np.argsort(apart[shortest], kind="stable")][: 4 * CLOSEST]
    pairs = np.stack([end[shortest] for end in ends], axis=1).ravel()
    _, first = np.unique(pairs, return_index=True)
    return pairs[np.sort(first)][:CLOSEST]
