"""The state after edits: the cluster of each representative, and moved rows.

States are immutable and share unchanged data, so that many can be kept; undo returns to an earlier
one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.edits.base_fit import Base, BaseFit
from shoal.edits.errors import LockedError
from shoal.errors import InputError

Touched = frozenset[int] | None
"""The clusters that an edit changed, created or removed; None for all of them."""


@dataclass(frozen=True)
class Cluster:
    """A cluster with its annotations."""

    id: int  # never changed by edits of other clusters
    name: str | None = None
    note: str = ""
    mark: str | None = None  # ``"good"``, ``"junk"``, or None
    locked: bool = False  # edits are refused


@dataclass(frozen=True)
class Answers:
    """Answers of a quiz on a cluster: rows that belong to it, and rows that do not."""

    right: tuple[int, ...]
    wrong: tuple[int, ...]
    rows: int  # size of the cluster then
    stale: bool = False  # the cluster was changed since


@dataclass(frozen=True)
class State:
    """A clustering after edits."""

    base: Base  # The cut that they started from
    clusters: Mapping[int, Cluster]  # All of them by id, ascending
    # (m,) cluster of each representative and of its rows, except moved ones
    of_representative: NDArray[np.int32]
    # (r,) single moved rows, sorted, their clusters, and their representatives
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    row_cluster: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    row_place: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    # Pairs of clusters (smaller id first) that a person declared different
    apart: frozenset[tuple[int, int]] = frozenset()
    whole: frozenset[int] = frozenset()  # clusters that a person declared to be one
    answers: Mapping[int, Answers] = field(default_factory=dict)  # of the last quiz on each

    @property
    def fit(self) -> BaseFit:
        return self.base.fit

    @cached_property
    def own_rows(self) -> NDArray[np.int64]:
        """Rows of each representative that were not moved to another cluster, (m,)."""
        away = self.row_place[self.row_cluster != self.of_representative[self.row_place]]
        return self.fit.counts - np.bincount(away, minlength=len(self.fit.counts))

    @cached_property
    def foreign(self) -> NDArray[np.bool_]:
        """True for moved rows outside the cluster of their representative, (r,)."""
        return np.asarray(self.row_cluster != self.of_representative[self.row_place])

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Rows of each cluster."""
        top = max(self.clusters) + 1
        sizes = np.zeros(top, np.int64)
        np.add.at(sizes, self.of_representative, self.own_rows)
        sizes += np.bincount(self.row_cluster[self.foreign], minlength=top)
        return {cluster: int(sizes[cluster]) for cluster in self.clusters}

    @cached_property
    def voted(self) -> NDArray[np.int32]:
        """The cluster of most rows of each representative, (m,) int32, used to assign new rows.

        In a tie, and without rows, it is the representative's own cluster.
        """
        labels = self.of_representative.copy()
        top = max(self.clusters) + 1
        pairs = self.row_place[self.foreign].astype(np.int64) * top + self.row_cluster[self.foreign]
        distinct, counts = np.unique(pairs, return_counts=True)
        place, cluster = np.divmod(distinct, top)
        order = np.lexsort((cluster, counts, place))
        last = np.flatnonzero(np.append(np.diff(place[order]) > 0, True)) if len(order) else order
        best = order[last]
        best = best[counts[best] > self.own_rows[place[best]]]
        labels[place[best]] = cluster[best]
        return labels

    def labels_of(self, rows: NDArray[np.int64], places: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the clusters of sorted rows, given their representatives; −1 for quarantined."""
        labels = np.append(self.of_representative, np.int32(-1))[places]
        if len(self.rows) and len(rows):
            low, high = np.searchsorted(self.rows, [rows[0], rows[-1] + 1])
            at = np.searchsorted(rows, self.rows[low:high])
            there = rows[at] == self.rows[low:high]
            labels[at[there]] = self.row_cluster[low:high][there]
        return labels

    def changed(
        self,
        *clusters: Cluster,
        gone: tuple[int, ...] = (),
        stale: tuple[int, ...] = (),
        **more: Any,
    ) -> State:
        """Return a state with new, changed and removed clusters, and other fields changed (`more`).

        Quiz answers on the clusters `stale` are marked as out of date.
        """
        kept = {c: cluster for c, cluster in self.clusters.items() if c not in gone}
        kept.update((c.id, c) for c in clusters)
        answers = {
            c: replace(found, stale=True) if c in stale else found
            for c, found in self.answers.items()
            if c not in gone
        }
        return replace(self, clusters=dict(sorted(kept.items())), answers=answers, **more)

    def existing(self, cluster: Any) -> int:
        found = whole_number(cluster, "cluster")
        if found not in self.clusters:
            near = ", ".join(map(str, list(self.clusters)[:8]))
            more = ", …" if len(self.clusters) > 8 else ""
            raise InputError(f"there is no cluster {found}; the clusters are {near}{more}")
        return found

    def editable(self, cluster: Any) -> int:
        """Check that a cluster exists and is not locked, and return its id."""
        found = self.existing(cluster)
        self.refuse_locked(found)
        return found

    def refuse_locked(self, *clusters: int) -> None:
        for cluster in clusters:
            if self.clusters[cluster].locked:
                raise LockedError(f"cluster {cluster} is locked: unlock it first")

    def refuse_elsewhere(
        self, rows: NDArray[np.int64], places: NDArray[np.int32], cluster: int
    ) -> None:
        """Raise InputError for a row outside a cluster; rows and places as in `labels_of`."""
        elsewhere = rows[self.labels_of(rows, places) != cluster]
        if len(elsewhere):
            raise InputError(f"row {elsewhere[0]} is not in cluster {cluster}")


def whole_number(value: Any, what: str) -> int:
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return index(value)
    except TypeError:
        raise InputError(f"{what} {value!r}: give a whole number") from None


def same_rows(one: State, other: State) -> bool:
    """Return whether all rows are in the same clusters, regardless of names and marks."""
    arrays = ("of_representative", "rows", "row_cluster", "row_place")
    return list(one.clusters) == list(other.clusters) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


def first_state(base: Base) -> State:
    ids = np.unique(base.labels).tolist()
    return State(base, {cluster: Cluster(cluster) for cluster in ids}, base.labels)
