"""Dendrograms as merges: numbered, cut, laid out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def numbered(
    pairs: NDArray[np.int64], heights: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Turn pairs of rows, one of each cluster joined, into merges of nodes, lowest first.

    Rows are the nodes 0 .. m − 1, and the t-th merge makes node m + t.
    """
    m = len(pairs) + 1
    order = np.argsort(heights, kind="stable")
    parent, node = np.arange(m), np.arange(m)
    merges = np.empty((m - 1, 2), np.int64)
    for t, (a, b) in enumerate(pairs[order].tolist()):
        one, other = _root(parent, a), _root(parent, b)
        merges[t] = sorted((int(node[one]), int(node[other])))
        parent[one] = other
        node[other] = m + t
    return merges, heights[order]


def _root(parent: NDArray[np.int64], row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = int(parent[row])
    return row


def cut(merges: NDArray[np.int64], k: int) -> NDArray[np.int32]:
    """Return the cluster of each row where all but the last k − 1 merges are done, (m,)."""
    m = len(merges) + 1
    order, places = laid_out(merges)
    labels = np.empty(m, np.int32)
    bounds = np.concatenate([[0], np.sort(places[: k - 1]), [m]])
    labels[order] = np.repeat(np.arange(k, dtype=np.int32), np.diff(bounds))
    return labels


def laid_out(merges: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows in leaf order, (m,), and where it is cut, (m − 1,), highest merge first."""
    m = len(merges) + 1
    size = np.ones(2 * m - 1, np.int64)
    for t, (a, b) in enumerate(merges.tolist()):
        size[m + t] = size[a] + size[b]
    low, places = np.zeros(2 * m - 1, np.int64), np.empty(m - 1, np.int64)
    for t in range(m - 2, -1, -1):
        a, b = merges[t].tolist()
        low[a] = low[m + t]
        low[b] = places[m - 2 - t] = low[m + t] + size[a]
    order = np.empty(m, np.int64)
    order[low[:m]] = np.arange(m)
    return order, places
