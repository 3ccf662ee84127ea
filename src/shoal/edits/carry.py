"""Edits carried over from an earlier fit to a new one.

Two clusters correspond if each has more than half of its rows in the other. Edits are repeated in
order on corresponding clusters; those without effect or without such a cluster are skipped, with
the reason in the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.edits.cluster_mapping import Bridge
from shoal.edits.curation import Curation
from shoal.edits.errors import NotNowError
from shoal.edits.log import Entry
from shoal.edits.operations import OPERATIONS
from shoal.edits.state import State
from shoal.errors import InputError


@dataclass(frozen=True)
class Carried:
    edits: int  # number of active edits
    skipped: tuple[tuple[str, str], ...]  # skipped edits, described, each with the reason


def carry_over(before: Curation, after: Curation) -> Carried:
    """Repeat the edits of an earlier run on a new one; on failure none.

    Edits that cannot be repeated are logged as ``skipped``, with the reason.
    """
    carrier = Carrier(before, after, Bridge.between(before.ground, after.ground))
    done = len(before.done)
    with after.together():
        carrier.run()
    return Carried(done, tuple(carrier.skipped))


class Carrier:
    """Repeats edits, and tracks the ids of clusters in the new run."""

    def __init__(self, before: Curation, after: Curation, bridge: Bridge) -> None:
        self.after, self.bridge = after, bridge
        self.steps = before.steps()
        self.ids: dict[int, int] = {}
        self.skipped: list[tuple[str, str]] = []
        self.common = bridge.known
        self._entry: Entry | None = None

    def run(self) -> None:
        for number, (entry, was, now) in enumerate(self.steps):
            if number == 0:
                self.match(was)
            self._entry = entry
            try:
                OPERATIONS[entry.op].carry(self, entry, was, now)
            except InputError as error:
                self.skip(entry.describe(), str(error))

    def skip(self, what: str, why: str) -> None:
        self.skipped.append((what, why))
        self.do("skipped", what=what, why=why)

    def do(self, op: str, **request: Any) -> Entry:
        """Make an edit on the new run, with the author of the original."""
        author = "" if self._entry is None else self._entry.author
        return self.after.do(op, author=author, **request)

    def match(self, was: State) -> None:
        """Match the earlier clusters to new ones."""
        self.ids = {}
        for cluster in was.clusters:
            self.know(cluster, was.of_representative == cluster)

    def know(self, cluster: int, old: NDArray[np.bool_]) -> None:
        """Match an earlier cluster to a new one, if any."""
        there, total, own = self.spread(old)
        if there and total:
            best = max(there, key=lambda c: there[c])
            if 2 * there[best] > total and 2 * there[best] > own[best]:
                self.ids[cluster] = best

    def spread(self, old: NDArray[np.bool_]) -> tuple[dict[int, int], int, dict[int, int]]:
        """Count an earlier cluster's rows by new cluster and in total, and those clusters' rows."""
        shared = self.bridge.shared(old)
        labels = self.after.state.of_representative
        top = int(labels.max()) + 1
        there, own = np.zeros(top, np.int64), np.zeros(top, np.int64)
        np.add.at(there, labels, shared)
        np.add.at(own, labels, self.common)
        found = np.flatnonzero(there).tolist()
        return {c: int(there[c]) for c in found}, int(there.sum()), {c: int(own[c]) for c in found}

    def found(self, cluster: int, was: State) -> int:
        if cluster in self.ids and self.ids[cluster] in self.after.state.clusters:
            return self.ids[cluster]
        raise NotNowError(self.why_gone(cluster, was))

    def why_gone(self, cluster: int, was: State) -> str:
        there, total, own = self.spread(was.of_representative == cluster)
        if not total:
            return f"no row of cluster {cluster} is in the new data"
        best = sorted(there, key=lambda c: -there[c])[:3]
        if 2 * there[best[0]] > total:
            share = 100 * there[best[0]] / own[best[0]]
            return (
                f"cluster {cluster} is only {share:.0f} % of cluster {best[0]}, in which most of "
                "its rows are now"
            )
        where = ", ".join(f"{c} ({100 * there[c] / total:.0f} %)" for c in best)
        return f"the rows of cluster {cluster} are spread over clusters {where} now"

    def holder(self, cluster: int, was: State) -> int:
        """Return the new cluster that holds an earlier one, or more than half of its rows."""
        if cluster in self.ids:
            return self.found(cluster, was)
        there, total, _ = self.spread(was.of_representative == cluster)
        best = max(there, key=lambda c: there[c], default=-1)
        if best < 0 or 2 * there[best] <= total:
            raise NotNowError(self.why_gone(cluster, was))
        return best

    def rows(self, entry: Entry) -> NDArray[np.int64]:
        """Return the new rows of an edit; those that are gone are noted."""
        rows = self.bridge.rows(entry.rows)
        bad = self.after.labels_of(rows) < 0 if len(rows) else np.empty(0, np.bool_)
        rows = rows[~bad]
        gone = len(entry.rows) - len(rows)
        if not len(rows):
            raise NotNowError("none of the rows is in the new data")
        if gone:
            self.skip(f"{entry.describe()}: {gone:,} of them", "they are not in the new data")
        return rows
