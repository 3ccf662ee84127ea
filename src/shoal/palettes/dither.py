"""Dithering: patterns of palette colours whose mean is the colour of the image."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.palettes.indexed import bands
from shoal.palettes.spaces import Colours, Points, Space

# Bayer's matrix of 8×8 (1973): each quarter as the whole, a quarter of a step apart.
_BAYER = np.zeros((1, 1))
for _ in range(3):
    _BAYER = np.block([[4 * _BAYER, 4 * _BAYER + 2], [4 * _BAYER + 3, 4 * _BAYER + 1]])
_BAYER = (_BAYER + 0.5) / 64 - 0.5


@njit(cache=True, nogil=True)
def _closest(a, b, c, d, centres, order, bounds, first):  # type: ignore[no-untyped-def]
    """Return the centre nearest to a point, starting from a guess; see `_neighbours`."""
    best = first
    mine = (
        (a - centres[first, 0]) ** 2
        + (b - centres[first, 1]) ** 2
        + (c - centres[first, 2]) ** 2
        + (d - centres[first, 3]) ** 2
    )
    least = mine
    for j in range(order.shape[1]):
        if bounds[first, j] >= mine:
            break
        k = order[first, j]
        other = (
            (a - centres[k, 0]) ** 2
            + (b - centres[k, 1]) ** 2
            + (c - centres[k, 2]) ** 2
            + (d - centres[k, 3]) ** 2
        )
        if other < least:
            least, best = other, k
    return best


@njit(cache=True, nogil=True)
def _diffuse(points, top, centres, order, bounds, low, high, carried, out):  # type: ignore[no-untyped-def]
    """Diffuse errors as Floyd–Steinberg, every other row backwards; `carried`: the row's error."""
    height, width = out.shape
    last = 0
    want = np.zeros(4, np.float32)
    for y in range(height):
        step = 1 if (top + y) % 2 == 0 else -1
        x = 0 if step == 1 else width - 1
        following = np.zeros((width + 2, 4), np.float32)
        ahead = np.zeros(4, np.float32)
        for _ in range(width):
            clear = points[y, x, 3] == 0
            for j in range(4):
                value = points[y, x, j]
                if not clear:
                    value = min(max(value + carried[x + 1, j] + ahead[j], low[j]), high[j])
                want[j] = value
            last = _closest(want[0], want[1], want[2], want[3], centres, order, bounds, last)
            out[y, x] = last
            for j in range(4):
                error = np.float32(0) if clear else want[j] - centres[last, j]
                ahead[j] = error * np.float32(7 / 16)
                following[x + 1 - step, j] += error * np.float32(3 / 16)
                following[x + 1, j] += error * np.float32(5 / 16)
                following[x + 1 + step, j] += error * np.float32(1 / 16)
            x += step
        carried[:] = following


@njit(cache=True, nogil=True)
def _ordered(points, top, centres, order, bounds, pattern, out):  # type: ignore[no-untyped-def]
    """Find the nearest colour of each pixel after adding the pattern (8, 8, 4)."""
    last = 0
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            p, t = points[y, x], pattern[(top + y) % 8, x % 8]
            if p[3] == 0:
                last = _closest(p[0], p[1], p[2], p[3], centres, order, bounds, last)
            else:
                a, b, c = p[0] + t[0], p[1] + t[1], p[2] + t[2]
                last = _closest(a, b, c, p[3], centres, order, bounds, last)
            out[y, x] = last


def _neighbours(centres: Points) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return all centres by distance from each, and a quarter of their squared distances.

    A point nearer to its centre than half the distance to another is not nearer to that one.
    """
    apart = ((centres[:, None] - centres[None]) ** 2).sum(axis=2) / 4
    order = np.argsort(apart, axis=1, kind="stable")
    return order, np.take_along_axis(apart, order, axis=1).astype(np.float32)


def dithered(
    pixels: NDArray[np.uint8], palette: Colours, space: Space, dither: str
) -> NDArray[np.uint8]:
    """Return the palette index of each pixel, (H, W), with dithering.

    Errors spread in the coordinates of the space, and colours are limited to the range of the
    palette in each, or errors would accumulate beyond it. Clear pixels neither receive nor pass on
    errors.

    `pixels`: (H, W, 4).
    """
    centres = space.points(palette)
    order, bounds = _neighbours(centres)
    out = np.zeros(pixels.shape[:2], np.uint8)
    carried = np.zeros((pixels.shape[1] + 2, 4), np.float32)
    low, high = centres.min(axis=0), centres.max(axis=0)
    pattern = _pattern(bounds, space)
    for band in bands(pixels):
        part = pixels[band]
        points = space.points(part.reshape(-1, 4)).reshape(*part.shape[:2], 4)
        if dither == "ordered":
            _ordered(points, band.start, centres, order, bounds, pattern, out[band])
        else:
            _diffuse(points, band.start, centres, order, bounds, low, high, carried, out[band])
    return out


def _pattern(bounds: NDArray[np.float32], space: Space) -> NDArray[np.float32]:
    """Return Bayer thresholds along the grey axis, scaled by the spacing of palette colours."""
    if bounds.shape[1] < 2:
        return np.zeros((8, 8, 4), np.float32)
    apart = 2 * float(np.sqrt(bounds[:, 1]).mean())
    grey = np.array([*space.white, 0]) / np.linalg.norm(space.white)
    return (_BAYER[..., None] * apart * grey).astype(np.float32)
