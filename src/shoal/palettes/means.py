"""Weighted k-means of colours, on distinct colours weighted by their pixels.

As Celebi 2011, *Improving the performance of k-means for color quantization*, but with all
distances by matrix products, which take less time than compiling or loading anything cleverer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.palettes.spaces import Points, Weights

_BLOCK = 4096  # points whose distances to all centres are in memory at a time: they fit the cache
_MOST_STEPS = 60
# Lloyd's steps end when one reduces the error by less than this share: 60 such steps move the
# PSNR by less than 0.03 dB.
_LEAST_GAIN = 1e-4
# k-means++ compares 2 + ln K candidates for each centre (Arthur, Vassilvitskii 2007, section 5).
_CANDIDATES = 2


@dataclass(frozen=True)
class Means:
    """Centres, and the weighted sum of squared distances to them."""

    centres: Points
    error: float


def nearest(points: Points, centres: Points) -> NDArray[np.int64]:
    """Return the nearest centre of each point, the first one on ties."""
    # In float64: in float32 the products lose what tells two light colours apart.
    middles = centres.astype(np.float64)
    halves = (middles**2).sum(axis=1) / 2
    own = np.empty(len(points), np.int64)
    for start in range(0, len(points), _BLOCK):
        products = points[start : start + _BLOCK].astype(np.float64) @ middles.T
        own[start : start + _BLOCK] = np.subtract(halves, products, out=products).argmin(axis=1)
    return own


def lloyd(
    points: Points,
    weights: Weights,
    centres: Points,
    least_gain: float = _LEAST_GAIN,
) -> Means:
    """Run Lloyd's iterations until the error decreases by less than a share of it.

    A centre without points moves to the point with the largest error.
    """
    squares = float(weights @ (points.astype(np.float64) ** 2).sum(axis=1))
    before, columns = np.inf, [weights * column for column in points.T]
    for _ in range(_MOST_STEPS):
        own = nearest(points, centres)
        sizes = np.bincount(own, weights, len(centres))
        sums = np.stack([np.bincount(own, column, len(centres)) for column in columns], axis=1)
        empty = np.flatnonzero(sizes == 0)
        sizes[empty] = 1
        error = max(0.0, squares - float(((sums**2).sum(axis=1) / sizes).sum()))
        if len(empty):
            apart = ((points - centres[own]).astype(np.float64) ** 2).sum(axis=1)
            sums[empty[0]] = points[(weights * apart).argmax()]
        centres = (sums / sizes[:, None]).astype(np.float32)
        if before - error <= least_gain * error:
            break
        before = error
    return Means(centres, error)


def kmeans_plus_plus(points: Points, weights: Weights, k: int, seed: int) -> Points:
    """Draw centres by k-means++ (Arthur, Vassilvitskii 2007)."""
    generator = np.random.default_rng(seed)
    chosen = [int(np.searchsorted(np.cumsum(weights), generator.random() * weights.sum()))]
    distance = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(k - 1):
        odds = np.cumsum(weights * distance)
        if odds[-1] <= 0:
            break
        draws = generator.random(_CANDIDATES + int(np.log(k))) * odds[-1]
        candidates = np.minimum(np.searchsorted(odds, draws), len(points) - 1)
        apart = ((points[candidates, None] - points[None]) ** 2).sum(axis=2)
        closer = np.minimum(apart, distance)
        at = int((closer @ weights).argmin())
        distance = closer[at]
        chosen.append(int(candidates[at]))
    return points[chosen]
