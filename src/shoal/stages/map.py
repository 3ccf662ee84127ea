"""Map: a place in the plane for every row, sorted so that each tile of any zoom is one range.

Made when a run is first explored. For looking at only: no cluster depends on it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.layout import lay_out, neighbour_recall, place_rows, reaches
from shoal.core.morton import BITS
from shoal.progress import Progress
from shoal.stages.result import Result
from shoal.storage import RunFolder, StageFolder, fingerprint, read_npy, write_json, write_npy

NAME = "map"
COARSE = 10
"""Level of the cells that are counted beforehand, by leaf, where rows are many."""

MANY_ROWS = 2_000_000
_VERSION = 1
_AT_ONCE = 1 << 22


def map_fingerprint(leaves: str, seed: int) -> str:
    """Give the fingerprint of the map that belongs to some leaves."""
    return fingerprint({"stage": NAME, "version": _VERSION, "seed": seed}, leaves)


def make_map(
    run: RunFolder,
    leaves: StageFolder,
    folder: StageFolder,
    progress: Progress,
    *,
    seed: int = 0,
    workers: int = 1,
) -> dict[str, float]:
    """Write the map; give the counts for the receipt.

    Parameters
    ----------
    run
        A finished run.
    leaves
        Its stage leaves, done.
    folder
        Where to; begun.
    progress
        Is told parts of a thousand.
    seed, workers
        See `core.layout.lay_out`.
    """
    result = Result(run)
    order, vectors = result.tree.order, result.representatives.vectors
    if not folder.whole("layout").exists():
        told = _Told(progress)
        tree = run.stage("tree")
        near = (read_npy(tree.whole(name)) for name in ("neighbours", "distances"))
        flat = lay_out(vectors, order, *near, seed=seed, workers=workers, advance=told.layout)
        write_npy(folder.whole("layout"), flat[order])
    xy = read_npy(folder.whole("layout"))
    recall = neighbour_recall(vectors[order], xy, seed, workers)
    spots = _spots(leaves, xy, workers)
    write_npy(folder.whole("spots"), spots)
    by_code = np.argsort(spots, kind="stable").astype(_seat_type(len(spots)))
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


class _Told:
    """Tells a progress what share of a thousand is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._said = progress, 0

    def layout(self, share: float) -> None:
        """Tell the share of the layout that is done; it is nearly all of the work."""
        now = int(1000 * share)
        if now > self._said:
            self._progress.advance(now - self._said)
            self._said = now


def _seat_type(n: int) -> type[np.integer]:
    """Give the type that holds seats."""
    return np.int32 if n < 1 << 31 else np.int64


def _spots(leaves: StageFolder, xy: NDArray[np.float32], workers: int) -> NDArray[np.uint32]:
    """Give the code of each seat's place."""
    start = read_npy(leaves.whole("start"))
    second = read_npy(leaves.whole("second"), mmap=True)
    margin = read_npy(leaves.whole("margin"), mmap=True)
    reach, m = reaches(xy, workers), len(xy)
    spots = np.empty(len(margin), np.uint32)
    low = 0
    while low < m:
        high = max(low + 1, int(np.searchsorted(start, start[low] + _AT_ONCE, side="right")) - 1)
        a, b = int(start[low]), int(start[high])
        near, sure = np.array(second[a:b]), np.array(margin[a:b])
        spots[a:b] = place_rows(
            xy.astype(np.float64), reach, start[low : high + 1], near, sure, low
        )
        low = high
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
def _leaf_of(seats, start):  # type: ignore[no-untyped-def]
    """Give the leaf of each seat."""
    out = np.empty(len(seats), np.int32)
    for i in range(len(seats)):
        out[i] = np.searchsorted(start, seats[i], side="right") - 1
    return out
