"""scikit-learn's handwritten digits, at their original size and enlarged."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

SCALE = 4
"""Pixels of an enlarged digit per pixel of the original."""

SIDE = 48
"""Side of an enlarged digit: the 8 original pixels plus a margin of 2 on each side, scaled."""

_MARGIN = 2
_REACH = 3  # original pixels beyond the digit that the curve reaches for, all of them empty


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the 1,797 images, (n, 8, 8) from 0 to 255, and the digit that each shows."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return np.rint(bunch.images * (255 / 16)).astype(np.uint8), bunch.target


@cache
def large_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the digits drawn smoothly four times as large, (n, 48, 48), and what each shows.

    By Catmull and Rom's curve along both sides, in whole numbers: the same on every machine.
    """
    images, shown = digits()
    width = _REACH * 2 + 8
    padded = np.zeros((len(images), width, width), np.int64)
    padded[:, _REACH:-_REACH, _REACH:-_REACH] = images
    weights = _weights(width)
    large = weights @ padded @ weights.T
    whole = (large + (1 << 19)) >> 20  # the weights are in 1/1024, on either side
    return np.clip(whole, 0, 255).astype(np.uint8), shown.astype(np.uint8)


def _weights(width: int) -> NDArray[np.int64]:
    """Return what each original pixel counts in each large one, in 1/1024: (48, width)."""
    weights = np.zeros((SIDE, width), np.int64)
    for place in range(SIDE):
        # The centre of an enlarged pixel is a whole number of eighths from an original one's.
        eighths = 2 * place + 1 - SCALE + 2 * SCALE * (_REACH - _MARGIN)
        first, t = divmod(eighths, 2 * SCALE)
        curve = (
            -64 * t + 16 * t**2 - t**3,
            1024 - 40 * t**2 + 3 * t**3,
            64 * t + 32 * t**2 - 3 * t**3,
            t**3 - 8 * t**2,
        )
        for at, weight in enumerate(curve, first - 1):
            if 0 <= at < width:
                weights[place, at] = weight
    return weights
