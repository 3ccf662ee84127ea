"""Compiled kernels that search by matrix products: nearest rows by inner product, then exactly.

All scores are ``x·y − ½‖y‖²``: for a fixed x the nearest y has the greatest. Rows are centred and
scaled first, and what the float32 products propose is measured again in float64 (`recheck`).
"""

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg.cython_blas  # noqa: F401  numba's np.dot calls it: it must be loaded to be limited
from numba import njit
from threadpoolctl import ThreadpoolController

BLOCK = 256  # rows of x in one product
STEP = 1024  # rows of y in one product: BLOCK × STEP floats stay in a core's second-level cache
_SEGMENT = 64  # scores that are skipped together when none is good enough


@lru_cache(1)
def _libraries(modules: frozenset[str]) -> ThreadpoolController:
    """Find the BLAS libraries that are loaded: 10 ms, so only once for the same `modules`."""
    return ThreadpoolController()


def in_threads(
    work: Callable[..., Any], items: Sequence[tuple[Any, ...]], workers: int
) -> list[Any]:
    """Answer ``[work(*item) for item in items]`` by threads that have one BLAS thread each."""
    with _libraries(frozenset(sys.modules)).limit(limits=1, user_api="blas"):
        if workers <= 1 or len(items) <= 1:
            return [work(*item) for item in items]
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda item: work(*item), items))


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _best(row, half, a, b):  # type: ignore[no-untyped-def]
    """Greatest ``row − half`` of a segment; compiles to vector instructions."""
    best = row[a] - half[a]
    for j in range(a + 1, b):
        score = row[j] - half[j]
        if score > best:
            best = score
    return best


@njit(cache=True, nogil=True)
def _scan(dots, half, first, rows, own, top, found):  # type: ignore[no-untyped-def]
    """Enter one product's scores into the sorted lists ``top[rows]``; `own` marks oneself."""
    columns = dots.shape[1]
    last = top.shape[1] - 1
    for i in range(len(rows)):
        row = rows[i]
        dot = dots[i]
        for a in range(0, columns, _SEGMENT):
            b = min(a + _SEGMENT, columns)
            if _best(dot, half, a, b) <= top[row, last]:
                continue
            for j in range(a, b):
                score = dot[j] - half[j]
                if score > top[row, last] and first + j != own[row]:
                    at = last
                    while at > 0 and top[row, at - 1] < score:
                        top[row, at] = top[row, at - 1]
                        found[row, at] = found[row, at - 1]
                        at -= 1
                    top[row, at] = score
                    found[row, at] = first + j


@njit(cache=True, nogil=True)
def probe(x, centres, half, probes):  # type: ignore[no-untyped-def]
    """Nearest `probes` centres of each row, (b, probes) int32, and their scores."""
    n = len(x)
    top = np.full((n, probes), -np.inf, np.float32)
    found = np.full((n, probes), np.int32(-1), np.int32)
    own = np.full(n, np.int32(-1), np.int32)
    scratch = np.empty(BLOCK * STEP, np.float32)
    for a in range(0, n, BLOCK):
        b = min(a + BLOCK, n)
        rows = np.arange(a, b)
        for c in range(0, len(centres), STEP):
            e = min(c + STEP, len(centres))
            dots = scratch[: (b - a) * (e - c)].reshape((b - a, e - c))
            np.dot(x[a:b], centres[c:e].T, dots)
            _scan(dots, half[c:e], c, rows, own, top, found)
    return found, top


@njit(cache=True, nogil=True)
def _pairs_by_cell(probed, cells):  # type: ignore[no-untyped-def]
    """Rows that look into each cell, cell after cell, and where each cell starts."""
    start = np.zeros(cells + 1, np.int64)
    n, probes = probed.shape
    for i in range(n):
        for p in range(probes):
            start[probed[i, p] + 1] += 1
    for c in range(cells):
        start[c + 1] += start[c]
    at = start[:-1].copy()
    rows = np.empty(n * probes, np.int64)
    for i in range(n):
        for p in range(probes):
            cell = probed[i, p]
            rows[at[cell]] = i
            at[cell] += 1
    return rows, start


@njit(cache=True, nogil=True)
def search(x, own, probed, members, half, start, wanted):  # type: ignore[no-untyped-def]
    """Best `wanted` members of each row among its probed cells: positions (−1: none), scores."""
    n, width = x.shape
    top = np.full((n, wanted), -np.inf, np.float32)
    found = np.full((n, wanted), np.int32(-1), np.int32)
    lookers, begin = _pairs_by_cell(probed, len(start) - 1)
    gathered = np.empty((BLOCK, width), np.float32)
    scratch = np.empty(BLOCK * STEP, np.float32)
    for cell in range(len(start) - 1):
        for a in range(begin[cell], begin[cell + 1], BLOCK):
            rows = lookers[a : min(a + BLOCK, begin[cell + 1])]
            many = len(rows)
            for i in range(many):
                for j in range(width):  # assigning the row would compile broadcasting: 2 s
                    gathered[i, j] = x[rows[i], j]
            for c in range(start[cell], start[cell + 1], STEP):
                e = min(c + STEP, start[cell + 1])
                dots = scratch[: many * (e - c)].reshape((many, e - c))
                np.dot(gathered[:many], members[c:e].T, dots)
                _scan(dots, half[c:e], c, rows, own, top, found)
    return found, top


@njit(cache=True, nogil=True)
def _square(a, b):  # type: ignore[no-untyped-def]
    """Squared distance in float64, summed in a fixed order."""
    total = 0.0
    for j in range(len(a)):
        difference = np.float64(a[j]) - np.float64(b[j])
        total += difference * difference
    return total


@njit(cache=True, nogil=True)
def _enter(square, index, squares, indices, filled):  # type: ignore[no-untyped-def]
    """Insert by (distance, index) into a sorted list; answer how many it holds."""
    at = min(filled, len(squares) - 1)
    if filled == len(squares) and (
        square > squares[at] or (square == squares[at] and index > indices[at])
    ):
        return filled
    while at > 0 and (
        squares[at - 1] > square or (squares[at - 1] == square and indices[at - 1] > index)
    ):
        squares[at] = squares[at - 1]
        indices[at] = indices[at - 1]
        at -= 1
    squares[at] = square
    indices[at] = index
    return min(filled + 1, len(squares))


@njit(cache=True, nogil=True)
def recheck(x, rows, y, order, found, top, norms, scale, k, indices, distances):  # type: ignore[no-untyped-def]
    """Measure the proposed rows of y exactly and keep the k nearest; True where some may miss.

    `found` holds positions in `order`, `norms` the squared lengths of the centred, scaled rows.
    A row of y that was not proposed scored at most ``top[i, -1]``, so it is no nearer than that
    score less the rounding error of a product, which is bounded by ``(width + 4) 2⁻²⁴ ‖x‖ ‖y‖``.
    """
    unsure = np.zeros(len(rows), np.bool_)
    squares = np.empty(k, np.float64)
    nearest = np.empty(k, np.int32)
    proposed = found.shape[1]
    for i in range(len(rows)):
        filled = 0
        for j in range(proposed):
            if found[i, j] >= 0:
                index = order[found[i, j]]
                filled = _enter(_square(x[rows[i]], y[index]), index, squares, nearest, filled)
        if filled < k:
            unsure[i] = True
            continue
        furthest = np.sqrt(squares[k - 1]) * scale
        reach = np.sqrt(norms[i]) + furthest
        error = 4.0 * (x.shape[1] + 4) * 2.0**-24 * reach * reach
        bound = norms[i] - 2.0 * top[i, proposed - 1] - error
        unsure[i] = found[i, proposed - 1] >= 0 and furthest * furthest >= bound
        for j in range(k):
            indices[rows[i], j] = nearest[j]
            distances[rows[i], j] = np.sqrt(squares[j])
    return unsure


@njit(cache=True, nogil=True)
def search_among(x, rows, y, some, itself, k, indices, distances):  # type: ignore[no-untyped-def]
    """Exact nearest k by measuring `some` rows of y, ascending; `itself`: no row is its own."""
    squares = np.empty(k, np.float64)
    nearest = np.empty(k, np.int32)
    for row in rows:
        filled = 0
        for j in some:
            if itself and j == row:
                continue
            filled = _enter(_square(x[row], y[j]), j, squares, nearest, filled)
            if filled == k and squares[k - 1] == 0.0:
                break  # nothing is nearer, and what follows has a higher index
        for j in range(k):
            indices[row, j] = nearest[j]
            distances[row, j] = np.sqrt(squares[j])
