"""Shortlists: for each coarse cell the centres that rows of the cell may be nearest to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.core.best import best_listed, best_of, measure
from shoal.core.cells import Cells, build_cells, checked
from shoal.core.products import in_threads

LENGTH = 512
_TRIED = 4  # times as many centres are tried for a list, by their distance to the cell's centre
_CHUNK = 65_536  # rows that are grouped by cell together
_EXTRA = 2  # proposals beyond k, to be measured exactly


@dataclass(frozen=True)
class Shortlists:
    """Centres grouped by coarse cell, each cell with the list of those near its own.

    Attributes
    ----------
    cells
        The coarse cells, and the frame in which all products are done.
    lists, begin
        The centres on the list of cell c are ``lists[begin[c] : begin[c + 1]]``, int32.
    members, halves
        Those centres in the frame of the cells, (L, d) float32, and half their squared
        lengths (L,).
    """

    cells: Cells
    lists: NDArray[np.int32]
    begin: NDArray[np.int64]
    members: NDArray[np.float32]
    halves: NDArray[np.float32]


def build_shortlists(
    centres: NDArray, seed: int = 0, workers: int = 1, length: int = LENGTH
) -> Shortlists:
    """Group centres by about 2√m cells and list for each cell those nearest to its own.

    A centre is as near to a cell as to the nearest centre in it, so rows at the border of a cell
    find what lies across it. With 512 of 32,000 centres on a list 99 % of rows find their
    nearest one; the four nearest cells of each row, an inverted file, find it as often at three
    times the cost, as rows of a cell there share no product.

    Parameters
    ----------
    centres
        (m, d) float32, finite, m ≥ 1.
    seed
        Of the coarse cells.
    workers
        Threads; the result does not depend on it.
    length
        Centres on a list, more where a cell has more than half as many of its own; with
        m ≤ length there is one list, of all.
    """
    centres = checked(centres, "centres")
    m = len(centres)
    cells = build_cells(centres, max(2, round(2 * m**0.5)) if m > length else 1, seed, workers)
    if len(cells.centres) == 1:
        begin = np.array([0, m], np.int64)
        return Shortlists(cells, cells.order, begin, cells.members, cells.halves)
    items = [(cells, c, length) for c in range(len(cells.centres))]
    lists = in_threads(_list_of, items, workers)
    begin = np.cumsum([0, *map(len, lists)])
    places = np.concatenate(lists)
    return Shortlists(
        cells, cells.order[places], begin, cells.members[places], cells.halves[places]
    )


def _list_of(cells: Cells, cell: int, length: int) -> NDArray[np.int64]:
    """Places in `cells.members` of the centres nearest to a cell, ascending."""
    start, stop = cells.start[cell : cell + 2]
    length = min(max(length, 2 * int(stop - start)), len(cells.order))
    apart = cells.halves - cells.members @ cells.centres[cell]
    tried = np.arange(len(apart))
    if len(tried) > _TRIED * length:
        # its own ones by all means: one far from all others lies far from its cell too
        near = np.argpartition(apart, _TRIED * length)[: _TRIED * length]
        tried = np.union1d(near, np.arange(start, stop))
    order = apart[tried]
    if stop > start:
        own, half = cells.members[start:stop], cells.halves[start:stop]
        order = cells.halves[tried] + (half[:, None] - own @ cells.members[tried].T).min(axis=0)
        order[(tried >= start) & (tried < stop)] = -np.inf
    return np.sort(tried[np.argsort(order, kind="stable")[:length]])


def search_shortlists(
    x: NDArray[np.float32],
    centres: NDArray[np.float32],
    shortlists: Shortlists,
    k: int,
    workers: int = 1,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Nearest k centres on the list of each row's cell, by exact distance.

    Parameters
    ----------
    x, centres
        (n, d) and (m, d) float32, finite; `shortlists` is built of these centres.
    k
        At most the length of a list.
    workers
        Threads. The result has the same bytes for any number.

    Returns
    -------
    tuple
        indices (n, k) int32 and distances (n, k) float32, sorted by distance, then index.
    """
    indices, distances = np.empty((len(x), k), np.int32), np.empty((len(x), k), np.float32)
    cells = shortlists.cells

    def work(start: int) -> None:
        part = slice(start, start + _CHUNK)
        framed = cells.framed(x[part])
        cell = np.zeros(len(framed), np.int32)
        if len(cells.centres) > 1:
            cell = best_of(framed, cells.centres, cells.centre_halves, 1)[0][:, 0]
        wanted = min(k + _EXTRA, int(np.diff(shortlists.begin).min()))
        lists, begin = shortlists.lists, shortlists.begin
        found, _ = best_listed(
            framed, cell, lists, begin, shortlists.members, shortlists.halves, wanted
        )
        measure(x[part], centres, found, k, indices[part], distances[part])

    in_threads(work, [(start,) for start in range(0, len(x), _CHUNK)], workers)
    return indices, distances
