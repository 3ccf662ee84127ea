"""The state that edits lead to: a map from representatives to clusters, and moved rows.

Pure: a state and an edit give a state. States share what an edit leaves alone, so many of them
can be kept, and undoing is going back to an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.edits.base_clusters import Base
from shoal.edits.errors import LockedError
from shoal.errors import InputError

Touched = frozenset[int] | None
"""The clusters that an edit changed, made or took away; None for all of them."""


@dataclass(frozen=True)
class Cluster:
    """What people said of a cluster."""

    id: int  # Stays with it for ever; editing others never changes it
    # As given; None and empty at first
    name: str | None = None
    note: str = ""
    mark: str | None = None  # ``"good"``, ``"junk"``, or None
    locked: bool = False  # Whether it refuses edits


@dataclass(frozen=True)
class Answers:
    """What a quiz found of a cluster: rows that belong to it, and rows that do not.

    `rows` is how many rows the cluster had; `stale` tells that it changed since.
    """

    right: tuple[int, ...]
    wrong: tuple[int, ...]
    rows: int
    stale: bool = False


@dataclass(frozen=True)
class State:
    """A clustering as edits left it."""

    base: Base  # The cut that they started from
    clusters: Mapping[int, Cluster]  # All of them by id, ascending
    # (m,) cluster of each representative, and of the rows that it decides, but for those moved
    of_representative: NDArray[np.int32]
    # (r,) the rows that were moved themselves, sorted, their clusters, and their representatives
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    row_cluster: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    row_place: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    # Pairs of clusters (smaller id first) that a person said to be different
    apart: frozenset[tuple[int, int]] = frozenset()
    whole: frozenset[int] = frozenset()  # Clusters that a person said to be one thing
    answers: Mapping[int, Answers] = field(default_factory=dict)  # Of the last quiz on each

    @cached_property
    def own_rows(self) -> NDArray[np.int64]:
        """Rows of each representative that are in its cluster, (m,)."""
        away = self.row_place[self.row_cluster != self.of_representative[self.row_place]]
        return self.base.counts - np.bincount(away, minlength=len(self.base.counts))

    @cached_property
    def foreign(self) -> NDArray[np.bool_]:
        """Which of the moved rows are not in the cluster of their representative, (r,)."""
        return np.asarray(self.row_cluster != self.of_representative[self.row_place])

    @cached_property
    def sizes(self) -> dict[int, int]:
        """Rows of each cluster; exact, also when there are none."""
        top = max(self.clusters) + 1
        sizes = np.zeros(top, np.int64)
        np.add.at(sizes, self.of_representative, self.own_rows)
        sizes += np.bincount(self.row_cluster[self.foreign], minlength=top)
        return {cluster: int(sizes[cluster]) for cluster in self.clusters}

    @cached_property
    def voted(self) -> NDArray[np.int32]:
        """The cluster that most rows of each representative are in, (m,) int32.

        By this new rows are placed. Its own where as many are in another; so it is where it
        decides no row.
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
        """Return the clusters of rows, −1 where quarantined.

        `rows`: (n,) int64, sorted.
        `places`: (n,) the representatives that decide them.
        """
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
        """Return a state with some clusters new or changed, and some gone.

        Answers on the clusters of `stale` are marked as out of date; `more` are other fields.
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
            raise InputError(f"there is no cluster {found}: there are {near}{more}")
        return found

    def editable(self, cluster: Any) -> int:
        """Check that a cluster is there and not locked, and return its id."""
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
        """Raise for a row that is not in a cluster; rows and places as for `labels_of`."""
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
    """Return whether all rows are in the same clusters, whatever these are called or marked."""
    arrays = ("of_representative", "rows", "row_cluster", "row_place")
    return list(one.clusters) == list(other.clusters) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


def first_state(base: Base) -> State:
    ids = np.unique(base.labels).tolist()
    return State(base, {cluster: Cluster(cluster) for cluster in ids}, base.labels)
