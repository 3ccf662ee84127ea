"""Leaves: all rows in the leaf order of the tree, so that any cluster is a few ranges of rows.

Computed when a run is first explored. A row's place in this order is its **position**: first come
the rows of the first leaf, that is, of one representative, nearest ones first and outliers last;
then those of the second leaf, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shoal.progress import Progress
from shoal.stages.result import Result
from shoal.storage import RunFolder, StageFolder, fingerprint, write_npy

NAME = "leaves"
_VERSION = 1
_OUTLIER = np.uint32(1 << 31)
_AT_ONCE = 1 << 22


def leaves_fingerprint(run: RunFolder) -> str:
    return fingerprint(
        {"stage": NAME, "version": _VERSION}, run.stage("assign").read_receipt().fingerprint
    )


def make_leaves(run: RunFolder, folder: StageFolder, progress: Progress) -> dict[str, int]:
    """Write the rows by leaf; return counts for the receipt.

    Parameters
    ----------
    run
        A finished run.
    folder
        The folder to write, already started.
    progress
        Receives the number of processed rows, each row twice.
    """
    result = Result(run)
    order = result.tree.order
    m, n_rows = len(order), result.n_rows
    leaf_of = np.empty(m + 1, np.int32)
    leaf_of[order] = np.arange(m, dtype=np.int32)
    leaf_of[m] = -1  # the entry for −1
    counts = np.zeros(m, np.int64)
    for _, table in _parts(run, ["representative"]):
        leaf = leaf_of[table["representative"]]
        counts += np.bincount(leaf[leaf >= 0], minlength=m)
        progress.advance(len(leaf) // 2)  # each row is processed twice
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows, keys = _by_leaf(run, leaf_of, start, progress)
    outlying = _sorted_within(rows, keys, start)
    positions = np.full(n_rows, -1, _row_type(n_rows))
    positions[rows] = np.arange(len(rows), dtype=positions.dtype)
    second, margin = _seconds(run, leaf_of, positions, len(rows))
    twins = _twins(keys, second, margin, start)
    arrays = {
        "rows": rows,
        "seats": positions,
        "outlying": outlying,
        "second": second,
        "margin": margin,
        "twins": twins,
        "start": start,
    }
    for name, array in arrays.items():
        write_npy(folder.whole(name), array)
    return {"rows": len(rows), "twins": len(twins)}


def _row_type(n_rows: int) -> type[np.integer]:
    return np.int32 if n_rows < 1 << 31 else np.int64


def _parts(run: RunFolder, columns: list[str]) -> Iterator[tuple[int, dict[str, NDArray]]]:
    """Iterate over the shards: the first row of each, and some columns."""
    first = 0
    for block in Result(run).read_shards(*columns):
        yield first, dict(zip(columns, block, strict=True))
        first += len(block[0])


def _by_leaf(
    run: RunFolder, leaf_of: NDArray[np.int32], start: NDArray[np.int64], progress: Progress
) -> tuple[NDArray, NDArray[np.uint32]]:
    """Sort rows by leaf, each with a key: its distance, or above all others for an outlier."""
    n_rows = int(start[-1])
    rows, keys = np.empty(n_rows, _row_type(n_rows)), np.empty(n_rows, np.uint32)
    free = start[:-1].copy()
    for first, table in _parts(run, ["representative", "distance", "outlier"]):
        leaf = leaf_of[table["representative"]]
        by_leaf = np.argsort(leaf, kind="stable")
        by_leaf = by_leaf[np.searchsorted(leaf[by_leaf], 0) :]
        found, at, count = np.unique(leaf[by_leaf], return_index=True, return_counts=True)
        position = np.repeat(free[found] - at, count) + np.arange(len(by_leaf))
        free[found] += count
        rows[position] = first + by_leaf
        # The bit patterns of non-negative floats are ordered like the floats.
        key = table["distance"][by_leaf].astype(np.float32).view(np.uint32)
        keys[position] = key | np.where(table["outlier"][by_leaf], _OUTLIER, np.uint32(0))
        progress.advance(len(leaf) - len(leaf) // 2)
    return rows, keys


def _sorted_within(
    rows: NDArray, keys: NDArray[np.uint32], start: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Sort the rows of each leaf by key, in place; return the number of outliers of each leaf."""
    m = len(start) - 1
    outlying = np.zeros(m, np.int32)
    low = 0
    while low < m:
        high = max(low + 1, int(np.searchsorted(start, start[low] + _AT_ONCE, side="right")) - 1)
        a, b = int(start[low]), int(start[high])
        leaf = np.repeat(np.arange(low, high), np.diff(start[low : high + 1]))
        by_key = np.lexsort((keys[a:b], leaf))
        rows[a:b], keys[a:b] = rows[a:b][by_key], keys[a:b][by_key]
        outlying[low:high] = np.bincount(leaf[keys[a:b] >= _OUTLIER] - low, minlength=high - low)
        low = high
    return outlying


def _seconds(
    run: RunFolder, leaf_of: NDArray[np.int32], positions: NDArray, n_positions: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Return the leaf of the second nearest representative, and the margin, of each position."""
    second, margin = np.empty(n_positions, np.int32), np.empty(n_positions, np.uint8)
    for first, table in _parts(run, ["second", "margin"]):
        position = positions[first : first + len(table["margin"])]
        good = position >= 0
        second[position[good]] = leaf_of[table["second"][good]]
        margin[position[good]] = table["margin"][good]
    return second, margin


def _twins(
    keys: NDArray[np.uint32],
    second: NDArray[np.int32],
    margin: NDArray[np.uint8],
    start: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return positions next to one in the same leaf with equal distance, margin and second leaf."""
    same = (keys[1:] == keys[:-1]) & (second[1:] == second[:-1]) & (margin[1:] == margin[:-1])
    inner = start[1:-1]
    same[inner[(inner > 0) & (inner < len(keys))] - 1] = False
    alike = np.zeros(len(keys), np.bool_)
    alike[1:] = same
    alike[:-1] |= same
    return np.flatnonzero(alike)
