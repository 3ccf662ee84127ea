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
from numba import njit
from numpy.typing import NDArray
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


def probe(
    x: NDArray[np.float32],
    centres: NDArray[np.float32],
    half: NDArray[np.float32],
    probes: int,
) -> NDArray[np.int32]:
    """Return the nearest `probes` centres of each row, (b, probes)."""
    one_cell = np.zeros((len(x), 1), np.int32), centres, half, np.array([0, len(centres)])
    return search(x, np.full(len(x), -1, np.int32), *one_cell, probes)[0]


@np.errstate(over="ignore", invalid="ignore")  # what overflows is measured again
def search(
    x: NDArray[np.float32],
    own: NDArray[np.int32],
    probed: NDArray[np.int32],
    members: NDArray[np.float32],
    half: NDArray[np.float32],
    start: NDArray[np.int64],
    wanted: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Best `wanted` members of each row among its probed cells: positions (−1: none), scores.

    `own` is the position of each row itself, which is left out; −1 where it is no member.
    """
    top = np.full((len(x), wanted), -np.inf, np.float32)
    found = np.full((len(x), wanted), -1, np.int32)
    by_cell = np.argsort(probed, axis=None, kind="stable")
    begin = np.searchsorted(probed.ravel()[by_cell], np.arange(len(start))).tolist()
    starts, scratch = start.tolist(), np.empty(BLOCK * STEP, np.float32)
    for cell in range(len(starts) - 1):
        for a in range(begin[cell], begin[cell + 1], BLOCK):
            rows = by_cell[a : min(a + BLOCK, begin[cell + 1])] // probed.shape[1]
            gathered = x[rows]
            for c in range(starts[cell], starts[cell + 1], STEP):
                e = min(c + STEP, starts[cell + 1])
                dots = scratch[: len(rows) * (e - c)].reshape(len(rows), e - c)
                np.dot(gathered, members[c:e].T, out=dots)
                _scan(dots, half[c:e], c, rows, own, top, found)
    return found, top


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _scan(dots, half, first, rows, own, top, found):  # type: ignore[no-untyped-def]
    """Enter one product's scores into the sorted lists ``top[rows]``; `own` marks oneself."""
    columns = dots.shape[1]
    last = top.shape[1] - 1
    for i in range(len(rows)):
        row = rows[i]
        for a in range(0, columns, _SEGMENT):
            b = min(a + _SEGMENT, columns)
            best = dots[i, a] - half[a]
            for j in range(a + 1, b):  # compiles to vector instructions
                best = max(best, dots[i, j] - half[j])
            if best <= top[row, last]:
                continue
            for j in range(a, b):
                score = dots[i, j] - half[j]
                if score > top[row, last] and first + j != own[row]:
                    at = last
                    while at > 0 and top[row, at - 1] < score:
                        top[row, at] = top[row, at - 1]
                        found[row, at] = found[row, at - 1]
                        at -= 1
                    top[row, at] = score
                    found[row, at] = first + j


@njit(inline="always")
def _square(x, i, y, k):  # type: ignore[no-untyped-def]
    """Squared distance of two rows in float64, summed in a fixed order."""
    total = 0.0
    for j in range(x.shape[1]):
        difference = np.float64(x[i, j]) - np.float64(y[k, j])
        total += difference * difference
    return total


@njit(inline="always")
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


def recheck(
    x: NDArray[np.float32],
    rows: NDArray[np.int32],
    y: NDArray[np.float32],
    order: NDArray[np.int32],
    found: NDArray[np.int32],
    top: NDArray[np.float32],
    norms: NDArray[np.float64],
    scale: float,
    k: int,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Measure the proposed rows of y exactly and keep the k nearest; True where some may miss.

    `found` holds positions in `order`, `norms` the squared lengths of the centred, scaled rows.
    A row of y that was not proposed scored at most ``top[i, -1]``, so it is no nearer than that
    score less the rounding error of a product, which is bounded by ``(width + 4) 2⁻²⁴ ‖x‖ ‖y‖``.
    """
    unsure, lists = np.zeros(len(rows), np.bool_), (np.empty(k), np.empty(k, np.int32))
    _recheck(x, rows, y, order, found, top, norms, scale, *lists, indices, distances, unsure)
    return unsure


@njit(cache=True, nogil=True)
def _recheck(  # type: ignore[no-untyped-def]
    x, rows, y, order, found, top, norms, scale, squares, nearest, indices, distances, unsure
):
    k, proposed = len(squares), found.shape[1]
    for i in range(len(rows)):
        filled = 0
        for j in range(proposed):
            if found[i, j] >= 0:
                index = order[found[i, j]]
                square = _square(x, rows[i], y, index)
                filled = _enter(square, index, squares, nearest, filled)
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
            filled = _enter(_square(x, row, y, j), j, squares, nearest, filled)
            if filled == k and squares[k - 1] == 0.0:
                break  # nothing is nearer, and what follows has a higher index
        for j in range(k):
            indices[row, j] = nearest[j]
            distances[row, j] = np.sqrt(squares[j])
