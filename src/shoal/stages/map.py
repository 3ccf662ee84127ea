"""Map: 2-d coordinates of every row, sorted so that each tile of any zoom is one range.

Computed when a run is first explored. For viewing only: no cluster depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.layout import lay_out, neighbour_recall, place_rows, reaches
from shoal.core.morton import BITS
from shoal.core.per_process import PerProcess
from shoal.engines.base import Engine
from shoal.progress import Progress
from shoal.stages.result import Result
from shoal.storage import (
    RunFolder,
    StageFolder,
    fingerprint,
    read_npy,
    write_json,
    write_npy,
)

NAME = "map"
COARSE = 10
"""Zoom level whose cells are counted in advance, by leaf, if there are many rows."""

MANY_ROWS = 2_000_000
_VERSION = 1
_AT_ONCE = 1 << 22


def map_fingerprint(leaves: str, seed: int) -> str:
    return fingerprint({"stage": NAME, "version": _VERSION, "seed": seed}, leaves)


def make_map(
    run: RunFolder,
    leaves: StageFolder,
    folder: StageFolder,
    progress: Progress,
    *,
    seed: int = 0,
    workers: int = 1,
    engine: Engine | None = None,
) -> dict[str, float]:
    """Write the map; return counts for the receipt.

    Parameters
    ----------
    run
        A finished run.
    leaves
        Its finished stage leaves.
    folder
        The folder to write, already started.
    progress
        Receives the progress in thousandths.
    seed, workers
        See `core.layout.lay_out`.
    engine
        Places the rows, range by range, possibly on other machines; by default in this process.
    """
    result = Result(run)
    order, vectors = result.tree.order, result.representatives.vectors
    if not folder.whole("layout").exists():
        layout = _LayoutProgress(progress)
        tree = run.stage("tree")
        near = (read_npy(tree.whole(name)) for name in ("neighbours", "distances"))
        flat = lay_out(vectors, order, *near, seed=seed, workers=workers, advance=layout.report)
        write_npy(folder.whole("layout"), flat[order])
    xy = read_npy(folder.whole("layout"))
    recall = neighbour_recall(vectors[order], xy, seed, workers)
    spots = _spots(leaves, folder, xy, workers, engine)
    write_npy(folder.whole("spots"), spots)
    folder.delete_parts("placed")  # merged into the whole
    by_code = np.argsort(spots, kind="stable").astype(_position_type(len(spots)))
    codes = spots[by_code]
    write_npy(folder.whole("seats"), by_code)
    write_npy(folder.whole("codes"), codes)
    leaf = _leaf_of(by_code, read_npy(leaves.whole("start")))
    write_npy(folder.whole("leaf"), leaf)
    if len(spots) > MANY_ROWS:
        for name, array in _coarse(codes, leaf, len(xy)).items():
            write_npy(folder.whole(f"coarse_{name}"), array)
    shift = np.uint32(2 * (BITS - COARSE))
    cells = np.arange(1 << 2 * COARSE, dtype=np.uint32) << shift
    write_npy(folder.whole("cells"), np.append(np.searchsorted(codes, cells), len(codes)))
    write_json(folder.whole("about", "json"), {"recall": recall, "rows": len(spots)})
    return {"recall": round(recall, 3), "rows": len(spots)}


class _LayoutProgress:
    """Reports the finished share of the layout in thousandths."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._reported = progress, 0

    def report(self, share: float) -> None:
        """Report the finished share of the layout, which is nearly all of the work."""
        now = int(1000 * share)
        if now > self._reported:
            self._progress.advance(now - self._reported)
            self._reported = now


def _position_type(n: int) -> type[np.integer]:
    return np.int32 if n < 1 << 31 else np.int64


@dataclass(frozen=True)
class _Ground:
    """Coordinates, radius and first position of each leaf, for placing rows."""

    leaves: StageFolder
    xy: NDArray[np.float64]
    reach: NDArray[np.float64]
    start: NDArray[np.int64]

    @classmethod
    def of(cls, leaves: StageFolder, xy: NDArray[np.float32], workers: int) -> _Ground:
        start = read_npy(leaves.whole("start"))
        return cls(leaves, xy.astype(np.float64), reaches(xy, workers), start)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Ranges of leaves of limited numbers of rows."""
        found, low = [], 0
        while low < len(self.xy):
            stop = np.searchsorted(self.start, self.start[low] + _AT_ONCE, side="right")
            found.append((low, max(low + 1, int(stop) - 1)))
            low = found[-1][1]
        return found

    def place(self, low: int, high: int) -> NDArray[np.uint32]:
        """Return the Morton code of each position of a range of leaves."""
        a, b = int(self.start[low]), int(self.start[high])
        near, sure = (
            np.array(read_npy(self.leaves.whole(name), mmap=True)[a:b])
            for name in ("second", "margin")
        )
        return place_rows(self.xy, self.reach, self.start[low : high + 1], near, sure, low)


@dataclass(frozen=True)
class _PlaceRange:
    """Places the rows of a range of leaves."""

    leaves: StageFolder
    folder: StageFolder
    cache: PerProcess[_Ground] = field(default_factory=PerProcess, compare=False, repr=False)

    def setup(self) -> None:
        _ = self.ground

    @property
    def ground(self) -> _Ground:
        xy = self.folder.whole("layout")
        return self.cache.get(lambda: _Ground.of(self.leaves, read_npy(xy), 1))

    def __call__(self, item: int) -> None:
        placed = self.ground.place(*self.ground.ranges[item])
        write_npy(self.folder.part("placed", item), placed)


def _spots(
    leaves: StageFolder,
    folder: StageFolder,
    xy: NDArray[np.float32],
    workers: int,
    engine: Engine | None,
) -> NDArray[np.uint32]:
    """Return the Morton code of every position."""
    ground = _Ground.of(leaves, xy, workers)
    if engine is None:
        placed = (ground.place(*one) for one in ground.ranges)
    else:
        items, completed = range(len(ground.ranges)), partial(folder.numbers, "placed")
        left = sorted(set(items) - completed())
        engine.run(
            _PlaceRange(leaves, folder),
            left,
            completed=completed,
            describe=lambda number: f"range {number}",
        )
        placed = (read_npy(folder.part("placed", number)) for number in items)
    spots, done = np.empty(int(ground.start[-1]), np.uint32), 0
    for piece in placed:
        spots[done : done + len(piece)] = piece
        done += len(piece)
    return spots


def _coarse(
    codes: NDArray[np.uint32], leaf: NDArray[np.int32], n_leaves: int
) -> dict[str, NDArray]:
    """Count the rows of each leaf in each coarse cell: cell, leaf, count; cells ascending."""
    found = []
    for low in range(0, len(codes), _AT_ONCE):
        piece = slice(low, low + _AT_ONCE)
        cell = (codes[piece] >> np.uint32(2 * (BITS - COARSE))).astype(np.int64)
        pair, count = np.unique(cell * n_leaves + leaf[piece], return_counts=True)
        found.append((pair, count))
    pairs, counts = (np.concatenate(column) for column in zip(*found, strict=True))
    pair, at = np.unique(pairs, return_inverse=True)
    count = np.zeros(len(pair), np.int64)
    np.add.at(count, at, counts)
    cells, leaves = np.divmod(pair, n_leaves)
    return {
        "cell": cells.astype(np.int32),
        "leaf": leaves.astype(np.int32),
        "count": count.astype(np.int32),
    }


@njit(cache=True, nogil=True)
def _leaf_of(positions, start):  # type: ignore[no-untyped-def]
    """Return the leaf of each position."""
    out = np.empty(len(positions), np.int32)
    for i in range(len(positions)):
        out[i] = np.searchsorted(start, positions[i], side="right") - 1
    return out
