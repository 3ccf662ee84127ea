"""Compiled kernels that keep the best few scores of each row's product with a list of centres.

Scores are ``x·y − ½‖y‖²``, as in `products`. With a few hundred centres per list, maintaining a
sorted list costs more than the product. Here the best of each segment is found by vector
instructions, and only the winning segment is read.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

BLOCK = 128  # rows of x in one product
SEGMENT = 16  # scores whose best is found together: one vector register of float32


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _take_best(scores, half, bests, rows, found, top):  # type: ignore[no-untyped-def]
    """Fill ``found[rows]`` and ``top[rows]`` by products, greatest score first.

    `scores` are products on entry, and changed; `bests` is scratch for the greatest score of each
    segment.
    """
    count, most = scores.shape[1], found.shape[1]
    whole = count // SEGMENT
    for i in range(len(rows)):
        for s in range(whole):
            best = np.float32(-np.inf)
            for j in range(SEGMENT):  # a constant, so that it becomes vector instructions
                at = s * SEGMENT + j
                scores[i, at] -= half[at]
                best = max(best, scores[i, at])
            bests[s] = best
        if whole < len(bests):
            best = np.float32(-np.inf)
            for at in range(whole * SEGMENT, count):
                scores[i, at] -= half[at]
                best = max(best, scores[i, at])
            bests[whole] = best
        for place in range(most):
            segment = 0
            for s in range(1, len(bests)):
                if bests[s] > bests[segment]:
                    segment = s
            at, best = segment * SEGMENT, bests[segment]
            last = min(at + SEGMENT, count) - 1
            while at < last and scores[i, at] != best:
                at += 1
            found[rows[i], place], top[rows[i], place] = at, best
            scores[i, at] = -np.inf
            best = np.float32(-np.inf)
            for other in range(segment * SEGMENT, last + 1):
                best = max(best, scores[i, other])
            bests[segment] = best


@np.errstate(over="ignore", invalid="ignore")
def best_of(
    x: NDArray[np.float32], centres: NDArray[np.float32], half: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Best k ≤ c of the c centres for each row: places and scores, (n, k)."""
    found = np.empty((len(x), k), np.int32)
    top = np.empty((len(x), k), np.float32)
    scratch = np.empty((BLOCK, len(centres)), np.float32)
    bests = np.empty(-(-len(centres) // SEGMENT), np.float32)
    for a in range(0, len(x), BLOCK):
        rows = np.arange(a, min(a + BLOCK, len(x)))
        scores = np.dot(x[a : a + BLOCK], centres.T, out=scratch[: len(rows)])
        _take_best(scores, half, bests, rows, found, top)
    return found, top


@np.errstate(over="ignore", invalid="ignore")
def best_listed(
    x: NDArray[np.float32],
    cell: NDArray[np.integer],
    lists: NDArray[np.int32],
    begin: NDArray[np.int64],
    members: NDArray[np.float32],
    half: NDArray[np.float32],
    k: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Best k centres of the list of each row's cell: centres and scores, (n, k).

    The list of cell c is ``lists[begin[c] : begin[c + 1]]``, at least k centres, and `members`
    are their copies in that order, from ``begin[c] * width`` on a (width, length) matrix each: all
    rows of a cell take one product, which for some ten rows is faster by a third as they lie so.
    """
    n, width = x.shape
    found = np.empty((n, k), np.int32)
    top = np.empty((n, k), np.float32)
    by_cell = np.argsort(cell, kind="stable")
    cells, starts = np.unique(cell[by_cell], return_index=True)
    stops, longest = [*starts[1:].tolist(), n], int(np.diff(begin).max())
    scratch = np.empty(BLOCK * longest, np.float32)
    bests = np.empty(-(-longest // SEGMENT), np.float32)
    for c, start, stop in zip(cells.tolist(), starts.tolist(), stops, strict=True):
        first, last = int(begin[c]), int(begin[c + 1])
        listed = members[first * width : last * width].reshape(width, last - first)
        for a in range(start, stop, BLOCK):
            rows = by_cell[a : min(a + BLOCK, stop)]
            scores = scratch[: len(rows) * (last - first)].reshape(len(rows), last - first)
            np.dot(x[rows], listed, out=scores)
            segments = bests[: -(-(last - first) // SEGMENT)]
            _take_best(scores, half[first:last], segments, rows, found, top)
    found += begin[cell].astype(np.int32)[:, None]
    return lists[found], top


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc", "contract"})
def _square(a, b):  # type: ignore[no-untyped-def]
    """Squared distance in float64; compiles to vector instructions."""
    total = 0.0
    for j in range(len(a)):
        step = np.float64(a[j]) - np.float64(b[j])
        total += step * step
    return total


def measure(
    x: NDArray[np.float32],
    centres: NDArray[np.float32],
    found: NDArray[np.int32],
    k: int,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Order proposed centres by exact distance, then number, and write the nearest k."""
    proposed = found.shape[1]
    _measure(
        x, centres, found, np.empty(proposed), np.empty(proposed, np.int32), indices, distances
    )


@njit(cache=True, nogil=True)
def _measure(x, centres, found, squares, names, indices, distances):  # type: ignore[no-untyped-def]
    proposed, k = found.shape[1], indices.shape[1]
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
