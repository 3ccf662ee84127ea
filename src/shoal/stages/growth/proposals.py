"""New clusters among added rows: groups that the rows of the earlier run have no part in.

Found in a sample, then tested on all new rows and on old rows by the thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.hashes import distinct_rows
from shoal.core.layers import count_above
from shoal.core.nearest import nearest_of
from shoal.core.null import WEAK
from shoal.core.share_intervals import chance_of_fewer
from shoal.core.structure import fit_structure
from shoal.core.tree import Tree
from shoal.engines.local import LocalEngine
from shoal.features import Moments, fit_projection
from shoal.rows import Taken
from shoal.stages.context import Context
from shoal.stages.encoding import encode_good
from shoal.stages.growth.judging import Gauge, added_rows, home_of, judged
from shoal.stages.result import Result
from shoal.storage import read_npy, write_npy

LEAST = 10
"""Fewest rows of a proposal."""

_MOST, _MOST_EXPENSIVE = 4_000, 1_000  # rows at unusual distances; half as many others
MOST_CLUSTERED = 3 * _MOST
"""Rows that are clustered at most: new ones, half as many of them at usual distances, and as many
of the previous run."""

_AT_ONCE = 2_048
_OLD = 0.1  # of a proposal's rows may be old
_TREES = 3  # the order of visits decides what is cut off first where groups touch
_STRETCHED = 0.3  # of them at least lie at an unusual distance: one in twenty does in a cluster
_CHANCE = 1e-3  # for any proposal where there is nothing new
_EXAMPLES = 5


@dataclass(frozen=True)
class Found:
    """A new cluster that is proposed."""

    # How many new rows it has; of them unlike all old ones, and at unusual distances
    rows: int
    unlike: int
    stretched: int
    old: int  # How many old rows would be in it, by the representatives
    # That so few of the rows at unusual distances in it were old, if these were as the old ones
    chance: float
    cluster: int  # Where most of its rows are now
    examples: list[int]  # Rows near its middle


@dataclass(frozen=True)
class _Sample:
    """Rows drawn of two kinds, at unusual distances or not, and how many there are of each."""

    rows: NDArray[np.int64]
    stretched: NDArray[np.bool_]
    of: tuple[int, int]


@dataclass(frozen=True)
class _Looked:
    """Rows that are clustered together: the earlier run's, and new ones.

    `weight` is how many rows each stands for. `trees` are over the distinct vectors, `leaf` the
    place of each row among these. `home` are the rows in the earlier run's space, `place` the
    representative of old ones.
    """

    rows: NDArray[np.int64]
    is_old: NDArray[np.bool_]
    stretched: NDArray[np.bool_]
    weight: NDArray[np.float64]
    vectors: NDArray[np.float32]
    home: NDArray[np.float32]
    leaf: NDArray[np.int64]
    trees: tuple[Tree, ...]
    place: NDArray[np.int64]


def propose(context: Context, gauge: Gauge) -> list[Found]:
    """Cluster new rows together with old ones, and give the clusters that have no old ones.

    Looked at are new rows at unusual distances from the old ones, other new rows, and rows near
    the representatives; so scattered outliers go with what they lie next to, and what is a group
    by itself shows by the same signs as in a fit. Then all new rows, and a sample of the old
    ones, go with the nearest row that was looked at. A group is proposed when old rows have no
    part in it, and too few for chance (see `_passes`).
    """
    folder = context.stage("drift")
    new = _drawn(_new_kinds(context, gauge), context)
    looked = _look(context, gauge, new)
    groups = _groups(looked)
    if not groups:
        return []
    of_looked = np.full(len(looked.rows), -1, np.int16)
    for number, group in enumerate(groups):
        of_looked[group] = number
    of_new = np.where(looked.is_old, np.int16(-1), of_looked)
    task = _GoWithNearest(context, gauge, looked.home, of_new)
    shards = gauge.previous.redone(len(context.shards))
    left = [number for number in shards if not folder.has("nearest", number)]
    LocalEngine(context.settings.workers or 1).run(task, left)
    old = _old_in(context, gauge, looked, of_looked, len(groups))
    found = _tested(
        context, gauge, shards, old, [_examples(looked, g[~looked.is_old[g]]) for g in groups]
    )
    order = sorted(found, key=lambda number: (-found[number].rows, number))
    rank = np.full(len(groups) + 1, -1, np.int16)
    rank[order] = np.arange(len(order))
    for number in shards if order else ():
        write_npy(folder.part("proposal", number), rank[read_npy(folder.part("nearest", number))])
    folder.delete_parts("nearest")
    return [found[number] for number in order]


def _new_kinds(
    context: Context, gauge: Gauge
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.bool_]]]:
    for added in added_rows(context, gauge):
        yield added.shard, added.rows, added.stretched


def _old_kinds(gauge: Gauge) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.bool_]]]:
    """Go through the old rows, as they would lie if they were new."""
    before, start = gauge.fitted.result, 0
    columns = before.read_shards("representative", "distance", "margin")
    for shard, (place, distance, margin) in enumerate(columns):
        at = np.flatnonzero(place >= 0)
        away = gauge.fitted.unfitted(place[at], distance[at], margin[at])
        rows = start + at
        yield shard, rows, away > gauge.usual[gauge.labels[place[at]]]
        start += len(place)


def _drawn(
    blocks: Iterable[tuple[int, NDArray[np.int64], NDArray[np.bool_]]], context: Context
) -> _Sample:
    """Draw rows of each kind, each with the same chance: those with the least random numbers."""
    most = _MOST_EXPENSIVE if context.encoder.needs.expensive else _MOST
    kept = [(np.empty(0), np.empty(0, np.int64)) for _ in range(2)]
    room = most // 2, most
    of = [0, 0]
    for shard, rows, stretched in blocks:
        keys = np.random.default_rng([context.settings.seed, shard]).random(len(rows))
        for kind, mine in enumerate((~stretched, stretched)):
            of[kind] += int(mine.sum())
            key, row = (
                np.append(a, b[mine]) for a, b in zip(kept[kind], (keys, rows), strict=True)
            )
            least = np.sort(np.argsort(key, kind="stable")[: room[kind]])
            kept[kind] = key[least], row[least]
    found = np.concatenate([row for _, row in kept])
    order = np.argsort(found, kind="stable")
    kinds = np.repeat([False, True], [len(row) for _, row in kept])
    return _Sample(found[order], kinds[order], (of[0], of[1]))


def _look(context: Context, gauge: Gauge, new: _Sample) -> _Looked:
    """Encode rows near representatives and new ones, and find their structure."""
    place = _representatives(context, gauge, new)
    medoids = Result(context.run).representatives.rows[place]
    rows = np.concatenate([medoids, new.rows])
    place = np.concatenate([place, np.full(len(new.rows), -1)])
    features, good = _features(context, rows)
    is_old = place >= 0
    stretched = np.concatenate([np.zeros(len(medoids), bool), new.stretched])
    projection = fit_projection(
        Moments.of(features[good]), context.encoder.needs.components, context.encoder.whiten
    )
    vectors, home = projection.apply(features[good]), gauge.in_earlier_space(features[good])
    first, leaf, _ = distinct_rows(vectors)
    weight = _weights(gauge, new, place)[good]
    counts = np.bincount(leaf, weight)
    options: dict[str, Any] = {"workers": context.settings.workers or 1, "resamples": 0}
    options["radius"] = np.full(len(first), np.inf)  # weights are of a sample, not of copies
    seed = context.settings.seed
    trees = tuple(
        fit_structure(vectors[first], counts, seed=seed + n, **options).tree for n in range(_TREES)
    )
    kept = rows[good], is_old[good], stretched[good], weight
    return _Looked(*kept, vectors, home, leaf, trees, place[good])


def _weights(gauge: Gauge, new: _Sample, place: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rows that each row looked at stands for; `place` is −1 for new ones."""
    drawn = np.bincount(new.stretched, minlength=2)
    each = np.array(new.of) / np.maximum(drawn, 1)
    old = gauge.fitted.result.representatives.weights[place[place >= 0]]
    return np.concatenate([old, each[new.stretched.astype(int)]])


def _representatives(context: Context, gauge: Gauge, new: _Sample) -> NDArray[np.int64]:
    """Choose representatives: those that the new rows went to, and any others."""
    most = _MOST_EXPENSIVE if context.encoder.needs.expensive else _MOST
    rows, shards = Result(context.run).representatives.rows, new.rows // context.shards.size
    near = [
        judged(context, gauge, number).place_of(new.rows[shards == number])
        for number in np.unique(shards).tolist()
    ]
    chance = np.random.default_rng([context.settings.seed, len(rows)]).random(len(rows))
    chance[np.concatenate(near)] -= 1
    chance[np.isin(rows, new.rows)] = np.inf  # of a sample, all of whose source is new
    order = np.argsort(chance, kind="stable")[: 3 * most // 2]
    return np.sort(order[np.isfinite(chance[order])])


def _features(
    context: Context, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    context.encoder.setup()
    found = []
    for a in range(0, len(rows), _AT_ONCE):
        piece = rows[a : a + _AT_ONCE]
        order = np.argsort(piece, kind="stable")
        batch = context.source.take(Taken(piece[order], context.source.n_rows)).read(0, len(piece))
        features, good = encode_good(context.encoder, batch.data, batch.bad)
        back = np.argsort(order, kind="stable")
        found.append((features[back], good[back]))
    return np.concatenate([f for f, _ in found]), np.concatenate([g for _, g in found])


def _groups(looked: _Looked) -> list[NDArray[np.int64]]:
    """Return the clusters of any tree that look new, large ones first, none of them overlapping."""
    found = [group for tree in looked.trees for group in _groups_of(looked, tree)]
    free, kept = np.ones(len(looked.rows), bool), []
    for group in sorted(found, key=lambda group: -len(group)):
        if free[group].all():
            free[group] = False
            kept.append(group)
    return kept


def _groups_of(looked: _Looked, tree: Tree) -> Iterator[NDArray[np.int64]]:
    """Yield the places of clusters that look new, coarse ones first, by splits clear of chance."""
    new, weight = ~looked.is_old, looked.weight
    for k in range(2, 1 + count_above(tree, WEAK)):
        labels = tree.labels(k)[looked.leaf]
        count, added, old, stretched = (
            np.bincount(labels, weights, k)
            for weights in (new, weight * new, weight * looked.is_old, weight * looked.stretched)
        )
        fresh = (old <= _OLD * (old + added)) & (stretched >= _STRETCHED * added)
        for cluster in np.flatnonzero(fresh & (count >= LEAST)).tolist():
            yield np.flatnonzero(labels == cluster)


@dataclass(frozen=True)
class _GoWithNearest:
    """Writes the group of the row nearest to each new row of a shard, −1 for none."""

    context: Context
    gauge: Gauge
    home: NDArray[np.float32]
    of_looked: NDArray[np.int16]

    def setup(self) -> None: ...  # nothing to load

    def __call__(self, item: int) -> None:
        context = self.context
        rows = judged(context, self.gauge, item).rows
        found = np.full(context.shards.rows(item), -1, np.int16)
        if len(rows):
            near = nearest_of(home_of(context, self.gauge, item, rows), self.home, 1)[0][:, 0]
            found[rows - item * context.shards.size] = self.of_looked[near]
        write_npy(context.stage("drift").part("nearest", item), found)


def _old_in(
    context: Context, gauge: Gauge, looked: _Looked, of_looked: NDArray[np.int16], count: int
) -> tuple[int, NDArray[np.int64], NDArray[np.int64]]:
    """Let old rows go with the nearest other row that was looked at, and count them by group.

    Of the representatives those that were looked at go where they were found. Returned are how
    many rows at unusual distances were looked at, how many of these are in each group, and how
    many of all rows are, by the representatives.
    """
    of_new = np.where(looked.is_old, np.int16(-1), of_looked)
    old = gauge.fitted.result.representatives
    near = nearest_of(gauge.representatives, looked.home, 1)[0][:, 0]
    group = of_new[near]
    group[looked.place[looked.is_old]] = of_looked[looked.is_old]
    in_all = np.zeros(count, np.int64)
    np.add.at(in_all, group[group >= 0], old.weights[group >= 0])
    rows = _old_stretched(context, gauge)
    if not len(rows):
        return 0, np.zeros(count, np.int64), in_all
    features, good = _features(context, rows)
    near = nearest_of(gauge.in_earlier_space(features[good]), looked.home, 2)[0]
    itself = looked.rows[near[:, 0]] == rows[good]
    group = of_new[np.where(itself, near[:, 1], near[:, 0])]
    return int(good.sum()), np.bincount(group[group >= 0], minlength=count), in_all


def _old_stretched(context: Context, gauge: Gauge) -> NDArray[np.int64]:
    """Draw old rows at unusual distances, by their numbers in the new run."""
    before, drawn = gauge.fitted.result, _drawn(_old_kinds(gauge), context)
    rows = drawn.rows[drawn.stretched]
    return rows if before.source_rows is None or gauge.previous.kept else before.source_rows[rows]


def _tested(
    context: Context,
    gauge: Gauge,
    shards: list[int],
    old: tuple[int, NDArray, NDArray],
    examples: list[list[int]],
) -> dict[int, Found]:
    """Count the new rows of each group, and give the groups that pass, by their number."""
    count, folder = len(examples), context.stage("drift")
    old_stretched, in_stretched, in_all = old
    rows, unlike, stretched = (np.zeros(count, np.int64) for _ in range(3))
    now, all_stretched = np.zeros((count, gauge.clusters), np.int64), 0
    for number in shards:
        added = judged(context, gauge, number)
        group = read_npy(folder.part("nearest", number))[added.rows - number * context.shards.size]
        mine = group >= 0
        rows += np.bincount(group[mine], minlength=count)
        unlike += np.bincount(group[mine & added.unlike], minlength=count)
        stretched += np.bincount(group[mine & added.stretched], minlength=count)
        np.add.at(now, (group[mine], added.cluster[mine]), 1)
        all_stretched += int(added.stretched.sum())
    found = {}
    for at in range(count):
        chance = chance_of_fewer(
            int(in_stretched[at]),
            int(in_stretched[at] + stretched[at]),
            old_stretched,
            old_stretched + all_stretched,
        )
        one = Found(
            int(rows[at]),
            int(unlike[at]),
            int(stretched[at]),
            int(in_all[at]),
            min(1.0, count * chance),
            int(now[at].argmax()),
            examples[at],
        )
        if _passes(one):
            found[at] = one
    return found


def _passes(found: Found) -> bool:
    """Return whether a group is new: old rows have next to no part in it, and not by chance.

    Of all rows at unusual distances, the old ones looked at are as likely to be in it as the new
    ones, where nothing is new: Fisher's exact test, corrected for the number of groups.
    """
    new = found.old <= _OLD * (found.old + found.rows)
    unusual = found.stretched >= _STRETCHED * found.rows
    return new and unusual and found.rows >= LEAST and found.chance < _CHANCE


def _examples(looked: _Looked, group: NDArray[np.int64]) -> list[int]:
    group = group[~looked.is_old[group]]
    vectors = looked.vectors[group].astype(np.float64)
    away = ((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1)
    return [int(row) for row in looked.rows[group[np.argsort(away, kind="stable")[:_EXAMPLES]]]]
