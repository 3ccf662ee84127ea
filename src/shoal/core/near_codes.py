"""Compact storage of the three codes nearest to a row, and their distances, in ten bytes.

The representatives of a row are those at its codes.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.tree import Tree

NEAR = 3
"""Codes of a row: as many representatives vote on its place."""

_LEAST_RATIO = np.float32(1e-3)  # of two distances, less than half a step: none is divided by 0
_STEPS = np.float32(255)
_TINY = np.finfo(np.float32).tiny

Places = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8], NDArray[np.float32]]


def near_type(none: int) -> np.dtype:
    """Return the type of what is stored of a row: codes, distance to the first, ratios to others.

    `none` stands for no code, of a row that is far from all or cannot be used.
    """
    codes = np.min_scalar_type(none)
    return np.dtype([("codes", codes, NEAR), ("distance", np.uint16), ("ratios", np.uint8, 2)])


def shortened(distance: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Keep the upper half of the bits of floats, rounded: they are right to 0.4%."""
    bits = np.ascontiguousarray(distance, np.float32).view(np.uint32)
    return ((bits + 0x8000) >> 16).astype(np.uint16)


def lengthened(distance: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return the floats that `shortened` kept."""
    return (distance.astype(np.uint32) << 16).view(np.float32)


def distances_of(near: NDArray) -> NDArray[np.float32]:
    """Return the distances of rows to their three codes, (n, 3), from what is stored of them."""
    ratios = np.maximum(near["ratios"] / _STEPS, _LEAST_RATIO)
    first = lengthened(near["distance"])[:, None]
    return np.concatenate([first, first / ratios], axis=1)


def places_of(near: NDArray, of_code: NDArray[np.int32], tree: Tree) -> Places:
    """Return first and second representative of rows, margin, and distance to the first.

    As `outvoted` and the stage assign define them; rows without codes have none, at a distance of
    NaN. `near`, (n,), is of `near_type`, and `of_code`, (c,), the representative of each code.
    """
    n = len(near)
    first, second = np.empty(n, np.int32), np.empty(n, np.int32)
    margin, distance = np.empty(n, np.uint8), lengthened(near["distance"])
    _place(
        *(near["codes"], near["ratios"], of_code, tree.leaf_positions, tree.least_ranks),
        *(first, second, margin, distance),
    )
    return first, second, margin, distance


@njit(cache=True, nogil=True)
def _apart(places, splits, one, other):  # type: ignore[no-untyped-def]
    """`Tree.apart` of two leaves, less 2; more than any split for the same leaf."""
    low, high = min(places[one], places[other]), max(places[one], places[other])
    length, power = high - low, 0
    if length == 0:
        return np.int32(len(places))
    while length >> (power + 1):
        power += 1
    return min(splits[power, low], splits[power, high - (1 << power)])


@njit(cache=True, nogil=True)
def _place(codes, ratios, of_code, places, splits, first, second, margin, distance):  # type: ignore[no-untyped-def]
    for i in range(len(codes)):
        code = codes[i, 0]
        if code >= len(of_code):
            first[i], second[i], margin[i], distance[i] = -1, -1, 0, np.nan
            continue
        one, near = of_code[code], distance[i]
        # a code that there is not is the first one again
        two = of_code[codes[i, 1] if codes[i, 1] < len(of_code) else code]
        three = of_code[codes[i, 2] if codes[i, 2] < len(of_code) else code]
        next_ = near / max(np.float32(ratios[i, 0]) / _STEPS, _LEAST_RATIO)
        last = near / max(np.float32(ratios[i, 1]) / _STEPS, _LEAST_RATIO)
        ratio = min(near / max(next_, _TINY), np.float32(1))
        margin[i] = np.uint8(np.rint(_STEPS * (np.float32(1) - ratio)))
        square = np.float64(near) ** 2, np.float64(next_) ** 2, np.float64(last) ** 2
        if square[0] * (square[1] + square[2]) > square[1] * square[2] and (
            _apart(places, splits, two, three) > _apart(places, splits, one, two)
        ):
            one, two, distance[i] = two, one, next_
        first[i], second[i] = one, two
