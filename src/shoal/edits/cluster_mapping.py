"""From the clusters of one fit to those of another, over the rows that both have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.edits.base_clusters import Ground
from shoal.stages.common import rows_in_common

_GATHERED = 4_000_000


@dataclass(frozen=True)
class Bridge:
    """How many rows each representative of one fit shares with each of another."""

    # (p,) int64 representatives, in pairs that share rows
    old: NDArray[np.int64]
    new: NDArray[np.int64]
    count: NDArray[np.int64]  # (p,) int64 rows that they share
    # (N,) int64 the new row of each old one, −1 where it is gone; None for the same rows
    to_new: NDArray[np.int64] | None
    # How many representatives both fits have
    m_old: int
    m_new: int

    @classmethod
    def between(cls, before: Ground, after: Ground) -> Bridge:
        """Go through the rows of both fits, shard by shard."""
        rows = rows_in_common(before.result, after.result)
        m_old, m_new = before.tree.n_leaves, after.tree.n_leaves
        keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        waiting: list[NDArray[np.int64]] = []
        for start, places in after.shards():
            own = (
                np.arange(start, start + len(places))
                if rows is None
                else rows[start:][: len(places)]
            )
            then = np.where(own < 0, -1, before.deciding(np.maximum(own, 0)))
            good = (places >= 0) & (then >= 0)
            waiting.append(then[good].astype(np.int64) * m_new + places[good])
            if sum(map(len, waiting)) > _GATHERED:
                keys, counts = _added(keys, counts, waiting)
                waiting = []
        keys, counts = _added(keys, counts, waiting)
        to_new = None
        if rows is not None:
            to_new = np.full(before.n_rows, -1, np.int64)
            to_new[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
        return cls(keys // m_new, keys % m_new, counts, to_new, m_old, m_new)

    def rows(self, old_rows: NDArray[np.int64]) -> NDArray[np.int64]:
        found = old_rows if self.to_new is None else self.to_new[old_rows]
        return np.sort(found[found >= 0])

    def shared(self, old: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count the rows that some old representatives share with each new one, (m,)."""
        mine = old[self.old]
        found = np.zeros(self.m_new, np.int64)
        np.add.at(found, self.new[mine], self.count[mine])
        return found

    @property
    def known(self) -> NDArray[np.int64]:
        """Rows of each new representative that the old fit has too, (m,)."""
        return self.shared(np.ones(self.m_old, np.bool_))


def _added(
    keys: NDArray[np.int64], counts: NDArray[np.int64], more: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    distinct, times = np.unique(np.concatenate([*more, keys[:0]]), return_counts=True)
    both, at = np.unique(np.concatenate([keys, distinct]), return_inverse=True)
    total = np.zeros(len(both), np.int64)
    np.add.at(total, at, np.concatenate([counts, times]))
    return both, total
