"""Assign: the representative of every row, which determines its cluster at every cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.contingency import Contingency, contingency, matched_ids
from shoal.core.verdicts import far_representatives, numbered_by_size, row_limits
from shoal.errors import InputError
from shoal.stages.common import extension, rows_in_common
from shoal.stages.context import Context
from shoal.stages.drawn import is_single_pass
from shoal.stages.fitted import Fitted
from shoal.stages.growth.judging import kept_rows
from shoal.stages.growth.previous import Previous
from shoal.stages.heldout import calibrate
from shoal.stages.place_search import KnownPlaces, PlaceSearch
from shoal.stages.result import ASSIGNMENT, Result
from shoal.stages.stage import Stage
from shoal.stages.workload import Need, Workload, search_bytes
from shoal.storage import RunFolder, StageFolder, read_npy, write_columns, write_json, write_npy


@dataclass(frozen=True)
class _WriteSearched:
    """Writes the places of a shard's rows that are far from all codes; those of others follow."""

    places: PlaceSearch
    folder: StageFolder

    def setup(self) -> None:
        self.places.setup()

    def __call__(self, item: int) -> None:
        write_npy(self.folder.part("searched", item), self.places.searched(item))


@dataclass(frozen=True)
class _WritePlaces:
    """Writes one shard's table: representative, second, margin, distance, outlier.

    Unchanged rows of a previous run keep their stored values.
    """

    places: KnownPlaces | PlaceSearch
    far: NDArray[np.bool_]  # (m,) representatives whose rows are all outliers
    limits: NDArray[np.float32]  # (m,) distances beyond which other rows are outliers
    run: RunFolder
    previous: Previous | None

    def setup(self) -> None:
        self.places.setup()

    def __call__(self, item: int) -> None:
        places = self.places(item)
        columns: dict[str, NDArray] = dict(zip(ASSIGNMENT, places, strict=True))
        first, *_, distance = places
        known = np.maximum(first, 0)
        outlier = self.far[known] | (distance > self.limits[known])
        columns["outlier"] = outlier & (first >= 0)
        if self.previous is not None:
            kept = kept_rows(self.previous, self.run.stage("project"), item, len(first))
            if kept.any():
                _restore(columns, self.previous.result, item, kept)
        write_columns(self.run.stage("assign").part("rows", item, "parquet"), columns)


def _restore(
    columns: dict[str, NDArray], previous: Result, number: int, kept: NDArray[np.bool_]
) -> None:
    for name, column in columns.items():
        (before,) = previous.read_shard(number, name)
        mine = kept[: len(before)]
        column[: len(mine)][mine] = before[mine]


def _depends_on(context: Context) -> dict[str, Any]:
    version, settings = {"version": 6}, context.settings
    if context.previous is not None or settings.previous is None:
        return {**version, "previous": None}
    previous_fingerprint = (
        _open_previous(settings.previous, context).folder.stage("assign").read_receipt().fingerprint
    )
    return {**version, "previous": previous_fingerprint}


def _open_previous(path: str, context: Context) -> Result:
    """Open the previous run whose cluster ids are kept."""
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
    """Match each layer's clusters with those of the previous run, and keep its ids.

    Unmatched clusters get ids that neither the previous run nor its edits ever used.
    """
    rows = rows_in_common(previous, result)
    kept = {}
    for layer in result.layers:
        before = min(previous.layers, key=lambda other: abs(np.log(other.k / layer.k)))
        if layer.primary:
            before = previous.primary
        sized, sizes = numbered_by_size(result.tree.labels(layer.k), result.representatives.weights)
        shared = _shared_rows(
            previous, previous.representative_labels(before.k), result, sized, rows
        )
        ids = np.full(len(sizes), -1, np.int64)
        ids[shared.clusters] = matched_ids(shared, first_id=first_id)
        empty = np.flatnonzero(ids < 0)  # their representatives have no rows
        first = max(first_id, int(ids.max()) + 1, int(shared.classes.max()) + 1)
        ids[empty] = first + np.arange(len(empty))
        kept[str(layer.k)] = ids.tolist()
    return kept


def _shared_rows(
    previous: Result,
    previous_labels: NDArray[np.int32],
    result: Result,
    labels: NDArray[np.int32],
    rows: NDArray[np.integer] | None,
) -> Contingency:
    """Count the rows that clusters share with those of the previous run, block by block.

    The labels are those of the representatives; `rows` is from `rows_in_common`.
    """
    before, after = (np.append(one, np.int32(-1)) for one in (previous_labels, labels))
    start, found = 0, []
    for (place,) in result.read_shards("representative"):
        block = slice(start, start + len(place))
        if rows is None:
            was = previous.representative_of_row[block]
        else:
            was = np.where(
                rows[block] < 0, -1, previous.representative_of_row[np.maximum(rows[block], 0)]
            )
        found.append(contingency(before[was], after[place]))
        start += len(place)
    return reduce(add, found)


def _write_far(context: Context) -> NDArray[np.bool_]:
    """Write which representatives' rows are all outliers: far ones, or the method's noise."""
    tree = context.stage("tree")
    if tree.whole("noise").exists():
        far: NDArray[np.bool_] = read_npy(tree.whole("noise"))
    else:
        names = ("neighbours", "affinities", "distances")
        neighbours, affinities, distances = (read_npy(tree.whole(name)) for name in names)
        weights = read_npy(context.stage("summarise").whole("weights"))
        far = far_representatives(neighbours, affinities, distances, weights)
    write_npy(context.stage("assign").whole("far"), far)
    return far


def _assign_rows(
    context: Context,
    places: KnownPlaces | PlaceSearch,
    limits: NDArray[np.float32] | None = None,
    previous: Previous | None = None,
) -> dict[str, Any]:
    """Write every shard's places; return counts for the receipt.

    Rows beyond the `limits` of their representative, by default those of the graph, are outliers.
    """
    folder, far = context.stage("assign"), _write_far(context)

    def completed() -> set[int]:
        return folder.numbers("rows", "parquet") | folder.numbers("searched")

    coded = context.stage("project").numbers("near")
    if isinstance(places, PlaceSearch) and places.coded and coded:
        context.run_missing(_WriteSearched(places, folder), completed)
    else:
        if limits is None:
            radius = read_npy(context.stage("summarise").whole("radius"))
            limits = row_limits(radius, read_npy(context.stage("tree").whole("neighbours")))
        run = RunFolder(context.run.path, {})
        context.run_missing(_WritePlaces(places, far, limits, run, previous), completed)
    return {"rows": context.shards.n_rows, "outlying_representatives": int(far.sum())}


def _places(context: Context, coded: bool) -> KnownPlaces | PlaceSearch:
    known = context.stage("summarise").whole("place")
    if known.exists():
        return KnownPlaces(read_npy(known), context.shards)
    return PlaceSearch(RunFolder(context.run.path, {}), context.settings.workers or 1, coded)


def _work(context: Context) -> dict[str, Any]:
    """Assign every shard, calibrate the limits of unknown rows, and keep ids."""
    folder, result, previous = context.stage("assign"), Result(context.run), None
    if context.settings.previous is not None:
        previous = _open_previous(context.settings.previous, context)
        write_json(folder.whole("extends", "json"), extension(previous))
    places = _places(context, coded=True)
    counts = _assign_rows(context, places)
    shortlists = places.representatives.shortlists if isinstance(places, PlaceSearch) else None
    calibrate(context, Fitted(result).projection, shortlists, folder)
    if previous is not None:
        write_json(folder.whole("ids", "json"), _kept_ids(result, previous, context.first_id))
    return counts


def _extend(context: Context, previous: Previous) -> dict[str, Any]:
    """Assign added rows; those of the previous run keep their places and the clusters their ids."""
    folder, result = context.stage("assign"), Result(context.run)
    wholes = ("ids", "held_out_place", "held_out_scores")
    previous.link(folder, lambda kind, at: kind in wholes if at is None else previous.keeps(at))
    if previous.kept:
        write_json(folder.whole("extends", "json"), extension(previous.result))
    limits = None
    if result.fitted_rows_are_representatives:  # which are at no distance from themselves
        labels = result.tree.labels(result.primary.k)
        limits = Fitted(previous.result).limits(labels)[labels]
    return _assign_rows(context, _places(context, coded=False), limits, previous)


def _need(work: Workload) -> Need:
    n, m, c = work.rows, work.representatives, work.components
    single = is_single_pass(work.source, work.encoder, work.settings) and not work.grows
    return Need(
        search_bytes(m, c) + 4 * n * work.every_row,
        work.shards.size * (20 * c + 64),
        10 * n * (not single),
    )


STAGE = Stage("assign", ("project", "summarise", "tree"), _depends_on, _work, _extend, _need)
