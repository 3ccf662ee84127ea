"""Compiled kernels that keep the best few scores of each row's product with a list of centres.

Scores are ``x·y − ½‖y‖²``, as in `products`. With a few hundred centres per list, maintaining a
sorted list costs more than the product. Here the best of each segment is found by vector
instructions, and only the winning segment is read.
"""

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  numba's np.dot calls it: it must be loaded to be limited
from numba import njit

BLOCK = 128  # rows of x in one product
SEGMENT = 16  # scores whose best is found together: one vector register of float32


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _score(scores, half, bests):  # type: ignore[no-untyped-def]
    """Turn products into scores, in place, and fill `bests` with the greatest of each segment."""
    whole = len(scores) // SEGMENT
    for s in range(whole):
        best = np.float32(-np.inf)
        for j in range(SEGMENT):  # a constant, so that it becomes vector instructions
            at = s * SEGMENT + j
            scores[at] -= half[at]
            best = max(best, scores[at])
        bests[s] = best
    if whole < len(bests):
        bests[whole] = -np.inf
        for at in range(whole * SEGMENT, len(scores)):
            scores[at] -= half[at]
            bests[whole] = max(bests[whole], scores[at])


@njit(cache=True, nogil=True)
def _take_best(scores, bests, found, top):  # type: ignore[no-untyped-def]
    """Fill `found` and `top` with the best scores, greatest first; changes `scores`, `bests`."""
    for place in range(len(found)):
        segment = 0
        for s in range(1, len(bests)):
            if bests[s] > bests[segment]:
                segment = s
        at, best = segment * SEGMENT, bests[segment]
        last = min(at + SEGMENT, len(scores)) - 1
        while at < last and scores[at] != best:
            at += 1
        found[place], top[place] = at, best
        scores[at] = bests[segment] = -np.inf
        for other in range(segment * SEGMENT, last + 1):
            bests[segment] = max(bests[segment], scores[other])


@njit(cache=True, nogil=True)
def best_of(x, centres, half, k):  # type: ignore[no-untyped-def]
    """Best k ≤ c of the c centres for each row: places (n, k) int32 and scores (n, k) float32."""
    n = len(x)
    found = np.empty((n, k), np.int32)
    top = np.empty((n, k), np.float32)
    scratch = np.empty((BLOCK, len(centres)), np.float32)
    bests = np.empty(-(-len(centres) // SEGMENT), np.float32)
    for a in range(0, n, BLOCK):
        b = min(a + BLOCK, n)
        np.dot(x[a:b], centres.T, scratch[: b - a])
        for i in range(a, b):
            _score(scratch[i - a], half, bests)
            _take_best(scratch[i - a], bests, found[i], top[i])
    return found, top


@njit(cache=True, nogil=True)
def _by_cell(cell, cells):  # type: ignore[no-untyped-def]
    """Rows cell after cell, ascending within a cell, and where each cell begins."""
    start = np.zeros(cells + 1, np.int64)
    for i in range(len(cell)):
        start[cell[i] + 1] += 1
    for c in range(cells):
        start[c + 1] += start[c]
    at = start[:-1].copy()
    rows = np.empty(len(cell), np.int64)
    for i in range(len(cell)):
        rows[at[cell[i]]] = i
        at[cell[i]] += 1
    return rows, start


@njit(cache=True, nogil=True)
def best_listed(x, cell, lists, begin, members, half, k):  # type: ignore[no-untyped-def]
    """Best k centres of the list of each row's cell: centres (n, k) int32, scores (n, k) float32.

    The list of cell c is ``lists[begin[c] : begin[c + 1]]``, at least k centres, and `members`
    are their copies in that order, from ``begin[c] * width`` on a (width, length) matrix each: all
    rows of a cell take one product, which for some ten rows is faster by a third as they lie so.
    """
    n, width = x.shape
    found = np.empty((n, k), np.int32)
    top = np.empty((n, k), np.float32)
    rows, start = _by_cell(cell, len(begin) - 1)
    longest = np.diff(begin).max()
    gathered = np.empty((BLOCK, width), np.float32)
    scratch = np.empty(BLOCK * longest, np.float32)
    bests = np.empty(-(-longest // SEGMENT), np.float32)
    for c in range(len(begin) - 1):
        first, last = begin[c], begin[c + 1]
        listed = members[first * width : last * width].reshape((width, last - first))
        for a in range(start[c], start[c + 1], BLOCK):
            b = min(a + BLOCK, start[c + 1])
            for i in range(a, b):
                gathered[i - a] = x[rows[i]]
            scores = scratch[: (b - a) * (last - first)].reshape((b - a, last - first))
            np.dot(gathered[: b - a], listed, scores)
            for i in range(a, b):
                row, used = rows[i], bests[: -(-(last - first) // SEGMENT)]
                _score(scores[i - a], half[first:last], used)
                _take_best(scores[i - a], used, found[row], top[row])
                for place in range(k):
                    found[row, place] = lists[first + found[row, place]]
    return found, top


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc", "contract"})
def _square(a, b):  # type: ignore[no-untyped-def]
    """Squared distance in float64; compiles to vector instructions."""
    total = 0.0
    for j in range(len(a)):
        step = np.float64(a[j]) - np.float64(b[j])
        total += step * step
    return total


@njit(cache=True, nogil=True)
def measure(x, centres, found, k, indices, distances):  # type: ignore[no-untyped-def]
    """Order proposed centres by exact distance, then number, and write the nearest k."""
    proposed = found.shape[1]
    squares = np.empty(proposed, np.float64)
    names = np.empty(proposed, np.int32)
    for i in range(len(x)):
        for place in range(proposed):
            name = found[i, place]
            square = _square(x[i], centres[name])
            at = place
            while at > 0 and (
                squares[at - 1] > square or (squares[at - 1] == square and names[at - 1] > name)
            ):
                squares[at], names[at] = squares[at - 1], names[at - 1]
                at -= 1
            squares[at], names[at] = square, name
        for place in range(k):
            indices[i, place], distances[i, place] = names[place], np.sqrt(squares[place])
