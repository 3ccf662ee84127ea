"""Choose the colours of a palette."""

from __future__ import annotations

from functools import partial

import numpy as np

from shoal.palettes.boxes import cut_boxes, median_cut, octree, variance_cut
from shoal.palettes.histogram import CLEAR, Cells, Histogram, average_cells
from shoal.palettes.means import Means, kmeans_plus_plus, lloyd, nearest
from shoal.palettes.spaces import SPACES, Colours, Points, Space, Weights

METHODS = ("shoal", "kmeans", "median-cut", "octree")
MOST_COLOURS = 256  # of an indexed PNG or GIF
# Initialisations by k-means++ besides the one by cuts. On 8 photos at 25 colours the best of four
# was up to .06 dB above the cuts alone; from some tens of colours on, starts differ by less than
# that.
_DRAWN_STARTS, _MOST_DRAWN = 3, 64
_KMEANS_STARTS = 5
# Steps over all colours, after those over cells, end earlier: those left out were worth up to
# .04 dB on 8 photos, and take a third of the time.
_LAST_GAIN = 5e-4
# A difference in Oklab that is just noticeable (CSS Color 4, section on gamut mapping).
_NOTICEABLE = 0.02
# So few colours are all kept by `auto`: indexes of 4 bits hold them.
_FEW = 16


def choose_colours(
    histogram: Histogram, k: int | None, space: Space, method: str, seed: int = 0
) -> Colours:
    """Choose k colours for a histogram.

    `k`: None for the fewest that keep the error unnoticeable; see `_fewest_unnoticeable`.

    Returns
    -------
    (at most k, 4), each once. If the pixels have no more than k colours, exactly these.
    """
    colours = histogram.colours
    if len(colours) <= (_FEW if k is None else k):
        return colours
    if histogram.keys[0] == CLEAR and k != 1:  # no colour may be a mean of clear and faint pixels
        rest = Histogram(histogram.keys[1:], histogram.counts[1:], histogram.exact)
        others = choose_colours(rest, None if k is None else k - 1, space, method, seed)
        return np.concatenate([colours[:1], others[: MOST_COLOURS - 1]])
    points, weights = space.points(colours), histogram.counts.astype(np.float64)
    cells = average_cells(colours, points, weights)
    if k is None:
        k = _fewest_unnoticeable(histogram, method, seed)
        if len(colours) <= k:
            return colours
    if method == "shoal":
        start = _best_start(cells, k, seed)
        centres = lloyd(points, weights, start.centres, _LAST_GAIN).centres
    elif method == "kmeans":
        starts = [_drawn(points, weights, k, seed + at) for at in range(_KMEANS_STARTS)]
        centres = min(starts, key=lambda found: found.error).centres
    else:
        centres = _by_cuts(points, weights, k, method)
    palette = np.unique(space.colours(centres), axis=0)
    used = np.unique(nearest(points, space.points(palette)))
    return palette[used]


def _by_cuts(points: Points, weights: Weights, k: int, method: str) -> Points:
    if method == "octree":
        return octree(points, weights, k)
    return cut_boxes(points, weights, k, median_cut)


def _drawn(points: Points, weights: Weights, k: int, seed: int) -> Means:
    return lloyd(points, weights, kmeans_plus_plus(points, weights, k, seed))


def _best_start(cells: Cells, k: int, seed: int) -> Means:
    """Return the best of an initialisation by cuts and some by k-means++, each with Lloyd steps."""
    points, weights = cells.points, cells.weights
    found = [lloyd(points, weights, cut_boxes(points, weights, k, variance_cut))]
    if k <= _MOST_DRAWN:
        found += [_drawn(points, weights, k, seed + at) for at in range(_DRAWN_STARTS)]
    return min(found, key=lambda means: means.error)


def _fewest_unnoticeable(histogram: Histogram, method: str, seed: int) -> int:
    """Return the fewest colours with a just noticeable RMS error in Oklab.

    By cells of colours, to which the error within them is added; by bisection, as the error falls
    with more colours, apart from the luck of the initialisation.
    """
    points = SPACES["oklab"].points(histogram.colours)
    cells = average_cells(histogram.colours, points, histogram.counts.astype(np.float64))
    limit = _NOTICEABLE**2 * float(cells.weights.sum())
    error = partial(_error_of, cells, method, seed)
    low, high = 1, 2
    while high < MOST_COLOURS and error(high) > limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if error(middle) > limit else (low, middle)
    return high


def _error_of(cells: Cells, method: str, seed: int, k: int) -> float:
    points, weights = cells.points, cells.weights
    if len(points) <= k:
        return cells.spread
    if method == "shoal":
        return cells.spread + _best_start(cells, k, seed).error
    if method == "kmeans":
        return cells.spread + _drawn(points, weights, k, seed).error
    centres = _by_cuts(points, weights, k, method)
    apart = points - centres[nearest(points, centres)]
    return cells.spread + float(weights @ (apart.astype(np.float64) ** 2).sum(axis=1))
