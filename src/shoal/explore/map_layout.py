"""Images on the map, moved apart: each has its own rectangle, without overlaps.

The map is divided into units, squares that first show four pictures. The rows of a unit share its
area by recursive halving, horizontally and vertically in turn; each half gets at least a quarter of
the rows. So no part is empty, and a picture grows with the zoom until it fills the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoal.core.morton import BITS, SIDE, to_places
from shoal.explore.area import within
from shoal.explore.atlas import Atlas, Cache
from shoal.explore.positions import Positions
from shoal.explore.tiles import TILE, code_range

_MOST = 20_000  # rows of a unit that are shown; of more some, evenly: nobody looks at so many

Boxes = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Positions of rows, (n,), and their boxes on the map: left, top, right, bottom, (n, 4)."""


@dataclass(frozen=True)
class Shown:
    """The pictures of a tile."""

    positions: NDArray[np.int64]  # of the row in each picture, (p,)
    # Left, top, right, bottom in pixels of the tile, which they may exceed, (p, 4)
    boxes: NDArray[np.int64]
    members: NDArray[np.int64]  # positions of all rows in the boxes
    of: NDArray[np.int64]  # the box of each member

    def any_of(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which pictures stand for any of the chosen members."""
        found = np.zeros(len(self.boxes), np.bool_)
        found[self.of[chosen]] = True
        return found

    def cells(self, bits: int, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the value of the picture in each cell, −1 without one, (n, n)."""
        found = np.full((1 << bits, 1 << bits), -1, np.int64)
        cell = TILE >> bits
        for (left, top, right, bottom), value in zip(self.boxes // cell, values, strict=True):
            found[max(top, 0) : bottom, max(left, 0) : right] = value
        return found


class Apart:
    """The layout of images that are moved apart, from the zoom `first`, in 2^bits cells a side."""

    def __init__(self, atlas: Atlas, first: int, bits: int) -> None:
        self.atlas, self.bits = atlas, bits
        self.level = min(first + bits - 1, BITS)
        self._units = Cache(128)

    def unit(self, x: int, y: int) -> Boxes:
        return self._units.get((x, y), partial(self._unit, x, y))

    def _unit(self, x: int, y: int) -> Boxes:
        a, b = code_range(self.atlas, x, y, self.level)
        wide = SIDE >> self.level
        some = np.unique(np.linspace(a, b - 1, min(b - a, _MOST)).astype(np.int64))
        positions = self.atlas.coded_positions[some].astype(np.int64)
        places = np.stack(to_places(self.atlas.codes[some]), 1).astype(np.int64)
        return positions, _shared(places, (x * wide, y * wide), wide)

    def of_tile(self, zoom: int, x: int, y: int, true: bool = False) -> Shown:
        """Return the pictures of a tile; small boxes in one cell share a picture.

        With `true`, rows are points at their exact positions.
        """
        positions, places = self._true(zoom, x, y) if true else self._around(zoom, x, y)
        scale = TILE * 2.0**zoom / SIDE
        boxes = places * scale - np.array([x, y, x, y]) * TILE
        inside = (boxes[:, :2] < TILE).all(1) & (boxes[:, 2:] > 0).all(1)
        positions, boxes = positions[inside], boxes[inside]
        cell = TILE >> self.bits
        small = (boxes[:, 2:] - boxes[:, :2]).min(1) < cell
        corner = np.floor(boxes[:, :2] / cell).astype(np.int64)
        boxes[small, :2], boxes[small, 2:] = corner[small] * cell, (corner[small] + 1) * cell
        boxes = np.rint(boxes).astype(np.int64)
        inner = positions - self.atlas.start[self.atlas.leaves_at(positions)]
        # The row nearest to its representative stands for a cell, so that it stays when one zooms.
        order = np.lexsort((positions, inner, boxes[:, 0], boxes[:, 1]))
        boxes, positions = boxes[order], positions[order]
        new = np.append(True, (np.diff(boxes[:, :2], axis=0) != 0).any(1))[: len(boxes)]
        return Shown(positions[new], boxes[new], positions, np.cumsum(new) - 1)

    def _around(self, zoom: int, x: int, y: int) -> Boxes:
        """Return the rows of all units that a tile touches, and their boxes."""
        down = self.level - zoom
        low = [at << down if down >= 0 else at >> -down for at in (x, y)]
        across = range(1 << max(down, 0))
        units = [self.unit(low[0] + i, low[1] + j) for j in across for i in across]
        positions, boxes = zip(*units, strict=True)
        return np.concatenate(positions), np.concatenate(boxes)

    def _true(self, zoom: int, x: int, y: int) -> Boxes:
        """Return the rows of a tile, and a point for each."""
        a, b = code_range(self.atlas, x, y, zoom)
        places = np.stack(to_places(self.atlas.codes[a:b]), 1).astype(np.float64)
        positions = self.atlas.coded_positions[a:b].astype(np.int64)
        return positions, np.concatenate([places, places + 1e-3], 1)

    def place(self, position: int) -> list[float] | None:
        """Return the centre of a row's box on the map (0 to 1), or None."""
        x, y = (int(v[0]) for v in to_places(self.atlas.spots[np.array([position])]))
        positions, boxes = self.unit(*(v >> (BITS - self.level) for v in (x, y)))
        for box in boxes[positions == position]:
            middle: list[float] = ((box[:2] + box[2:]) / (2 * SIDE)).tolist()
            return middle
        return None

    def within(self, outline: NDArray[np.float64]) -> Positions:
        """Return the rows whose box has its centre in an outline."""
        low, high = np.clip([outline.min(0), outline.max(0)], 0, 1 - 1e-9) * (1 << self.level)
        (x0, y0), (x1, y1) = low.astype(int), high.astype(int)
        found = [np.empty(0, np.int64)]
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                positions, boxes = self.unit(x, y)
                middle = (boxes[:, :2] + boxes[:, 2:]) / (2 * SIDE)
                inside = within(outline, middle[:, 0].copy(), middle[:, 1].copy())
                found.append(positions[inside])
        return Positions.of(np.concatenate(found))


def _shared(places: NDArray[np.int64], corner: tuple[int, int], wide: float) -> NDArray[np.float64]:
    """Divide a square among places; return their boxes, (n, 4)."""
    n = len(places)
    low, size = np.tile(np.asarray(corner, np.float64), (n, 1)), np.full((n, 2), wide, np.float64)
    half, rows, part = np.array([wide, wide], np.float64), np.arange(n), np.zeros(n, np.int64)
    axis = 1  # photos are wider than tall: halves are, too
    while len(rows) > 1:
        half[axis] /= 2
        along = places[rows, axis]
        order = np.lexsort((along, part))
        rows, part, along = rows[order], part[order], along[order]
        start = np.flatnonzero(np.diff(part, prepend=-1))
        count = np.diff(np.append(start, len(rows)))
        before = np.add.reduceat(along < low[rows, axis] + half[axis], start)
        least = (count + 3) // 4
        before = np.clip(before, least, count - least)
        second = np.arange(len(rows)) - np.repeat(start, count) >= np.repeat(before, count)
        several = np.repeat(count > 1, count)
        size[rows[several], axis] = half[axis]
        low[rows, axis] += np.where(several & second, half[axis], 0)
        rows, part = rows[several], 2 * part[several] + second[several]
        axis = 1 - axis
    return np.concatenate([low, low + size], 1)
