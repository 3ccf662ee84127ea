"""Coarse cells: k-means over rows, and rows grouped by their cell."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.plural import plural
from shoal.core.products import in_threads
from shoal.core.top_scores import best_of
from shoal.errors import InputError

_CHUNK = 8192
_POWER = 0.8  # power of a cell's weight that determines its number of codes


@dataclass(frozen=True)
class Cells:
    """Rows grouped by the nearest of some coarse centres, centred and scaled for products.

    Attributes
    ----------
    shift, scale
        A row becomes ``(row − shift) · scale``: shift (d,) float32, scale a float.
    centres, centre_halves
        Coarse centres (c, d) float32 in that frame and half their squared lengths (c,).
    order
        (n,) int32: the rows, cell after cell, ascending within a cell.
    start
        (c + 1,) int64: start of each cell in `order`.
    members, halves
        The rows in that order and frame, (n, d) float32, and half their squared lengths (n,).
    """

    shift: NDArray[np.float32]
    scale: float
    centres: NDArray[np.float32]
    centre_halves: NDArray[np.float32]
    order: NDArray[np.int32]
    start: NDArray[np.int64]
    members: NDArray[np.float32]
    halves: NDArray[np.float32]

    def framed(self, rows: NDArray) -> NDArray[np.float32]:
        """Rows in the frame of the cells, (b, d) float32."""
        return np.ascontiguousarray((rows - self.shift) * np.float32(self.scale), np.float32)

    def cell_of_rows(self) -> NDArray[np.int64]:
        """Return the cell of each row, (n,)."""
        cell = np.empty(len(self.order), np.int64)
        cell[self.order] = np.repeat(np.arange(len(self.centres)), np.diff(self.start))
        return cell

    def regrouped(self, centres: NDArray[np.float32], cell: NDArray[np.integer]) -> "Cells":
        """Return the same rows grouped by other cells; `cell` is that of each row in `members`."""
        place = np.lexsort((self.order, cell))
        start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=len(centres)))])
        order, members = self.order[place], self.members[place]
        return Cells(
            self.shift,
            self.scale,
            centres,
            halves(centres),
            order,
            start,
            members,
            self.halves[place],
        )


def halves(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Half the squared length of each row, summed in float64, (n,) float32."""
    return np.asarray(0.5 * np.einsum("ij,ij->i", rows, rows, dtype=np.float64), np.float32)


def checked(rows: NDArray, name: str) -> NDArray[np.float32]:
    """Return rows as a contiguous finite (n, d) float32 array, or raise."""
    rows = np.ascontiguousarray(rows, np.float32)
    if rows.ndim != 2:
        raise InputError(f"{name} has shape {rows.shape}, but must be rows × columns")
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows).all(axis=1)).sum())
        raise InputError(
            f"{name} holds NaN or infinity in {plural(bad, 'row')}: leave these out first"
        )
    return rows


def build_cells(rows: NDArray, count: int = 1, seed: int = 0, workers: int = 1) -> Cells:
    """Group rows, (n, d), by `count` coarse cells: k-means on at most 128 rows a cell.

    One cell groups nothing, and searching it is exact. The result does not depend on the threads.
    """
    rows = checked(rows, "rows")
    shift = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    members = rows - shift
    widest = max(float(members.max(initial=0.0)), -float(members.min(initial=0.0)))
    scale = 1.0 / max(widest, 1e-37) if widest > 0 else 1.0
    members *= np.float32(scale)
    if count <= 1:
        return one_cell(members, shift, scale)
    generator = np.random.default_rng(seed)
    sample = np.sort(generator.permutation(len(rows))[: 128 * count])
    centres = kmeans(members[sample], count, seed=seed, rounds=8, workers=workers)
    cell = assign(members, centres, workers)[0]
    order = np.argsort(cell, kind="stable").astype(np.int32)
    start = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=count))])
    del members  # made again in their order, so that there are never two copies
    members = rows[order]
    members -= shift
    members *= np.float32(scale)
    return Cells(shift, scale, centres, halves(centres), order, start, members, halves(members))


def one_cell(rows: NDArray[np.float32], shift: NDArray[np.float32], scale: float) -> Cells:
    """Return rows that are already in a frame as a single cell."""
    centres, order = np.zeros((1, rows.shape[1]), np.float32), np.arange(len(rows), dtype=np.int32)
    start = np.array([0, len(rows)], np.int64)
    return Cells(shift, scale, centres, halves(centres), order, start, rows, halves(rows))


def nearest_centre(
    rows: NDArray[np.float32], centres: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Like `assign`, single-threaded."""
    rows, centres = np.ascontiguousarray(rows), np.ascontiguousarray(centres)
    found, top = best_of(rows, centres, halves(centres), 1)
    return found[:, 0], np.maximum(2 * (halves(rows) - top[:, 0]), 0)


def assign(
    rows: NDArray[np.float32], centres: NDArray[np.float32], workers: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the nearest centre of each row by float32 products, and the squared distance, (n,).

    Rows and centres are centred, because a common offset costs precision.
    """
    blocks = [(rows[a : a + _CHUNK], centres) for a in range(0, len(rows), _CHUNK)]
    parts = in_threads(nearest_centre, blocks, workers)
    none = (np.empty(0, np.int32), np.empty(0, np.float32))
    cell, square = zip(*(parts or [none]), strict=True)
    return np.concatenate(cell), np.concatenate(square)


@njit(cache=True, nogil=True)
def add_up(rows, weights, cell, sums, totals):  # type: ignore[no-untyped-def]
    """Add weighted rows to the float64 sums and totals of their cells, in order."""
    for i in range(len(rows)):
        c = cell[i]
        totals[c] += weights[i]
        for j in range(rows.shape[1]):
            sums[c, j] += weights[i] * np.float64(rows[i, j])


def kmeans(
    rows: NDArray[np.float32],
    count: int,
    *,
    seed: int = 0,
    rounds: int = 8,
    weights: NDArray[np.float64] | None = None,
    workers: int = 1,
) -> NDArray[np.float32]:
    """Centres of Lloyd's k-means from a random start, (count, d); count ≤ n.

    `rows`, (n, d), are centred, and `weights` 1 by default. Empty cells move to the farthest rows,
    so duplicates appear only when there are fewer distinct rows. The result does not depend on the
    threads.
    """
    if count > len(rows):
        raise InputError(f"{len(rows)} rows, but {count} centres were asked for")
    weight = np.ones(len(rows)) if weights is None else weights
    generator = np.random.default_rng(seed)
    centres = rows[np.sort(generator.permutation(len(rows))[:count])]
    return lloyd(rows, weight, centres, rounds, lambda x, y: assign(x, y, workers))


def lloyd(
    rows: NDArray[np.float32],
    weights: NDArray[np.float64],
    centres: NDArray[np.float32],
    rounds: int,
    nearest: Callable[[NDArray, NDArray], tuple[NDArray, NDArray]],
) -> NDArray[np.float32]:
    """Lloyd's rounds on weighted rows from given centres, like `kmeans`.

    `nearest` returns the centre and the squared distance of each row, like `assign`.
    """
    for _ in range(rounds):
        cell, square = nearest(rows, centres)
        sums, totals = np.zeros(centres.shape), np.zeros(len(centres))
        add_up(rows, weights, cell, sums, totals)
        empty = np.flatnonzero(totals == 0)
        totals[empty] = 1
        centres = (sums / totals[:, None]).astype(np.float32)
        if len(empty):
            centres[empty] = rows[np.argsort(-square, kind="stable")[: len(empty)]]
    return centres


def two_level_codes(
    rows: NDArray, counts: NDArray, count: int, seed: int, workers: int
) -> NDArray[np.float32]:
    """Centres of k-means within coarse cells, much cheaper than one k-means with as many centres.

    `rows`, (n, d), are distinct, and more than `count`; `counts`, (n,), weigh them. Each cell gets
    a share of the centres by a power of its weight, so that sparse regions keep some. The result
    does not depend on the threads.
    """
    coarse = min(max(1, round(2 * count**0.5)), count)
    cells = build_cells(rows, coarse, seed, workers)
    start, weight = cells.start, counts[cells.order].astype(np.float64)
    heaped = np.concatenate([[0.0], np.cumsum(weight)])
    budget = _budgets(heaped[start[1:]] - heaped[start[:-1]], np.diff(start), count)

    def fine(cell: int) -> NDArray[np.float32]:
        part = slice(start[cell], start[cell + 1])
        members = np.ascontiguousarray(cells.members[part])
        generator = np.random.default_rng([seed, cell])
        chosen = np.sort(generator.permutation(len(members))[: budget[cell]])
        return lloyd(members, weight[part], members[chosen], 6, nearest_centre)

    codes = np.concatenate(in_threads(fine, [(cell,) for cell in range(coarse)], workers))
    return np.asarray(codes / np.float32(cells.scale) + cells.shift, np.float32)


def _budgets(weight: NDArray, distinct: NDArray, count: int) -> NDArray[np.int64]:
    """Divide `count` codes among cells by a power of weight, at most one per distinct row."""
    share = np.minimum(np.maximum(weight, 0) ** _POWER, 1e300)
    budget = np.minimum(distinct > 0, 1).astype(np.float64)
    for _ in range(50):  # the surplus of full cells goes to the others
        free = np.where(budget < distinct, share, 0)
        left = count - budget.sum()
        if left < 1 or not free.any():
            break
        budget = np.minimum(budget + free * (left / free.sum()), distinct)
    whole = np.floor(budget).astype(np.int64)
    by_rest = np.argsort(whole - budget, kind="stable")
    whole[by_rest[: max(0, count - int(whole.sum()))]] += 1
    return np.minimum(whole, distinct)
