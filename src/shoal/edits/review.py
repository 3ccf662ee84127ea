"""The review queue of a run, and the quiz: what to ask, and what was answered."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.graph import Graph, rebuild_graph
from shoal.core.null import SURE
from shoal.core.review import (
    BorderlineRows,
    Pair,
    chance_by_links,
    chance_by_margin,
    chance_of_two,
    near_pairs,
    uncertainty,
)
from shoal.core.share_intervals import Share, counted_share
from shoal.edits.curation import Curation
from shoal.edits.operations.split import splits_under, splitting
from shoal.edits.state import State, same_rows
from shoal.storage import read_npy

QUIZ_ROWS = 20

_SHOWN = 6
_STATES = 4  # undone and done again: what was found is not found out anew
_PAIRS = 5000

_Cache = deque[tuple[State, list[Any]]]


@dataclass(frozen=True)
class Question:
    # ``same``: are the two clusters one? ``two``: is the cluster two? ``rows``: do these rows of
    # the first cluster belong to the second?
    kind: str
    # What it is about, the larger first; for ``rows`` theirs, then the other
    clusters: tuple[int, ...]
    chance: float  # That the answer is yes, 0..1; for ``rows`` the mean over the rows shown
    changes: float  # Rows that change their cluster if it is yes; for ``rows``, expected
    gain: float  # What the queue is ordered by: rows expected to change × uncertainty
    rows: tuple[int, ...]  # To look at: on both sides of the cut, or the doubtful ones
    # For ``two``, how many of `rows` are of the first part; for ``same``, of the first cluster
    parts: int = 0


@dataclass(frozen=True)
class Quiz:
    """What a quiz on a cluster found; `stale` when the cluster was changed since."""

    cluster: int
    right: int
    wrong: int
    error: Share
    stale: bool


@dataclass
class Reviewer:
    """Makes the queue of a run; keeps what does not change with edits."""

    curation: Curation
    _torn: _Cache = field(default_factory=lambda: deque(maxlen=_STATES), repr=False)
    _near: _Cache = field(default_factory=lambda: deque(maxlen=_STATES), repr=False)
    _pairs: dict[Hashable, Pair] = field(default_factory=dict, repr=False)

    def queue(self, most: int = 100) -> list[Question]:
        """Return the questions whose answers would gain most, the best first.

        There are no questions about locked clusters, junk and former decisions: pairs that are
        different, clusters that are one thing, and rows that were moved.
        """
        state = self.curation.state  # one for all: others may edit meanwhile
        questions = [*self.same(state), *self.two(state), *self.torn(state)]
        settled = {c.id for c in state.clusters.values() if c.locked or c.mark == "junk"}
        unsettled = [q for q in questions if settled.isdisjoint(q.clusters)]
        return sorted(unsettled, key=lambda q: (-q.gain, q.kind, q.clusters))[:most]

    def same(self, state: State) -> list[Question]:
        """Ask of clusters that lie close together whether they are one."""
        ids, labels = _positions(state)
        kept = self.curation.fit.result.representatives
        found = []
        for pair in _cached(self._near, state, lambda: self._find_near(labels)):
            one, other = ids[pair.one], ids[pair.other]
            if (min(one, other), max(one, other)) in state.apart:
                continue
            rows = min(state.sizes[one], state.sizes[other])
            first = sum(int(labels[r] == pair.one) for r in pair.bridge)
            shown = tuple(int(kept.rows[r]) for r in pair.bridge)
            chance = self._chance_of_one(pair, first)
            gain = chance * rows * uncertainty(chance)
            found.append(Question("same", (one, other), chance, rows, gain, shown, first))
        return found

    def _chance_of_one(self, pair: Pair, first: int) -> float:
        """Return the chance that two clusters are one; low if the tree had to separate them."""
        tree = self.curation.fit.tree
        # A mixture of few rows, or an earlier "not the same", raises the splits that it needs to
        # exactly this excess, and those above to at least it (core.constraints). The graph, on
        # which `pair.chance` is based, does not show them.
        if not 0 < first < len(pair.bridge) or not (tree.excess == SURE).any():
            return pair.chance
        ends = np.array([pair.bridge[0]]), np.array([pair.bridge[first]])
        excess = float(tree.excess[int(tree.apart(*ends)[0]) - 2])
        return min(pair.chance, 1 - chance_of_two(excess)) if excess >= SURE else pair.chance

    def _find_near(self, labels: NDArray[np.int64]) -> list[Pair]:
        ground = self.curation.fit
        weights = np.maximum(ground.counts, 1).astype(np.float64)
        vectors = ground.result.representatives.vectors
        if len(self._pairs) > _PAIRS:
            self._pairs.clear()
        return near_pairs(vectors, weights, self._graph, labels, self._pairs)

    def two(self, state: State) -> list[Question]:
        """Ask of clusters that the tree goes on to split whether they are two."""
        ground = self.curation.fit
        kept = ground.result.representatives
        found = []
        for cluster in state.clusters:
            positions, counts = splitting(state, cluster, ground.position)
            ranks = splits_under(ground, positions)
            excess = float(ground.tree.excess[ranks[0]]) if len(ranks) else -np.inf
            if not np.isfinite(excess) or cluster in state.whole:
                continue
            right = positions >= ground.tree.splits[ranks[0]]
            chance = chance_of_two(excess)
            rows = int(min(counts[right].sum(), counts[~right].sum()))
            sides = [_spread(positions[~right]), _spread(positions[right])]
            shown = kept.rows[ground.tree.order[np.concatenate(sides)]]
            gain = chance * rows * uncertainty(chance)
            rows_shown = tuple(shown.tolist())
            found.append(Question("two", (cluster,), chance, rows, gain, rows_shown, len(sides[0])))
        return found

    def torn(self, state: State) -> list[Question]:
        """Ask of rows that lie between two clusters where they belong."""
        return _cached(self._torn, state, lambda: self._find_torn(state))

    def _find_torn(self, state: State) -> list[Question]:
        result = self.curation.fit.result
        ids, labels = _positions(state)
        torn = BorderlineRows(max(len(ids), 1))
        if result.rows_are_representatives:
            folder = result.folder.stage("tree")
            other, chance = chance_by_links(
                read_npy(folder.whole("neighbours")), read_npy(folder.whole("affinities")), labels
            )
        for start, first in self.curation.fit.shards():
            rows = np.arange(start, start + len(first))
            here = _undecided(state, ids, rows, first)
            if result.rows_are_representatives:
                there, doubt = other[first], chance[first]
            else:
                shard = start // int(result.summary["shard_rows"])
                second, margin = result.read_shard(shard, "second", "margin")
                there = np.where(second >= 0, labels[np.maximum(second, 0)], -1)
                doubt = chance_by_margin(margin)
            good = np.flatnonzero((here >= 0) & (there >= 0) & (here != there) & (doubt > 0))
            torn.add(rows[good], here[good], there[good], doubt[good])
        return [
            Question("rows", (ids[q.cluster], ids[q.other]), q.chance, q.expected, q.gain, q.rows)
            for q in torn.found()
        ]

    @cached_property
    def _graph(self) -> Graph:
        folder = self.curation.fit.result.folder.stage("tree")
        weights = self.curation.fit.result.representatives.weights
        return rebuild_graph(
            read_npy(folder.whole("neighbours")),
            read_npy(folder.whole("affinities")),
            read_npy(folder.whole("distances")),
            weights,
        )


def _cached(cache: _Cache, state: State, make: Callable[[], list[Any]]) -> list[Any]:
    """Return what was made for a state with the same rows in the same clusters, else make it."""
    for before, made in list(cache):
        if same_rows(before, state):
            return made
    found = make()
    cache.append((state, found))
    return found


def quiz_rows(
    curation: Curation, cluster: int, n: int = QUIZ_ROWS, seed: int = 0
) -> NDArray[np.int64]:
    """Draw rows of a cluster, each as likely as any other, without looking at all rows."""
    state = curation.state
    size = state.sizes[state.existing(cluster)]
    if size <= 50 * n:
        rows = curation.rows_of(cluster)
        return np.random.default_rng(seed).permutation(rows)[:n]
    draw, found, seen = np.random.default_rng(seed), np.empty(0, np.int64), np.empty(0, np.int64)
    total = curation.fit.n_rows
    while len(found) < n:
        # Rows drawn from all rows, in the order drawn, of which those elsewhere are left out.
        tried = draw.integers(0, total, min(4 * n * total // size + 64, 4_000_000))
        tried = tried[np.sort(np.unique(tried, return_index=True)[1])]
        tried = tried[~np.isin(tried, seen)]
        seen = np.concatenate([seen, tried])
        found = np.concatenate([found, tried[curation.labels_of(tried) == cluster]])
    return found[:n]


def quiz_result(state: State, cluster: int) -> Quiz | None:
    """Return what the last quiz on a cluster found, None where there was none."""
    answers = state.answers.get(state.existing(cluster))
    if answers is None:
        return None
    right, wrong = len(answers.right), len(answers.wrong)
    error = counted_share(wrong, right + wrong, answers.rows)
    return Quiz(cluster, right, wrong, error, answers.stale)


def _positions(state: State) -> tuple[list[int], NDArray[np.int64]]:
    """Return the ids of clusters with rows, and where each representative's is among them."""
    ids = [cluster for cluster in state.clusters if state.sizes[cluster]]
    at = np.searchsorted(ids, state.voted).clip(0, max(len(ids) - 1, 0))
    return ids, np.where(np.asarray(ids)[at] == state.voted, at, -1)


def _undecided(
    state: State, ids: list[int], rows: NDArray[np.int64], places: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the position of each row's cluster, −1 where a person decided or it is quarantined."""
    labels = state.labels_of(rows, places)
    here = np.searchsorted(ids, labels).clip(0, len(ids) - 1)
    here[labels < 0] = -1
    low, high = np.searchsorted(state.rows, [rows[0], rows[-1] + 1])
    here[state.rows[low:high] - rows[0]] = -1
    return here


def _spread(positions: NDArray[np.int64]) -> NDArray[np.int64]:
    ordered = np.sort(positions)
    at = np.linspace(0, len(ordered) - 1, min(_SHOWN, len(ordered)))
    return ordered[at.astype(int)]
