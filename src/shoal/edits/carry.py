"""Edits carried over from an earlier fit to a new one.

Two clusters correspond if each has more than half of its rows in the other. Edits are repeated in
order on corresponding clusters; those without effect or without such a cluster are skipped, with
the reason in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.edits.base_fit import BaseFit
from shoal.edits.curation import Curation
from shoal.edits.errors import NotNowError
from shoal.edits.log import Entry
from shoal.edits.operations import OPERATIONS
from shoal.edits.state import State
from shoal.errors import InputError
from shoal.stages.common import rows_in_common

_AT_ONCE = 4_000_000  # rows whose pairs of representatives are counted together


@dataclass(frozen=True)
class Carried:
    edits: int  # number of active edits
    skipped: tuple[tuple[str, str], ...]  # skipped edits, described, each with the reason


def carry_over(before: Curation, after: Curation) -> Carried:
    """Repeat the edits of an earlier run on a new one; on failure none.

    Edits that cannot be repeated are logged as ``skipped``, with the reason.
    """
    carrier = Carrier(after, Overlap.between(before.fit, after.fit))
    done = len(before.done)
    with after.together():
        carrier.run(before)
    return Carried(done, tuple(carrier.skipped))


@dataclass(frozen=True)
class Overlap:
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
    def between(cls, before: BaseFit, after: BaseFit) -> Overlap:
        rows = rows_in_common(before.result, after.result)
        m_old, m_new = before.tree.n_leaves, after.tree.n_leaves
        keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
        waiting: list[NDArray[np.int64]] = []
        for start, places in after.shards():
            stop = start + len(places)
            own = np.arange(start, stop) if rows is None else rows[start:stop]
            then = np.where(own < 0, -1, before.deciding(np.maximum(own, 0)))
            good = (places >= 0) & (then >= 0)
            waiting.append(then[good].astype(np.int64) * m_new + places[good])
            if sum(map(len, waiting)) > _AT_ONCE:
                keys, counts = _add_pairs(keys, counts, waiting)
                waiting = []
        keys, counts = _add_pairs(keys, counts, waiting)
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

    @cached_property
    def known(self) -> NDArray[np.int64]:
        """Rows of each new representative that the old fit has too, (m,)."""
        return self.shared(np.ones(self.m_old, np.bool_))


def _add_pairs(
    keys: NDArray[np.int64], counts: NDArray[np.int64], more: list[NDArray[np.int64]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    distinct, times = np.unique(np.concatenate([*more, keys[:0]]), return_counts=True)
    both, at = np.unique(np.concatenate([keys, distinct]), return_inverse=True)
    total = np.zeros(len(both), np.int64)
    np.add.at(total, at, np.concatenate([counts, times]))
    return both, total


class Carrier:
    """Repeats edits, and tracks the ids of clusters in the new run."""

    def __init__(self, edits: Curation, overlap: Overlap) -> None:
        self.edits, self.overlap = edits, overlap
        self.ids: dict[int, int] = {}
        self.skipped: list[tuple[str, str]] = []
        self._author = ""

    def run(self, earlier: Curation) -> None:
        for number, (entry, before, after) in enumerate(earlier.steps()):
            if number == 0:
                self.match_all(before)
            self._author = entry.author
            try:
                OPERATIONS[entry.op].carry(self, entry, before, after)
            except InputError as error:
                self.skip(entry.describe(), str(error))

    def skip(self, what: str, why: str) -> None:
        self.skipped.append((what, why))
        self.do("skipped", what=what, why=why)

    def do(self, op: str, **request: Any) -> Entry:
        """Make an edit on the new run, with the author of the original."""
        return self.edits.do(op, author=self._author, **request)

    def match_all(self, before: State) -> None:
        """Match the earlier clusters to new ones."""
        self.ids = {}
        for cluster in before.clusters:
            self.match(cluster, before.of_representative == cluster)

    def match(self, cluster: int, old: NDArray[np.bool_]) -> None:
        """Match an earlier cluster to a new one, if any."""
        there, total, own = self.spread(old)
        if there and total:
            best = max(there, key=lambda c: there[c])
            if 2 * there[best] > total and 2 * there[best] > own[best]:
                self.ids[cluster] = best

    def spread(self, old: NDArray[np.bool_]) -> tuple[dict[int, int], int, dict[int, int]]:
        """Count an earlier cluster's rows by new cluster and in total, and those clusters' rows."""
        labels = self.edits.state.of_representative
        top = int(labels.max()) + 1
        there, own = np.zeros(top, np.int64), np.zeros(top, np.int64)
        np.add.at(there, labels, self.overlap.shared(old))
        np.add.at(own, labels, self.overlap.known)
        found = np.flatnonzero(there).tolist()
        return {c: int(there[c]) for c in found}, int(there.sum()), {c: int(own[c]) for c in found}

    def found(self, cluster: int, before: State) -> int:
        if cluster in self.ids and self.ids[cluster] in self.edits.state.clusters:
            return self.ids[cluster]
        raise NotNowError(self.why_gone(cluster, before))

    def why_gone(self, cluster: int, before: State) -> str:
        there, total, own = self.spread(before.of_representative == cluster)
        if not total:
            return f"no row of cluster {cluster} is in the new data"
        best = sorted(there, key=lambda c: -there[c])[:3]
        if 2 * there[best[0]] > total:
            share = 100 * there[best[0]] / own[best[0]]
            return (
                f"cluster {cluster} is only {share:.0f}% of cluster {best[0]}, in which most of "
                "its rows are now"
            )
        where = ", ".join(f"{c} ({100 * there[c] / total:.0f}%)" for c in best)
        return f"the rows of cluster {cluster} are spread over clusters {where} now"

    def holder(self, cluster: int, before: State) -> int:
        """Return the new cluster that holds an earlier one, or more than half of its rows."""
        if cluster in self.ids:
            return self.found(cluster, before)
        there, total, _ = self.spread(before.of_representative == cluster)
        best = max(there, key=lambda c: there[c], default=-1)
        if best < 0 or 2 * there[best] <= total:
            raise NotNowError(self.why_gone(cluster, before))
        return best

    def rows(self, entry: Entry) -> NDArray[np.int64]:
        """Return the new rows of an edit; those that are gone are noted."""
        rows = self.overlap.rows(entry.rows)
        if len(rows):
            rows = rows[self.edits.labels_of(rows) >= 0]
        if not len(rows):
            raise NotNowError("none of the rows is in the new data")
        gone = len(entry.rows) - len(rows)
        if gone:
            self.skip(f"{entry.describe()}: {gone:,} of them", "they are not in the new data")
        return rows
