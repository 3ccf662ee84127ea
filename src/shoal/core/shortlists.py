"""Shortlists: for each coarse cell, the centres that may be nearest to rows of the cell."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoal.core.cells import Cells, build_cells, checked, one_cell, two_level_codes
from shoal.core.products import in_threads
from shoal.core.top_scores import SEGMENT, best_listed, measure, packed

LENGTH = 288
_EACH = 22  # centres a cell, where there are many: smaller cells need shorter lists
_CELLS_LENGTH = 160  # cells on a list, where the cells are grouped themselves
_TRIED = 4  # times as many centres are tried for a list, of the cells nearest to its own
_CHUNK = 65_536  # rows that are grouped by cell together
_EXTRA = 2  # proposals beyond k, to be measured exactly
_VARIANCE = 0.95  # of the centres, in the leading columns by which centres are proposed
_COLUMNS = 8  # of which there are a multiple: vector instructions of float32


@dataclass(frozen=True)
class Shortlists:
    """Centres grouped by coarse cell, and for each cell a list of nearby centres.

    Attributes
    ----------
    cells
        The coarse cells, and the frame in which all products are done: of the leading columns.
    lists, begin
        The centres on the list of cell c are ``lists[begin[c] : begin[c + 1]]``, (segments,
        SEGMENT) int32; −1 at the end of a list, where it does not fill its last segment.
    members, halves
        Those centres in the frame of the cells, and half their squared lengths, as for
        `best_listed`.
    coarse
        Shortlists of the cell centres, in the same frame; None if there is only one cell.
    """

    cells: Cells
    lists: NDArray[np.int32]
    begin: NDArray[np.int64]
    members: NDArray[np.float32]
    halves: NDArray[np.float32]
    coarse: "Shortlists | None" = None

    @cached_property
    def shortest(self) -> int:
        return int(np.add.reduceat((self.lists >= 0).sum(axis=1), self.begin[:-1]).min())


def cell_count(m: int) -> int:
    """Return the number of cells for m centres."""
    return max(round(2 * m**0.5), m // _EACH)


def compared(m: int) -> int:
    """Return the number of products to find the nearest of m centres.

    >>> compared(500), compared(31_000)
    (500, 523)
    """
    if m <= 2 * LENGTH:
        return m
    cells = cell_count(m)
    return LENGTH + (cells if cells <= 2 * _CELLS_LENGTH else _CELLS_LENGTH + cell_count(cells))


def coarse_cells(
    centres: NDArray, seed: int = 0, workers: int = 1, length: int = LENGTH
) -> "tuple[Cells, Shortlists | None]":
    """Group centres by cells, and list the cells as in `build_shortlists`, which see."""
    centres = checked(centres, "centres")
    width = centres.shape[1] if len(centres) <= 2 * length else _leading(centres)
    return _grouped(build_cells(centres[:, :width]), seed, workers, length)


def _grouped(whole: Cells, seed: int, workers: int, length: int) -> tuple[Cells, Shortlists | None]:
    """Group the members of a single cell, if there are too many to be one list."""
    count = cell_count(len(whole.order))
    if len(whole.order) <= 2 * length:
        return whole, None
    middles = two_level_codes(whole.members, np.ones(len(whole.order)), count, seed, workers)
    length = min(length, _CELLS_LENGTH)
    width = middles.shape[1] if count <= 2 * length else _leading(middles)
    few = one_cell(middles[:, :width], whole.shift[:width], whole.scale)
    coarse = _listed(*_grouped(few, seed, workers, length), length, workers)
    # As rows are placed: one that equals a centre is then in its cell, however far from others.
    found = _propose(whole.members, coarse, 1, np.zeros_like(whole.shift), 1)
    return whole.regrouped(middles, found[:, 0]), coarse


def build_shortlists(
    centres: NDArray, seed: int = 0, workers: int = 1, length: int = LENGTH
) -> Shortlists:
    """Group centres, (m, d), by cell, and list for each cell the centres nearest to its own.

    The distance of a centre to a cell is that to the nearest centre in it, so rows at the border of
    a cell find centres across the border. If there are many cells, they are searched in the same
    way. With 288 of 31,000 centres on a list, about 520 products per row find the nearest centre
    for 98% of tiles; with cells four times as large, lists twice as long and all cells searched it
    takes 865. If there are several lists, products use the leading columns that hold most of the
    variance, as principal components do: 32 of 64 for tiles, in .7 of the time. The AMI of their
    labels stays within .0003; with 24 columns it falls by .002.

    A list has `length` centres, or more if a cell has more than half as many of its own; with m ≤ 2
    · length there is one list of all centres.
    """
    return _listed(*coarse_cells(centres, seed, workers, length), length, workers)


def _listed(cells: Cells, coarse: Shortlists | None, length: int, workers: int) -> Shortlists:
    """List the centres near each cell, packed for the search."""
    items = [(cells, c, length) for c in range(len(cells.centres))]
    lists = in_threads(_list_of, items, workers) if coarse else [np.arange(len(cells.order))]
    begin = np.cumsum([0, *(-(-len(one) // SEGMENT) for one in lists)])
    members = np.empty((begin[-1], cells.members.shape[1], SEGMENT), np.float32)
    halves = np.empty((begin[-1], SEGMENT), np.float32)
    names = np.empty((begin[-1], SEGMENT), np.int32)
    for one, a, b in zip(lists, begin, begin[1:], strict=False):
        members[a:b] = packed(cells.members[one], 0)
        halves[a:b] = packed(cells.halves[one], np.inf)
        names[a:b] = packed(cells.order[one], -1)
    return Shortlists(cells, names, begin, members, halves, coarse)


def _leading(centres: NDArray[np.float32]) -> int:
    """Count the leading columns that hold nearly all of the variance."""
    summed = np.cumsum(centres.var(axis=0, dtype=np.float64))
    least = int(np.searchsorted(summed, _VARIANCE * summed[-1])) + 1
    return min(-(-least // _COLUMNS) * _COLUMNS, len(summed))


def _tried(cells: Cells, cell: int, length: int) -> tuple[NDArray[np.int64], int]:
    """Places in `cells.members` that are candidates for the list of a cell, and its length."""
    start, stop = cells.start[cell : cell + 2]
    sizes = np.diff(cells.start)
    length = min(max(length, 2 * int(stop - start)), len(cells.order))
    wanted = min(_TRIED * length, len(cells.order))
    apart = cells.centre_halves - cells.centres @ cells.centres[cell]
    apart[cell] = -np.inf  # its own ones by all means
    cell_numbers = np.arange(len(sizes))
    some = 2 * wanted * len(sizes) // len(cells.order)  # cells, mostly enough: few are sorted
    if some < len(sizes):
        few = np.flatnonzero(apart <= np.partition(apart, some)[some])
        cell_numbers = few if sizes[few].sum() >= wanted else cell_numbers
    by_distance = cell_numbers[np.argsort(apart[cell_numbers], kind="stable")]
    enough = np.searchsorted(np.cumsum(sizes[by_distance]), wanted)
    near = np.sort(by_distance[: int(enough) + 1])
    ends = np.cumsum(sizes[near])
    return np.arange(ends[-1]) + np.repeat(cells.start[near + 1] - ends, sizes[near]), length


def _list_of(cells: Cells, cell: int, length: int) -> NDArray[np.int64]:
    """Places in `cells.members` of the centres nearest to a cell, ascending."""
    start, stop = cells.start[cell : cell + 2]
    tried, length = _tried(cells, cell, length)
    members, half = cells.members.take(tried, axis=0), cells.halves[start:stop]
    if stop > start:
        apart = half[:, None] - cells.members[start:stop] @ members.T
        order = cells.halves[tried] + apart.min(axis=0)
        order[(tried >= start) & (tried < stop)] = -np.inf
    else:
        order = cells.halves[tried] - members @ cells.centres[cell]
    return np.sort(tried[np.argpartition(order, length - 1)[:length]])


def search_others(
    x: NDArray[np.float32],
    places: NDArray[np.integer],
    centres: NDArray[np.float32],
    cells: Cells,
    k: int,
    workers: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k nearest other centres of some centres, as if each were not a centre itself.

    The list of a cell contains what is near the centres in it, so a centre finds its neighbours
    more reliably than a new row at the same place. Here each is searched on the list that its cell
    would have without it.

    Parameters
    ----------
    x, places
        (n, d) rows to measure, and (n,) the centres that they are, or of which they are adjusted
        positions.
    cells
        Of the centres: `coarse_cells`, or those of shortlists.
    centres, k, workers
        As for `search_shortlists`; there are more than `k` centres.
    """
    at = np.empty(len(centres), np.int64)
    at[cells.order] = np.arange(len(centres))
    at = at[places]
    home = np.searchsorted(cells.start, at, side="right") - 1
    found = np.empty((len(x), min(k + _EXTRA, len(centres) - 1)), np.int32)

    def work(cell: int) -> None:
        rows = np.flatnonzero(home == cell)
        found[rows] = _others_in_cell(cells, cell, at[rows], found.shape[1])

    in_threads(work, [(int(cell),) for cell in np.unique(home)], workers)
    indices, distances = np.empty((len(x), k), np.int32), np.empty((len(x), k), np.float32)
    measure(x, centres, found, k, indices, distances)
    return indices, distances


def _others_in_cell(
    cells: Cells, cell: int, at: NDArray[np.int64], count: int
) -> NDArray[np.int32]:
    """Propose other centres for some of a cell, given by their places in `cells.members`."""
    start, stop = cells.start[cell : cell + 2]
    tried, most = _tried(cells, cell, LENGTH if len(cells.centres) > 1 else len(cells.order))
    own, half = cells.members[start:stop], cells.halves[start:stop]
    members, halves = cells.members[tried], cells.halves[tried]
    apart = half[:, None] - own @ members.T + halves
    is_own = (tried >= start) & (tried < stop)
    most = min(most, len(tried) - 1)
    found = np.empty((len(at), count), np.int32)
    for row, place in enumerate(at.tolist()):
        mine = apart[place - start].copy()
        apart[place - start] = np.inf
        order = apart.min(axis=0) if len(own) > 1 else halves - members @ cells.centres[cell]
        apart[place - start] = mine
        order[is_own] = -np.inf
        order[tried == place] = np.inf
        listed = np.argpartition(order, most - 1)[:most]
        best = np.argpartition(mine[listed], count - 1)[:count]
        found[row] = cells.order[tried[listed[best]]]
    return found


def search_shortlists(
    x: NDArray[np.float32],
    centres: NDArray[np.float32],
    shortlists: Shortlists,
    k: int,
    workers: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k nearest centres on the list of each row's cell, by exact distance.

    Indices and distances, (n, k), are sorted by distance, then index; k is at most the length of a
    list. The result has the same bytes for any number of threads.
    """
    indices, distances = np.empty((len(x), k), np.int32), np.empty((len(x), k), np.float32)
    cells = shortlists.cells

    def work(start: int) -> None:
        part = slice(start, start + _CHUNK)
        found = _propose(x[part], shortlists, k + _EXTRA, cells.shift, cells.scale)
        measure(x[part], centres, found, k, indices[part], distances[part])

    in_threads(work, [(start,) for start in range(0, len(x), _CHUNK)], workers)
    return indices, distances


def _propose(
    x: NDArray[np.float32],
    shortlists: Shortlists,
    most: int,
    shift: NDArray[np.float32],
    scale: float,
) -> NDArray[np.int32]:
    """Centres with the best scores on the list of each row's cell, at most `most`, in no order."""
    coarse, lists, begin = shortlists.coarse, shortlists.lists, shortlists.begin
    if coarse is None:
        cell = np.zeros(len(x), np.int32)
    else:
        cell = _propose(x, coarse, 1, shift, scale)[:, 0]
    wanted = min(most, shortlists.shortest)
    places, _ = best_listed(
        x, cell, begin, shortlists.members, shortlists.halves, wanted, shift, scale
    )
    return lists.ravel()[places]
