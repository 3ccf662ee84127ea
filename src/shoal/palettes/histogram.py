"""Distinct colours and their pixel counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.palettes.spaces import Colours, Points, Weights

OPAQUE = 255
CLEAR = 0  # the key of all clear pixels, and so the first of those there are
# More distinct colours than this (48 MB) are counted by 7 bits a channel: the palette of so many
# moves by less than half a level, and pixels are still placed by their own colours.
_MOST = 1 << 22
# Cells have 5 bits a channel, as Wu's (1991), or as many more as it takes to get so many: a photo
# of few colours lost .3 dB with 160 of them. Opacity has 2 bits.
_CELL_BITS, _ENOUGH_CELLS, _OPACITY_BITS = (5, 6, 7), 4096, 2


def packed(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return RGBA bytes (..., 4) as one number each, opacity highest."""
    whole = np.ascontiguousarray(pixels).view("<u4")[..., 0]
    return whole.astype(np.uint32, copy=False)


def unpacked(keys: NDArray[np.uint32]) -> Colours:
    return keys.astype("<u4").view(np.uint8).reshape(-1, 4)


@dataclass(frozen=True)
class Histogram:
    """Distinct colours."""

    keys: NDArray[np.uint32]  # (n,) Colours as `packed` writes them, ascending
    counts: NDArray[np.int64]  # (n,) Pixels of each
    exact: bool = True  # False where there were so many colours that they were rounded

    @property
    def colours(self) -> Colours:
        return unpacked(self.keys)

    def __add__(self, other: Histogram) -> Histogram:
        keys = np.concatenate([self.keys, other.keys])
        counts = np.concatenate([self.counts, other.counts])
        exact = self.exact and other.exact
        if not exact or len(keys) > _MOST:
            keys, exact = _rounded(keys), False
        order = np.argsort(keys, kind="stable")
        keys, first = _firsts(keys[order])
        return Histogram(keys, np.add.reduceat(counts[order], first), exact)


def count_colours(pixels: NDArray[np.uint8]) -> Histogram:
    keys = np.sort(packed(pixels).ravel())
    total = len(keys)
    keys, first = _firsts(keys)
    return Histogram(keys, np.diff(first, append=total).astype(np.int64))


def total(parts: Iterable[Histogram]) -> Histogram:
    found = Histogram(np.zeros(0, np.uint32), np.zeros(0, np.int64))
    for part in parts:
        found = found + part if len(found.keys) else part
    return found


def _firsts(keys: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], first


def _rounded(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Drop the last bit of each channel, except for fully transparent and opaque pixels."""
    colours = unpacked(keys).copy()
    colours[:, :3] &= 0xFE
    colours[(colours[:, 3] > 0) & (colours[:, 3] < OPAQUE), 3] &= 0xFE
    return packed(colours)


@dataclass(frozen=True)
class Cells:
    """Means of the colours in each cell of a grid, whose palette is nearly that of all colours."""

    points: Points
    weights: Weights
    spread: float  # Weighted sum of squared distances of the colours from their means


def average_cells(colours: Colours, points: Points, weights: Weights) -> Cells:
    """Average the points of colours in the same cell; few colours get cells of their own."""
    for bits in _CELL_BITS:
        key = _cell_keys(colours, bits)
        sizes = np.bincount(key, weights)
        there = np.flatnonzero(sizes)
        if len(there) >= _ENOUGH_CELLS:
            break
    else:
        return Cells(points, weights, 0.0)
    number = np.zeros(len(sizes), np.int64)
    number[there] = np.arange(len(there))
    own, sizes = number[key], sizes[there]
    sums = np.stack([np.bincount(own, weights * column) for column in points.T], axis=1)
    spread = float(weights @ (points.astype(np.float64) ** 2).sum(axis=1))
    spread -= float(((sums**2).sum(axis=1) / sizes).sum())
    means = (sums / sizes[:, None]).astype(np.float32)
    return Cells(means, sizes.astype(np.float64), max(spread, 0.0))


def _cell_keys(colours: Colours, bits: int) -> NDArray[np.int64]:
    shifts = np.array([8 - bits] * 3 + [8 - _OPACITY_BITS], np.uint8)
    powers = 1 << np.array([_OPACITY_BITS + 2 * bits, _OPACITY_BITS + bits, _OPACITY_BITS, 0])
    return (colours >> shifts).astype(np.int64) @ powers
