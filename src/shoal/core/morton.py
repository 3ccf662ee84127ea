"""Morton codes of points in a square: cells of every size are ranges of the sorted codes.

A code interleaves the bits of two coordinates of 16 bits, those of y above those of x. So all
codes in a cell of level l (the square cut into 2^l by 2^l) share their first 2 l bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

BITS = 16
"""Bits of each coordinate."""

SIDE = 1 << BITS
"""Places along a side of the square."""


@njit(cache=True, nogil=True)
def _spread(v):  # type: ignore[no-untyped-def]
    """Put a zero before each of 16 bits."""
    v = (v | (v << 8)) & 0x00FF00FF
    v = (v | (v << 4)) & 0x0F0F0F0F
    v = (v | (v << 2)) & 0x33333333
    return (v | (v << 1)) & 0x55555555


@njit(cache=True, nogil=True)
def _gathered(v):  # type: ignore[no-untyped-def]
    """Take every second bit of 32."""
    v = v & 0x55555555
    v = (v | (v >> 1)) & 0x33333333
    v = (v | (v >> 2)) & 0x0F0F0F0F
    v = (v | (v >> 4)) & 0x00FF00FF
    return (v | (v >> 8)) & 0x0000FFFF


@njit(cache=True, nogil=True)
def code_of(x, y):  # type: ignore[no-untyped-def]
    """Return the code of one place, whole numbers of 16 bits."""
    return np.uint32(_spread(np.int64(x)) | (_spread(np.int64(y)) << 1))


@njit(cache=True, nogil=True)
def _codes(x, y):  # type: ignore[no-untyped-def]
    out = np.empty(len(x), np.uint32)
    for i in range(len(x)):
        out[i] = code_of(x[i], y[i])
    return out


@njit(cache=True, nogil=True)
def _places(codes):  # type: ignore[no-untyped-def]
    x, y = np.empty(len(codes), np.uint16), np.empty(len(codes), np.uint16)
    for i in range(len(codes)):
        x[i], y[i] = _gathered(np.int64(codes[i])), _gathered(np.int64(codes[i]) >> 1)
    return x, y


def to_codes(x: NDArray, y: NDArray) -> NDArray[np.uint32]:
    """Return the codes of places, whole numbers 0 .. `SIDE` − 1 across and down.

    >>> to_codes(np.array([0, 1, 0, 65535]), np.array([0, 0, 1, 65535])).tolist()
    [0, 1, 2, 4294967295]
    """
    codes: NDArray[np.uint32] = _codes(np.asarray(x), np.asarray(y))
    return codes


def to_places(codes: NDArray[np.uint32]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Return x and y of codes."""
    return _places(np.asarray(codes, np.uint32))


def cell_bounds(x: int, y: int, level: int) -> tuple[int, int]:
    """Return the first code of a cell, and the code after its last.

    >>> cell_bounds(0, 0, 0), cell_bounds(1, 0, 1)
    ((0, 4294967296), (1073741824, 2147483648))
    """
    shift = 2 * (BITS - level)
    first = int(code_of(x, y)) << shift
    return first, first + (1 << shift)


def raster(bits: int) -> NDArray[np.intp]:
    """Return for each cell of a square of 2^bits by 2^bits, row by row, its place in code order."""
    side = np.arange(1 << bits)
    return _codes(
        *np.broadcast_arrays(np.tile(side, 1 << bits), np.repeat(side, 1 << bits))
    ).astype(np.intp)
