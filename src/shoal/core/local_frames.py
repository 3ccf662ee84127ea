"""Exact neighbours for groups so far apart that one frame for all rows is too imprecise.

A float32 product loses differences that are small compared with the lengths of its rows. Relative
to a coarse cell the lengths are small, and cells out of reach of its rows can be skipped (triangle
inequality). So the search is repeated cell by cell, each in its own frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.core.cells import Cells, assign, build_cells, halves
from shoal.core.products import in_threads, recheck, search, search_among

_FEW = 0.2  # times √n rows are measured against all: grouping would cost more
_MORE = 128  # proposals beyond k
_SLACK = 1e-5  # of a distance, for its rounding
_ROWS = 4096  # in one piece of work
_FAR = 2.0  # times the median reach: rows beyond are looked for by themselves


@dataclass(frozen=True)
class _Search:
    """The k nearest of y for rows of x, written into `indices` and `distances`."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    itself: bool
    indices: NDArray[np.int32]
    distances: NDArray[np.float32]

    def among(self, rows: NDArray, cell: NDArray[np.float32], some: NDArray[np.int32]) -> None:
        """Search some rows of y in the frame of a cell; in doubt, measure all of them."""
        k = self.indices.shape[1]
        part, members = self.x[rows] - cell, self.y[some] - cell
        widest = max(float(np.abs(part).max()), float(np.abs(members).max()))
        scale = 1.0 / widest if widest > 1e-37 else 1.0
        part *= np.float32(scale)
        members *= np.float32(scale)
        own = np.full(len(rows), -1, np.int32)
        if self.itself:
            own[:] = np.searchsorted(some, rows)
        found, top = search(
            part,
            own,
            np.zeros((len(rows), 1), np.int32),
            members,
            halves(members),
            np.array([0, len(some)], np.int64),
            min(k + _MORE, len(some) - self.itself),
        )
        norms = np.einsum("ij,ij->i", part, part, dtype=np.float64)
        into = (self.indices, self.distances)
        unsure = recheck(self.x, rows, self.y, some, found, top, norms, scale, k, *into)
        search_among(self.x, rows[unsure], self.y, some, self.itself, k, *into)


def search_locally(
    x: NDArray[np.float32],
    rows: NDArray[np.int32],
    y: NDArray[np.float32],
    itself: bool,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
    workers: int,
) -> None:
    """Find the nearest of y, (m, d), exactly for some rows of x, (n, d), group by group.

    Parameters
    ----------
    rows
        Of x.
    itself
        True if x is y; then no row is its own neighbour.
    indices, distances
        (n, k): on input, upper bounds for the distances of `rows` (possibly infinite); both are set
        to the exact result, sorted by distance, then index.
    """
    wanted = _Search(x, y, itself, indices, distances)
    everything = np.arange(len(y), dtype=np.int32)
    if len(rows) <= _FEW * len(y) ** 0.5:
        k = indices.shape[1]
        pieces = [
            (x, rows[a : a + 64], y, everything, itself, k, indices, distances)
            for a in range(0, len(rows), 64)
        ]
        in_threads(search_among, pieces, workers)
        return
    cells = build_cells(y, round(len(y) ** 0.5), workers=workers)
    in_threads(wanted.among, list(_tasks(wanted, rows, cells, workers)), workers)


def _tasks(
    wanted: _Search, rows: NDArray, cells: Cells, workers: int
) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
    """Return rows, the centre of their cell, and the rows of y that may be their neighbours."""
    filled = np.flatnonzero(np.diff(cells.start))
    centres = (cells.centres.astype(np.float64) / cells.scale + cells.shift)[filled]
    of_y = [cells.order[cells.start[c] : cells.start[c + 1]] for c in filled]
    radius = np.array([_radius(wanted.y[r], c) for r, c in zip(of_y, centres, strict=True)])
    own = assign(cells.framed(wanted.x[rows]), cells.centres[filled], workers)[0]
    order = np.argsort(own, kind="stable")
    for mine in np.split(rows[order], np.flatnonzero(np.diff(own[order])) + 1):
        centre = centres[own[order[0]]]
        order = order[len(mine) :]
        reach = wanted.distances[mine, -1].astype(np.float64)
        far = reach > _FAR * np.median(reach)
        for part in (mine[~far], mine[far]):
            for a in range(0, len(part), _ROWS):
                some = part[a : a + _ROWS]
                bound = _radius(wanted.x[some], centre) + wanted.distances[some, -1].max()
                apart = np.sqrt(((centres - centre) ** 2).sum(1))
                near = np.flatnonzero(apart * (1.0 - _SLACK) <= (bound + radius) * (1.0 + _SLACK))
                members = np.sort(np.concatenate([of_y[c] for c in near]))
                yield some, centre.astype(np.float32), members


def _radius(rows: NDArray, centre: NDArray[np.float64]) -> float:
    return float(np.sqrt(((rows - centre) ** 2).sum(1).max()))
