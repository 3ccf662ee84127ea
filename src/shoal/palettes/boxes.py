"""Palettes by subdividing colour space: Wu's variance cuts, Heckbert's median cut, the octree."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shoal.palettes.spaces import Points, Weights

_DEPTH = 8  # levels of the octree: one a bit, as of 8-bit colours


class Cut(NamedTuple):
    """A cut of a box: the first `size` of its points along an axis go to one side."""

    priority: float
    axis: int
    size: int


NO_CUT = Cut(0.0, 0, 0)
Cutter = Callable[[Points, Weights], Cut]


def cut_boxes(points: Points, weights: Weights, k: int, cut: Cutter) -> Points:
    """Cut the box of the highest priority until there are k, and return their means.

    `cut`: Chooses the cut of a box by its points and weights; priority 0 for none.
    """
    boxes = [np.arange(len(points))]
    cuts = [cut(points, weights)]
    while len(boxes) < k:
        at = max(range(len(cuts)), key=lambda i: cuts[i].priority)
        if cuts[at].priority <= 0:
            break
        chosen = cuts[at]
        rows = boxes[at][np.argsort(points[boxes[at], chosen.axis], kind="stable")]
        boxes[at] = rows[: chosen.size]
        boxes.append(rows[chosen.size :])
        cuts.append(NO_CUT)
        for half in (at, -1):
            cuts[half] = cut(points[boxes[half]], weights[boxes[half]])
    means = [np.average(points[box], axis=0, weights=weights[box]) for box in boxes]
    return np.stack(means).astype(np.float32)


def variance_cut(points: Points, weights: Weights) -> Cut:
    """Cut where the sum of squared distances to the means decreases most (Wu 1991)."""
    best = NO_CUT
    for axis in np.flatnonzero(np.ptp(points, axis=0) > 0):
        order = np.argsort(points[:, axis], kind="stable")
        ordered, w = points[order].astype(np.float64), weights[order]
        sums, sizes = np.cumsum(ordered * w[:, None], axis=0), np.cumsum(w)
        left, right = sums[:-1], sums[-1] - sums[:-1]
        gains = (left**2).sum(1) / sizes[:-1] + (right**2).sum(1) / (sizes[-1] - sizes[:-1])
        gains[ordered[1:, axis] == ordered[:-1, axis]] = -np.inf  # equal ones stay together
        at = int(gains.argmax())
        gain = float(gains[at] - (sums[-1] ** 2).sum() / sizes[-1])
        if gain > best.priority:
            best = Cut(gain, int(axis), at + 1)
    return best


def median_cut(points: Points, weights: Weights) -> Cut:
    """Cut the longest side at the weighted median, boxes with most pixels first (Heckbert 1982)."""
    lengths = np.ptp(points, axis=0)
    axis = int(lengths.argmax())
    if lengths[axis] <= 0:
        return NO_CUT
    order = np.argsort(points[:, axis], kind="stable")
    values, sizes = points[order, axis], np.cumsum(weights[order])
    ends = np.flatnonzero(values[1:] > values[:-1])
    at = int(np.abs(sizes[ends] - sizes[-1] / 2).argmin())
    return Cut(float(sizes[-1]), axis, int(ends[at]) + 1)


def octree(points: Points, weights: Weights, k: int) -> Points:
    """Merge the leaves of an octree, deepest and smallest first, until k are left.

    Leaves that share a parent are merged together, so there may be fewer than k (Gervautz,
    Purgathofer 1988).
    """
    low, extent = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-9)
    grid = np.minimum((points - low) / extent * (1 << _DEPTH), (1 << _DEPTH) - 1).astype(np.int64)
    for level in range(_DEPTH):
        leaf = _paths(grid >> level)
        leaves, own = np.unique(leaf, return_inverse=True)
        above, parent = np.unique(_paths(grid >> (level + 1)), return_inverse=True)
        if len(leaves) <= k:
            return _means(points, weights, own)
        if len(above) > k:
            continue
        sizes = np.bincount(parent, weights)
        parent_of = np.zeros(len(leaves), np.int64)
        parent_of[own] = parent
        children = np.bincount(parent_of)
        order = np.argsort(sizes, kind="stable")
        fewer = np.cumsum(children[order] - 1)
        merged = np.zeros(len(above), bool)
        merged[order[: int(np.searchsorted(fewer, len(leaves) - k)) + 1]] = True
        final = np.where(merged[parent], len(leaves) + parent, own)
        return _means(points, weights, np.unique(final, return_inverse=True)[1])
    return _means(points, weights, np.zeros(len(points), np.int64))


def _paths(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number for each grid cell of (n, 4)."""
    return cells @ (1 << (_DEPTH * np.arange(4, dtype=np.int64)))


def _means(points: Points, weights: Weights, own: NDArray[np.int64]) -> Points:
    sums = np.stack([np.bincount(own, weights * points[:, j]) for j in range(4)], axis=1)
    return (sums / np.bincount(own, weights)[:, None]).astype(np.float32)
