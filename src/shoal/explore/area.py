"""The rows within an outline that a person drew on the map."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.morton import SIDE, to_places
from shoal.errors import InputError
from shoal.explore.atlas import Atlas
from shoal.explore.positions import Positions
from shoal.explore.tiles import code_range

MOST = 5_000_000
"""Rows that an outline may hold."""

_LEVEL = 9


def positions_within(atlas: Atlas, outline: NDArray[np.float64]) -> Positions:
    """Return the rows whose place on the map lies within an outline, at most `MOST`.

    Cells that lie wholly inside are taken as they are; of those that the outline crosses, each
    row is tested, by the even-odd rule.

    Parameters
    ----------
    outline
        (v, 2) corners in the unit square, v ≥ 3; the last is joined to the first.
    """
    outline = np.ascontiguousarray(outline, np.float64)
    inside, crossed = _cells(outline)
    ranges = [code_range(atlas, x, y, level) for level, x, y in inside]
    _check_count(sum(b - a for a, b in ranges))
    found = [atlas.coded_positions[a:b] for a, b in ranges]
    for x, y in crossed:
        a, b = code_range(atlas, x, y, _LEVEL)
        if b > a:
            places = to_places(atlas.codes[a:b])
            here = within(outline, (places[0] + 0.5) / SIDE, (places[1] + 0.5) / SIDE)
            found.append(atlas.coded_positions[a:b][here])
    positions = np.concatenate(found) if found else np.empty(0, np.int64)
    _check_count(len(positions))
    return Positions.of(positions)


def _check_count(count: int) -> None:
    if count > MOST:
        raise InputError(
            f"the area holds at least {count:,} images, more than {MOST:,}: draw a smaller one, or "
            "choose clusters"
        )


def _cells(
    outline: NDArray[np.float64],
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int]]]:
    """Return the largest cells within an outline (level, x, y), and the small ones it crosses."""
    inside: list[tuple[int, int, int]] = []
    open_ = np.zeros((1, 2), np.int64)
    for level in range(_LEVEL + 1):
        side = 1.0 / (1 << level)
        crosses = _crossed(outline, open_ * side, side)
        rest = open_[~crosses]
        middle = (rest + 0.5) * side
        whole = rest[within(outline, middle[:, 0].copy(), middle[:, 1].copy())]
        inside += [(level, int(x), int(y)) for x, y in whole]
        open_ = open_[crosses]
        if level < _LEVEL:
            quarters = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
            open_ = (2 * open_[:, None] + quarters).reshape(-1, 2)
    return inside, [(int(x), int(y)) for x, y in open_]


@njit(cache=True, nogil=True)
def _crossed(outline, corners, side):  # type: ignore[no-untyped-def]
    """Return which squares an outline touches."""
    found = np.zeros(len(corners), np.bool_)
    n = len(outline)
    for i in range(len(corners)):
        left, top = corners[i, 0], corners[i, 1]
        for j in range(n):
            x0, y0 = outline[j]
            x1, y1 = outline[(j + 1) % n]
            # Clip the edge against the square (Liang and Barsky, 1984).
            low, high = 0.0, 1.0
            dx, dy = x1 - x0, y1 - y0
            hit = True
            for p, q in (
                (-dx, x0 - left),
                (dx, left + side - x0),
                (-dy, y0 - top),
                (dy, top + side - y0),
            ):
                if p == 0.0:
                    if q < 0:
                        hit = False
                        break
                else:
                    t = q / p
                    if p < 0:
                        low = max(low, t)
                    else:
                        high = min(high, t)
            if hit and low <= high:
                found[i] = True
                break
    return found


@njit(cache=True, nogil=True)
def within(outline, x, y):  # type: ignore[no-untyped-def]
    """Return which places lie within an outline, by the even-odd rule."""
    found = np.zeros(len(x), np.bool_)
    n = len(outline)
    for i in range(len(x)):
        inside = False
        for j in range(n):
            x0, y0 = outline[j]
            x1, y1 = outline[(j + 1) % n]
            if (y0 > y[i]) != (y1 > y[i]) and x[i] < (x1 - x0) * (y[i] - y0) / (y1 - y0) + x0:
                inside = not inside
        found[i] = inside
    return found
