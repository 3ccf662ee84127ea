"""Colours that stay tellable for hundreds of clusters, on dark and on light paper."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from shoal.core.tree import Tree
from shoal.palettes.spaces import linear_to_oklab, to_linear

COUNT = 512
_STEPS = 24
_LIGHTNESS = (0.56, 0.80)
_CHROMA = (0.05, 0.175)
_FIRST = (0.66, -0.03, -0.13)  # a blue, as L, a, b


@cache
def palette() -> NDArray[np.uint8]:
    """Return `COUNT` colours, each as unlike those before it as can be, (512, 3) uint8.

    They are the farthest of all sRGB colours of middle lightness and some chroma, taken one
    after the other, by distance in OKLab (Ottosson, "A perceptual color space", 2020).
    """
    side = np.linspace(0, 1, _STEPS)
    rgb = np.stack(np.meshgrid(side, side, side, indexing="ij"), -1).reshape(-1, 3)
    lab = linear_to_oklab(to_linear(rgb))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    fit = (_LIGHTNESS[0] < lab[:, 0]) & (lab[:, 0] < _LIGHTNESS[1])
    fit &= (_CHROMA[0] < chroma) & (chroma < _CHROMA[1])
    rgb, lab = rgb[fit], lab[fit] * [0.8, 1, 1]
    chosen = [int(((lab - np.array(_FIRST) * [0.8, 1, 1]) ** 2).sum(1).argmin())]
    away = np.full(len(lab), np.inf)
    while len(chosen) < COUNT:
        away = np.minimum(away, ((lab - lab[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(away.argmax()))
    return np.rint(255 * rgb[chosen]).astype(np.uint8)


def piece_colours(tree: Tree, weights: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the number of the colour that each split makes, and where it goes, (most - 1,).

    When a piece is split, its heavier side keeps its colour, and the other one gets a new one:
    so colours stay while a person moves from cut to cut. Split t makes colour t + 1; the answer
    tells the side that gets it: 0 the left one, 1 the right one. `weights` are the rows of each
    leaf, in leaf order, (m,); `most` is the largest K that may be shown.
    """
    ends = np.concatenate([[0], np.cumsum(weights)])
    bounds = [0, tree.n_leaves]
    sides = np.zeros(max(most - 1, 0), np.int64)
    for t, cut in enumerate(tree.splits[: len(sides)].tolist()):
        at = int(np.searchsorted(bounds, cut))
        left, right = ends[cut] - ends[bounds[at - 1]], ends[bounds[at]] - ends[cut]
        sides[t] = int(left >= right)
        bounds.insert(at, cut)
    return sides


def cut_colours(tree: Tree, sides: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the number of the colour of each piece of the cut into k, in leaf order, (k,).

    >>> tree = Tree(np.arange(4), np.array([3, 1, 2]), np.zeros(3))
    >>> sides = piece_colours(tree, np.ones(4, int), 4)
    >>> [cut_colours(tree, sides, k).tolist() for k in (1, 2, 3)]
    [[0], [0, 1], [2, 0, 1]]
    """
    bounds, colours = [0, tree.n_leaves], [0]
    for t, cut in enumerate(tree.splits[: k - 1].tolist()):
        at = int(np.searchsorted(bounds, cut))
        bounds.insert(at, cut)
        new = t + 1
        old = colours[at - 1]
        pair = (old, new) if t < len(sides) and sides[t] else (new, old)
        colours[at - 1 : at] = pair
    return np.asarray(colours, np.int64)
