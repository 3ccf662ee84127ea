"""The state that edits lead to: a map from representatives to clusters, and moved rows.

Pure: a state and an edit give a state. States share what an edit leaves alone, so many of them
can be kept, and undoing is going back to an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.edits.ground import Base

Touched = frozenset[int] | None
"""The clusters that an edit changed, made or took away; None for all of them."""


@dataclass(frozen=True)
class Cluster:
    """What people said of a cluster.

    Attributes
    ----------
    id
        Stays with it for ever; editing others never changes it.
    name, note
        As given; None and empty at first.
    mark
        ``"good"``, ``"junk"``, or None.
    locked
        Whether it refuses edits.
    """

    id: int
    name: str | None = None
    note: str = ""
    mark: str | None = None
    locked: bool = False


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
    """A clustering as edits left it.

    Attributes
    ----------
    base
        The cut that they started from.
    clusters
        All clusters by id, ascending.
    of_representative
        (m,) int32 cluster of each representative, and of the rows that it decides, but for
    rows
        (r,) int64 the rows that were moved themselves, sorted, with
    row_cluster
        (r,) int32 their clusters, and
    row_place
        (r,) int32 the representatives that decide them.
    apart
        Pairs of clusters (smaller id first) of which someone said that they are not the same.
    whole
        Clusters of which someone said that they are one thing.
    answers
        Of the last quiz on each cluster.
    """

    base: Base
    clusters: Mapping[int, Cluster]
    of_representative: NDArray[np.int32]
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    row_cluster: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    row_place: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    apart: frozenset[tuple[int, int]] = frozenset()
    whole: frozenset[int] = frozenset()
    answers: Mapping[int, Answers] = field(default_factory=dict)

    @cached_property
    def held(self) -> NDArray[np.int64]:
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
        np.add.at(sizes, self.of_representative, self.held)
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
        best = best[counts[best] > self.held[place[best]]]
        labels[place[best]] = cluster[best]
        return labels

    def labels_of(self, rows: NDArray[np.int64], places: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the clusters of rows, −1 where quarantined.

        Parameters
        ----------
        rows
            (n,) int64, sorted.
        places
            (n,) the representatives that decide them.
        """
        labels = np.append(self.of_representative, np.int32(-1))[places]
        if len(self.rows) and len(rows):
            low, high = np.searchsorted(self.rows, [rows[0], rows[-1] + 1])
            at = np.searchsorted(rows, self.rows[low:high])
            there = rows[at] == self.rows[low:high]
            labels[at[there]] = self.row_cluster[low:high][there]
        return labels


def same_rows(one: State, other: State) -> bool:
    """Return whether all rows are in the same clusters, whatever these are called or marked."""
    arrays = ("of_representative", "rows", "row_cluster", "row_place")
    return list(one.clusters) == list(other.clusters) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays
    )


class GroundLike(Protocol):
    """What a replay needs of a fit."""

    @property
    def position(self) -> NDArray[np.int64]:
        """Place of each representative in leaf order."""

    def base(self, k: int | None = None) -> Base:
        """Return a base cut."""

    def deciding(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the representative that decides each row."""


def first_state(base: Base) -> State:
    """Return the state before any edit."""
    ids = np.unique(base.labels).tolist()
    return State(base, {cluster: Cluster(cluster) for cluster in ids}, base.labels)


def applied(
    state: State,
    op: str,
    facts: Mapping[str, Any],
    rows: NDArray[np.int64] | None,
    ground: GroundLike,
) -> tuple[State, Touched]:
    """Return the state after an edit that was checked, and the clusters that it touched."""
    return _OPERATIONS[op](state, facts, rows, ground)


def splitting(
    state: State, cluster: int, position: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what a split by the tree goes by: positions in leaf order, and rows at each.

    They are those of the cluster's representatives that hold rows in it; where it has none, being
    made of moved rows only, those of the rows' own representatives.
    """
    mine = np.flatnonzero((state.of_representative == cluster) & (state.held > 0))
    if len(mine):
        return position[mine], state.held[mine]
    places, counts = np.unique(state.row_place[state.row_cluster == cluster], return_counts=True)
    return position[places], counts


def _with(state: State, *changed: Cluster, gone: tuple[int, ...] = (), **more: Any) -> State:
    """Return a state with some clusters new or changed, and some gone."""
    clusters = {c: kept for c, kept in state.clusters.items() if c not in gone}
    clusters.update((c.id, c) for c in changed)
    return replace(state, clusters=dict(sorted(clusters.items())), **more)


def _staled(state: State, *clusters: int) -> dict[int, Answers]:
    """Return the answers, those on some clusters marked as out of date."""
    return {
        c: replace(found, stale=True) if c in clusters else found
        for c, found in state.answers.items()
    }


def _merge(state: State, facts: Any, _rows: Any, _ground: Any) -> tuple[State, Touched]:
    """Put all rows of several clusters into one of them."""
    into, clusters = int(facts["into"]), tuple(facts["clusters"])
    gone = tuple(c for c in clusters if c != into)
    whole = replace(state.clusters[into], name=facts["name"], note=facts["note"])
    renamed = np.arange(max(state.clusters) + 1, dtype=np.int32)
    renamed[list(gone)] = into
    merged = _with(
        state,
        whole,
        gone=gone,
        of_representative=renamed[state.of_representative],
        row_cluster=renamed[state.row_cluster] if len(state.rows) else state.row_cluster,
        apart=_renamed_pairs(state.apart, gone, into),
        whole=state.whole - set(clusters),
        answers={c: a for c, a in _staled(state, into).items() if c not in gone},
    )
    return merged, frozenset(clusters)


def _renamed_pairs(
    pairs: frozenset[tuple[int, int]], gone: tuple[int, ...], into: int
) -> frozenset[tuple[int, int]]:
    """Return pairs with merged clusters under their new id; none with itself."""
    new = [tuple(sorted(into if c in gone else c for c in pair)) for pair in pairs]
    return frozenset((a, b) for a, b in new if a != b)


def _split(state: State, facts: Any, _rows: Any, ground: GroundLike) -> tuple[State, Touched]:
    """Cut one cluster into pieces of the leaf order."""
    cluster, ids = int(facts["cluster"]), np.asarray(facts["ids"], np.int32)
    cuts = np.asarray(facts["cuts"], np.int64)
    part = ids[np.searchsorted(cuts, ground.position, side="right")]
    labels = np.where(state.of_representative == cluster, part, state.of_representative)
    anchored = bool(((state.of_representative == cluster) & (state.held > 0)).any())
    moved = state.row_cluster == cluster
    # Rows that were moved in from elsewhere have no place among the pieces: they stay.
    goes = moved & ~state.foreign if anchored else moved
    row_cluster = np.where(goes, part[state.row_place], state.row_cluster)
    new = (Cluster(int(c)) for c in ids if c != cluster)
    split = _with(
        state,
        *new,
        of_representative=labels,
        row_cluster=row_cluster,
        whole=state.whole - {cluster},
        answers=_staled(state, cluster),
    )
    return split, frozenset({cluster, *ids.tolist()})


def _divide(state: State, facts: Any, rows: Any, _ground: Any) -> tuple[State, Touched]:
    """Take some representatives of a cluster, with the rows they hold in it, into a new one."""
    cluster, new = int(facts["cluster"]), int(facts["id"])
    labels = state.of_representative.copy()
    labels[rows] = new
    goes = (state.row_cluster == cluster) & ~state.foreign & np.isin(state.row_place, rows)
    row_cluster = np.where(goes, np.int32(new), state.row_cluster)
    divided = _with(
        state,
        Cluster(new),
        of_representative=labels,
        row_cluster=row_cluster,
        whole=state.whole - {cluster},
        answers=_staled(state, cluster),
    )
    return divided, frozenset({cluster, new})


def _move(
    state: State, facts: Any, rows: NDArray[np.int64], ground: GroundLike
) -> tuple[State, Touched]:
    """Put rows into a cluster that is there, or a new one."""
    to = int(facts["to"])
    places = ground.deciding(rows)
    origins = {int(c) for c in np.unique(state.labels_of(rows, places))}
    stays = ~np.isin(state.rows, rows, assume_unique=True)
    all_rows = np.concatenate([state.rows[stays], rows])
    order = np.argsort(all_rows, kind="stable")
    to_all = np.full(len(rows), to, np.int32)
    new = (Cluster(to, facts["name"]),) if facts["new"] else ()
    moved = _with(
        state,
        *new,
        rows=all_rows[order],
        row_cluster=np.concatenate([state.row_cluster[stays], to_all])[order],
        row_place=np.concatenate([state.row_place[stays], places])[order],
        whole=state.whole - {to},
        answers=_staled(state, to, *origins),
    )
    return moved, frozenset({to, *origins})


def _said(state: State, facts: Any, _rows: Any, _ground: Any) -> tuple[State, Touched]:
    """Set name, note, mark or lock of one cluster."""
    cluster = int(facts["cluster"])
    said = {name: value for name, value in facts.items() if name != "cluster"}
    return _with(state, replace(state.clusters[cluster], **said)), frozenset({cluster})


def _apart(state: State, facts: Any, _rows: Any, _ground: Any) -> tuple[State, Touched]:
    """Note that two clusters are not the same."""
    a, b = sorted(facts["clusters"])
    return replace(state, apart=state.apart | {(a, b)}), frozenset({a, b})


def _whole(state: State, facts: Any, _rows: Any, _ground: Any) -> tuple[State, Touched]:
    """Note that a cluster is one thing."""
    cluster = int(facts["cluster"])
    return replace(state, whole=state.whole | {cluster}), frozenset({cluster})


def _confirm(state: State, facts: Any, rows: Any, ground: GroundLike) -> tuple[State, Touched]:
    """Hold rows where they are."""
    held, touched = _move(state, facts, rows, ground)
    return replace(held, answers=state.answers, whole=state.whole), touched


def _quiz(state: State, facts: Any, _rows: Any, _ground: Any) -> tuple[State, Touched]:
    """Keep the answers of a quiz."""
    cluster = int(facts["cluster"])
    right, wrong = tuple(facts["right"]), tuple(facts["wrong"])
    answers = Answers(right, wrong, state.sizes[cluster])
    return replace(state, answers={**state.answers, cluster: answers}), frozenset({cluster})


def _base(_state: State, facts: Any, _rows: Any, ground: GroundLike) -> tuple[State, Touched]:
    """Start from another cut."""
    return first_state(ground.base(int(facts["k"]))), None


_OPERATIONS: dict[str, Callable[..., tuple[State, Touched]]] = {
    "merge": _merge,
    "split": _split,
    "divide": _divide,
    "move": _move,
    "rename": _said,
    "note": _said,
    "mark": _said,
    "lock": _said,
    "apart": _apart,
    "whole": _whole,
    "confirm": _confirm,
    "quiz": _quiz,
    "base": _base,
}
