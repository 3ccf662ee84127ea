"""Assign: the representative of every row, which determines its cluster at every cut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.contingency import Contingency, added, contingency, matched_ids
from shoal.core.near_codes import Places, distances_of
from shoal.core.nearest import nearest_of, shortlists_for
from shoal.core.per_process import PerProcess
from shoal.core.shortlists import Shortlists
from shoal.core.tree import Tree
from shoal.core.verdicts import far_representatives, numbered_by_size, outvoted, row_limits
from shoal.errors import InputError
from shoal.stages.base import Context, Shards, Stage, read_vectors
from shoal.stages.common import extension, rows_in_common
from shoal.stages.fitted import Fitted
from shoal.stages.heldout import calibrate
from shoal.stages.method_result import Found
from shoal.stages.result import ASSIGNMENT, Result
from shoal.storage import (
    RunFolder,
    StageFolder,
    read_npy,
    write_columns,
    write_json,
    write_npy,
)

VERSION = {"version": 6}
SEARCHED = np.dtype(
    [
        ("row", "i4"),
        ("representative", "i4"),
        ("second", "i4"),
        ("margin", "u1"),
        ("distance", "f4"),
    ]
)
"""What is stored of a row that is far from all codes: its place in the shard, and `ASSIGNMENT`."""

Keep = Callable[[int, dict[str, NDArray]], None]
Searched = tuple[NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True)
class _Known:
    """Rows whose representative is known because every distinct row is one."""

    place: NDArray[np.int32]
    shards: Shards

    def setup(self) -> None: ...

    def __call__(self, number: int) -> Places:
        start, stop = self.shards.bounds(number)
        first = self.place[start:stop]
        n = len(first)
        none = np.full(n, -1, np.int32)
        return first, none, np.full(n, 255, np.uint8), np.zeros(n, np.float32)


@dataclass(frozen=True)
class _Near:
    """The representatives to search; `of_code` is the representative at each code."""

    vectors: NDArray[np.float32]
    tree: Tree
    shortlists: Shortlists | None
    of_code: NDArray[np.int32] | None
    found: Found

    @classmethod
    def of(cls, run: RunFolder, workers: int, coded: bool) -> _Near:
        """Read the representatives and their tree, and build the shortlists."""
        summary = run.stage("summarise")
        vectors = read_npy(summary.whole("vectors"))
        of_code = read_npy(summary.whole("of_code")) if coded else None
        shortlists = shortlists_for(vectors, workers)
        return cls(vectors, Result(run).tree, shortlists, of_code, Found(Result(run)))

    def search(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the three nearest representatives of rows, and their distances."""
        most = min(3, len(self.vectors))
        return nearest_of(rows, self.vectors, most, shortlists=self.shortlists)


def _follow(
    own: NDArray[np.int32],
    clusters: NDArray[np.int32],
    found: NDArray[np.int32],
    away: NDArray[np.float32],
) -> None:
    """Move the nearest representative that is in the method's cluster of a row to the front."""
    mine = clusters[found] == own[:, None]
    first = np.where(mine.any(axis=1), mine.argmax(axis=1), 0)
    rows = np.flatnonzero(first)
    at = first[rows]
    for array in (found, away):
        array[rows, at], array[rows, 0] = array[rows, 0], array[rows, at]


@dataclass(frozen=True)
class _Nearest:
    """Rows whose representative is the nearest one, or the second if the third agrees with it."""

    run: RunFolder
    workers: int
    coded: bool
    cache: PerProcess[_Near] = field(default_factory=PerProcess, compare=False, repr=False)

    def setup(self) -> None:
        """Load the representatives, which are too large to travel with the task."""
        _ = self.near

    @property
    def near(self) -> _Near:
        """The representatives to search."""
        return self.cache.get(lambda: _Near.of(self.run, self.workers, self.coded))

    def __call__(self, number: int) -> Places:
        ok = read_npy(self.run.stage("project").part("ok", number))
        good = np.flatnonzero(ok)
        found, away = self._by_code(number, good) if self.coded else self._searched(number, good)
        return self._placed(number, len(ok), good, found, away)

    def searched(self, number: int) -> NDArray:
        """Search for the places of the good rows of a shard that are far from all codes."""
        project, of_code = self.run.stage("project"), self.near.of_code
        assert of_code is not None
        near = read_npy(project.part("near", number))
        codes = near["codes"][:, 0]
        rows = np.flatnonzero((codes == len(of_code)) & read_npy(project.part("ok", number)))
        found = np.empty(len(rows), SEARCHED)
        found["row"] = rows
        if not len(rows):
            return found
        places: tuple[NDArray, ...] = self._placed(
            number, len(codes), rows, *self._searched(number, rows)
        )
        for name, column in zip(ASSIGNMENT, places, strict=True):
            found[name] = column[rows]
        return found

    def _placed(
        self,
        number: int,
        n: int,
        good: NDArray[np.int64],
        found: NDArray[np.int32],
        away: NDArray[np.float32],
    ) -> Places:
        """Return the places of the n rows of a shard, of which only the good ones were found."""
        first, second = (np.full(n, -1, np.int32) for _ in range(2))
        margin, distance = np.zeros(n, np.uint8), np.full(n, np.nan, np.float32)
        ratio = away[:, 0] / np.maximum(away[:, 1], np.finfo(np.float32).tiny)
        margin[good] = np.rint(255 * (1 - np.minimum(ratio, 1)))
        own = None
        if self.near.found.rule is not None:
            own = self.near.found.assign(self._vectors(number, good))
        if own is not None:
            _follow(own, self.near.found.clusters, found, away)
        elif found.shape[1] == 3:
            torn = outvoted(self.near.tree, found, away)
            found[torn, :2], away[torn, :2] = found[torn, 1::-1], away[torn, 1::-1]
        first[good], second[good] = found[:, :2].T
        distance[good] = away[:, 0]
        return first, second, margin, distance

    def _vectors(self, number: int, at: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read the projected rows at some places of a shard."""
        return read_vectors(self.run.stage("project"), number, at)

    def _searched(self, number: int, good: NDArray[np.int64]) -> Searched:
        """Search the nearest representatives of rows without codes."""
        return self.near.search(self._vectors(number, good))

    def _by_code(self, number: int, good: NDArray[np.int64]) -> Searched:
        """Return the representatives at the codes of rows; search for rows far from all codes."""
        of_code = self.near.of_code
        assert of_code is not None
        folders = (self.run.stage(name) for name in ("summarise", "project"))
        folder = next(one for one in folders if one.has("near", number))
        near = read_npy(folder.part("near", number))[good]
        codes, away = near["codes"].astype(np.int64), distances_of(near)
        codes = np.where(codes < len(of_code), codes, codes[:, :1])  # fewer than three codes exist
        far = np.flatnonzero(codes[:, 0] == len(of_code))
        found = np.append(of_code, np.int32(-1))[codes]
        if len(far):
            width = min(3, len(self.near.vectors))
            found, away = found[:, :width], away[:, :width]
            found[far], away[far] = self.near.search(self._vectors(number, good[far]))
        return found, away


@dataclass(frozen=True)
class _SearchShard:
    """Writes the places of a shard's rows that are far from all codes; those of others follow."""

    places: _Nearest
    folder: StageFolder

    def setup(self) -> None:
        """Load the representatives to search."""
        self.places.setup()

    def __call__(self, item: int) -> None:
        write_npy(self.folder.part("searched", item), self.places.searched(item))


@dataclass(frozen=True)
class _AssignShard:
    """Writes one shard's table: representative, second, margin, distance, outlier."""

    places: _Known | _Nearest
    far: NDArray[np.bool_]
    limits: NDArray[np.float32]
    folder: StageFolder
    keep: Keep | None

    def setup(self) -> None:
        """Load the representatives to search."""
        self.places.setup()

    def __call__(self, item: int) -> None:
        first, second, margin, distance = self.places(item)
        known = np.maximum(first, 0)
        outlier = self.far[known] | (distance > self.limits[known])
        columns: dict[str, NDArray] = {
            "representative": first,
            "second": second,
            "margin": margin,
            "distance": distance,
            "outlier": outlier & (first >= 0),
        }
        if self.keep is not None:
            self.keep(item, columns)
        write_columns(self.folder.part("rows", item, "parquet"), columns)


def _facts(context: Context) -> dict[str, Any]:
    """Return what the assignment depends on besides vectors, representatives and graph."""
    previous = _previous(context)
    kept = None if previous is None else previous.folder.stage("assign").read_receipt().fingerprint
    return {**VERSION, "previous": kept}


def _previous(context: Context) -> Result | None:
    """Open the earlier run whose cluster ids are kept, if any."""
    path = context.settings.previous
    if path is None:
        return None
    result = Result(RunFolder.open(path))
    named = result.summary["named"] and context.source.names(0, 1) is not None
    sampled = result.source_rows is not None or context.source.taken is not None
    if not (named or sampled) and result.n_rows > context.shards.n_rows:
        raise InputError(
            f"{path} has {result.n_rows:,} rows, but the source has {context.shards.n_rows:,}: "
            "without names, rows can be appended, but not removed"
        )
    return result


def _kept_ids(result: Result, previous: Result, first_id: int) -> dict[str, list[int]]:
    """Match each layer's clusters with those of the earlier run, and keep its ids.

    Unmatched clusters get ids that neither the earlier run nor its edits ever used.
    """
    rows = rows_in_common(previous, result)
    kept = {}
    for layer in result.layers:
        before = min(previous.layers, key=lambda other: abs(np.log(other.k / layer.k)))
        if layer.primary:
            before = previous.primary
        sized, sizes = numbered_by_size(result.tree.labels(layer.k), result.representatives.weights)
        found = _shared(previous, previous.representative_labels(before.k), result, sized, rows)
        ids = np.full(len(sizes), -1, np.int64)
        ids[found.clusters] = matched_ids(found, first_id=first_id)
        empty = np.flatnonzero(ids < 0)  # their representatives have no rows
        first = max(first_id, int(ids.max()) + 1, int(found.classes.max()) + 1)
        ids[empty] = first + np.arange(len(empty))
        kept[str(layer.k)] = ids.tolist()
    return kept


def _shared(
    previous: Result,
    earlier: NDArray[np.int32],
    result: Result,
    labels: NDArray[np.int32],
    rows: NDArray[np.integer] | None,
) -> Contingency:
    """Count the rows that clusters have in common with those of an earlier run, block by block.

    Parameters
    ----------
    previous, result
        The earlier run, and this one.
    earlier, labels
        Cluster of each of their representatives.
    rows
        From `rows_in_common`.
    """
    earlier, labels = np.append(earlier, np.int32(-1)), np.append(labels, np.int32(-1))
    start, found = 0, []
    for (place,) in result.read_shards("representative"):
        block = slice(start, start + len(place))
        if rows is None:
            was = previous.representative_of_row[block]
        else:
            at = rows[block]
            was = np.where(at < 0, -1, previous.representative_of_row[np.maximum(at, 0)])
        found.append(contingency(earlier[was], labels[place]))
        start += len(place)
    return reduce(added, found)


def assign_rows(
    context: Context,
    extends: Result | None,
    *,
    coded: bool = True,
    limits: NDArray[np.float32] | None = None,
    keep: Keep | None = None,
) -> tuple[dict[str, Any], _Known | _Nearest]:
    """Assign every shard; return counts for the receipt, and the search that was used.

    The rows continue those of `extends`. Rows beyond the `limits` of their representative, by
    default those of the graph, are outliers. `keep` changes some columns of each shard.
    """
    folder, summary, tree = (context.stage(name) for name in ("assign", "summarise", "tree"))
    neighbours = read_npy(tree.whole("neighbours"))
    if tree.whole("noise").exists():  # the method's noise takes the place of far representatives
        far = read_npy(tree.whole("noise"))
    else:
        affinities, distances = (read_npy(tree.whole(n)) for n in ("affinities", "distances"))
        weights = read_npy(summary.whole("weights"))
        far = far_representatives(neighbours, affinities, distances, weights)
    if limits is None:
        limits = row_limits(read_npy(summary.whole("radius")), neighbours)
    places: _Known | _Nearest
    if summary.whole("place").exists():
        places = _Known(read_npy(summary.whole("place")), context.shards)
    else:
        run, workers = RunFolder(context.run.path, {}), context.settings.workers or 1
        places = _Nearest(run, workers, coded=coded)
    write_npy(folder.whole("far"), far)
    if extends is not None:
        write_json(folder.whole("extends", "json"), extension(extends))

    def there() -> set[int]:
        return folder.numbers("rows", "parquet") | folder.numbers("searched")

    single = isinstance(places, _Nearest) and coded and context.stage("project").numbers("near")
    if isinstance(places, _Nearest) and single:
        context.each_shard(_SearchShard(places, folder), there)
    else:
        context.each_shard(_AssignShard(places, far, limits, folder, keep), there)
    return {"rows": context.shards.n_rows, "outlying_representatives": int(far.sum())}, places


def _work(context: Context) -> dict[str, Any]:
    """Assign every shard, calibrate the limits of unknown rows, and keep ids."""
    previous, result, folder = _previous(context), Result(context.run), context.stage("assign")
    counts, places = assign_rows(context, previous)
    shortlists = places.near.shortlists if isinstance(places, _Nearest) else None
    calibrate(context, Fitted(result).projection, shortlists, folder)
    if previous is not None:
        write_json(folder.whole("ids", "json"), _kept_ids(result, previous, context.first_id))
    return counts


STAGE = Stage("assign", ("project", "summarise", "tree"), _facts, _work)
