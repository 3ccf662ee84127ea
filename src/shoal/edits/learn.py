"""Constraints on the next fit from edits: which rows stay together, and which are separated."""

from __future__ import annotations

from collections import Counter
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
class Relations:
    together: frozenset[int]  # Clusters that were merged from several, or declared to be one
    # Pairs of clusters that share rows of one cluster of the base, or were declared different
    apart: frozenset[tuple[int, int]]

    @property
    def clusters(self) -> list[int]:
        return sorted({*self.together, *(c for pair in self.apart for c in pair)})


def relations_of(state: State) -> Relations:
    """Return what the edits tell about the clusters of a state, except junk."""
    top = max(state.clusters) + 1
    base = state.base.labels.astype(np.int64)
    with_rows = np.flatnonzero(state.own_rows > 0)
    pieces = _pairs(base[with_rows], state.of_representative[with_rows], top)
    moved = _pairs(base[state.row_place], state.row_cluster, top)
    sources = Counter(cluster for _, cluster in pieces)
    together = {c for c, count in sources.items() if count > 1} | state.whole
    parts: dict[int, set[int]] = {}
    for origin, cluster in pieces | moved:
        parts.setdefault(origin, set()).add(cluster)
    apart = set(state.apart)
    for clusters in parts.values():
        apart |= set(combinations(sorted(clusters), 2))
    good = {c.id for c in state.clusters.values() if c.mark != "junk"}
    return Relations(
        frozenset(together & good), frozenset(pair for pair in apart if good.issuperset(pair))
    )


def _pairs(a: NDArray[np.int64], b: NDArray[np.int32], top: int) -> set[tuple[int, int]]:
    """Return the distinct pairs of two columns of numbers below `top`."""
    return {divmod(key, top) for key in np.unique(a * top + b).tolist()}


@dataclass(frozen=True)
class EditConstraints:
    """The edits of an earlier run, as constraints on the tree of a new one."""

    curation: Curation

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.curation.fit.fingerprint, str(self.curation.seq))

    def constraints(self, run: RunFolder) -> Constraints | None:
        """Return constraints on the representatives of a new run, or None.

        Each representative gets those of the row that it is, or that is nearest to it; there are
        none for new rows.
        """
        relations = relations_of(self.curation.state)
        if not relations.clusters:
            return None
        ids = np.asarray(relations.clusters)
        at = {cluster: number for number, cluster in enumerate(relations.clusters)}
        return Constraints(
            _numbered(self._labels(run), ids),
            np.isin(ids, sorted(relations.together)),
            np.asarray([[at[a], at[b]] for a, b in sorted(relations.apart)], np.int32).reshape(
                -1, 2
            ),
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
