"""Vectors with one byte per number: each row has its own scale, so that none is clipped."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_STEPS = np.float32(127)


@njit(cache=True, nogil=True)
def _pack(rows, packed, scales):  # type: ignore[no-untyped-def]
    """Round to the nearest of 255 steps between minus and plus the largest number of a row."""
    for i in range(len(rows)):
        widest = np.float32(0)
        for j in range(rows.shape[1]):
            widest = max(widest, abs(rows[i, j]))
        scales[i] = widest / _STEPS
        if scales[i] > 0:
            for j in range(rows.shape[1]):
                packed[i, j] = np.int8(np.rint(rows[i, j] / widest * _STEPS))


def pack(rows: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round each number to one of 255 steps of its row; return the rows, int8, and their scales.

    The error is at most half a step: a 254th of the largest number of the row.

    >>> packed, scales = pack(np.array([[2.54, -1.27]], np.float32))
    >>> packed.tolist(), float(unpack(packed, scales)[0, 1])
    ([[127, -64]], -1.2799999713897705)
    """
    packed, scales = np.zeros(rows.shape, np.int8), np.empty(len(rows), np.float32)
    _pack(np.ascontiguousarray(rows, np.float32), packed, scales)
    return packed, scales


def unpack(packed: NDArray[np.int8], scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows that `pack` stored, up to its rounding, (n, d) float32."""
    rows = packed.astype(np.float32)
    rows *= scales[:, None]
    return rows


def rounded(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round contiguous rows in place to what is left of them when they are packed."""
    _round(rows)
    return rows


@njit(cache=True, nogil=True)
def _round(rows):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        widest = np.float32(0)
        for j in range(rows.shape[1]):
            widest = max(widest, abs(rows[i, j]))
        scale = widest / _STEPS
        for j in range(rows.shape[1]):
            step = rows[i, j] / widest * _STEPS if scale > 0 else np.float32(0)
            rows[i, j] = np.rint(step) * scale
