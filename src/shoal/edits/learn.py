"""What the next fit can learn from edits: which rows stay together, and which come apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from shoal.core.constraints import Constraints
from shoal.edits.curation import Curation
from shoal.edits.state import State
from shoal.stages.common import labels_in_common, rows_in_common
from shoal.stages.result import Result
from shoal.storage import RunFolder, fingerprint, read_npy


@dataclass(frozen=True)
class Lessons:
    together: frozenset[int]  # Clusters that were merged from several, or said to be one thing
    # Pairs of clusters that share rows of one cluster of the base, or were said to be apart
    apart: frozenset[tuple[int, int]]

    @property
    def clusters(self) -> list[int]:
        """All of which something was said."""
        return sorted({*self.together, *(c for pair in self.apart for c in pair)})


def lessons(state: State) -> Lessons:
    """Say what the edits of a state tell of its clusters; junk tells nothing."""
    top = max(state.clusters) + 1
    junk = {c.id for c in state.clusters.values() if c.mark == "junk"}
    base = state.base.labels.astype(np.int64)
    with_rows = np.flatnonzero(state.own_rows > 0)
    whole = np.unique(base[with_rows] * top + state.of_representative[with_rows])
    moved = np.unique(base[state.row_place] * top + state.row_cluster)
    pieces = {tuple(divmod(int(key), top)) for key in whole}
    sources: dict[int, int] = {}
    for _, cluster in pieces:
        sources[cluster] = sources.get(cluster, 0) + 1
    together = {c for c, count in sources.items() if count > 1} | set(state.whole)
    goals: dict[int, set[int]] = {}
    for origin, cluster in pieces | {tuple(divmod(int(key), top)) for key in moved}:
        goals.setdefault(origin, set()).add(cluster)
    apart = set(state.apart)
    for clusters in goals.values():
        apart |= set(combinations(sorted(clusters), 2))
    good = set(state.clusters) - junk
    return Lessons(
        frozenset(together & good), frozenset(pair for pair in apart if good.issuperset(pair))
    )


@dataclass(frozen=True)
class Learnt:
    """The edits of an earlier run, as constraints on the tree of a new one."""

    curation: Curation

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.curation.fit.fingerprint, str(self.curation.seq))

    def constraints(self, run: RunFolder) -> Constraints | None:
        """Return what the edits say of the representatives of a new run, None for nothing.

        Each representative is spoken for by the row that it is, or is nearest to it; new rows
        have nothing said of them.
        """
        learnt = lessons(self.curation.state)
        if not learnt.clusters:
            return None
        ids = np.asarray(learnt.clusters)
        at = {cluster: number for number, cluster in enumerate(learnt.clusters)}
        return Constraints(
            _numbered(self._labels(run), ids),
            np.isin(ids, sorted(learnt.together)),
            np.asarray([[at[a], at[b]] for a, b in sorted(learnt.apart)], np.int32).reshape(-1, 2),
        )

    def _labels(self, run: RunFolder) -> NDArray[np.int32]:
        """Return the earlier cluster of each new representative's row, −1 for none."""
        own = read_npy(run.stage("summarise").whole("rows"))
        then = rows_in_common(self.curation.fit.result, Result(run))
        rows = own if then is None else then[own]
        labels = self.curation.labels_of(np.maximum(rows, 0))
        return labels_in_common(labels, np.where(rows < 0, -1, np.arange(len(rows))))


def _numbered(labels: NDArray[np.int32], ids: NDArray) -> NDArray[np.int32]:
    """Return the place of each label among ids, −1 where it is none of them."""
    at = np.searchsorted(ids, labels).clip(0, len(ids) - 1)
    return np.where(ids[at] == labels, at, -1).astype(np.int32)
