"""Images on the map, moved apart: each has a rectangle of its own, and none lies over another.

The map is cut into units, squares that first show four pictures. In each unit the rows share its
area: it is halved, down and across in turn, with the rows of either half as they lie, and at least
a quarter of them in each. So the halves of one row are next to each other, no part is empty, and a
picture grows with the zoom until it fills the view. Rows stay within their unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from shoal.core.morton import BITS, SIDE, to_places
from shoal.explore.area import within
from shoal.explore.atlas import Atlas, Kept
from shoal.explore.tiles import TILE, code_range

_MOST = 20_000  # rows of a unit that are shown; of more some, evenly: nobody looks at so many


@dataclass(frozen=True)
class Shown:
    """The pictures of a tile.

    Attributes
    ----------
    positions
        (p,) of the row that each shows.
    boxes
        (p, 4) pixels of the tile: left, top, right, bottom; they may reach beyond it.
    members
        All rows that lie in the boxes, by position.
    of
        The box of each member.
    """

    positions: NDArray[np.int64]
    boxes: NDArray[np.int64]
    members: NDArray[np.int64]
    of: NDArray[np.int64]

    def any_of(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which pictures stand for some of the members that are chosen."""
        found = np.zeros(len(self.boxes), np.bool_)
        found[self.of[chosen]] = True
        return found

    def cells(self, bits: int, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the value of the picture that lies in each cell, −1 for none, (n, n)."""
        found = np.full((1 << bits, 1 << bits), -1, np.int64)
        cell = TILE >> bits
        for (left, top, right, bottom), value in zip(self.boxes // cell, values, strict=True):
            found[max(top, 0) : bottom, max(left, 0) : right] = value
        return found


class Apart:
    """Where the images of a run lie on its map when they are moved apart.

    Parameters
    ----------
    atlas
        With a map.
    first
        The first zoom that shows pictures.
    bits
        A tile has 2^bits by 2^bits cells.
    """

    def __init__(self, atlas: Atlas, first: int, bits: int) -> None:
        self.atlas, self.bits = atlas, bits
        self.level = min(first + bits - 1, BITS)
        self._units = Kept(128)

    def unit(self, x: int, y: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows of a unit by position, and their boxes in places of the map, (n, 4)."""
        return self._units.get((x, y), partial(self._unit, x, y))

    def _unit(self, x: int, y: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        a, b = code_range(self.atlas, x, y, self.level)
        wide = SIDE >> self.level
        some = np.unique(np.linspace(a, b - 1, min(b - a, _MOST)).astype(np.int64))
        positions = self.atlas.coded_positions[some].astype(np.int64)
        places = np.stack(to_places(self.atlas.codes[some]), 1).astype(np.int64)
        return positions, _shared(places, (x * wide, y * wide), wide)

    def of_tile(self, zoom: int, x: int, y: int, true: bool = False) -> Shown:
        """Return the pictures of a tile: of small boxes in one cell, one that stands for all.

        At `true` places each row is a point.
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

    def _around(self, zoom: int, x: int, y: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows of all units that a tile touches, and their boxes."""
        down = self.level - zoom
        low = [at << down if down >= 0 else at >> -down for at in (x, y)]
        across = range(1 << max(down, 0))
        units = [self.unit(low[0] + i, low[1] + j) for j in across for i in across]
        positions, boxes = zip(*units, strict=True)
        return np.concatenate(positions), np.concatenate(boxes)

    def _true(self, zoom: int, x: int, y: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the rows of a tile, and a point for each."""
        a, b = code_range(self.atlas, x, y, zoom)
        places = np.stack(to_places(self.atlas.codes[a:b]), 1).astype(np.float64)
        positions = self.atlas.coded_positions[a:b].astype(np.int64)
        return positions, np.concatenate([places, places + 1e-3], 1)

    def place(self, position: int) -> list[float] | None:
        """Return the middle of the box of a row, the map being the square 0 to 1, if it has one."""
        x, y = (int(v[0]) for v in to_places(self.atlas.spots[np.array([position])]))
        positions, boxes = self.unit(*(v >> (BITS - self.level) for v in (x, y)))
        for box in boxes[positions == position]:
            middle: list[float] = ((box[:2] + box[2:]) / (2 * SIDE)).tolist()
            return middle
        return None

    def within(self, outline: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the rows, by position, the middle of whose boxes lies within an outline."""
        low, high = np.clip([outline.min(0), outline.max(0)], 0, 1 - 1e-9) * (1 << self.level)
        (x0, y0), (x1, y1) = low.astype(int), high.astype(int)
        found = [np.empty(0, np.int64)]
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                positions, boxes = self.unit(x, y)
                middle = (boxes[:, :2] + boxes[:, 2:]) / (2 * SIDE)
                inside = within(outline, middle[:, 0].copy(), middle[:, 1].copy())
                found.append(positions[inside])
        return np.concatenate(found)


def _shared(places: NDArray[np.int64], corner: tuple[int, int], wide: float) -> NDArray[np.float64]:
    """Share a square among places: boxes (n, 4), in fractions of a place where they are many."""
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
