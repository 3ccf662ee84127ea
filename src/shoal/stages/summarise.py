"""Summarise: reduce the rows to m weighted representatives, in one pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.hashes import row_hashes
from shoal.core.representatives import SAMPLE_PER_CODE
from shoal.core.summaries import PartialSummary
from shoal.stages.codes import (
    SUMMARY,
    Coding,
    code_rows,
    drop_parts,
    joined_sample,
    refuse_one,
    representatives_for,
    summary_need,
    write_summary,
)
from shoal.stages.context import Context
from shoal.stages.copies import aside
from shoal.stages.drawn import is_single_pass
from shoal.stages.fitted import Fitted
from shoal.stages.growth.previous import Previous
from shoal.stages.heldout import not_held_out
from shoal.stages.shards import Shards
from shoal.stages.stage import Stage
from shoal.stages.vectors import read_vectors
from shoal.stages.workload import Need, Workload
from shoal.storage import StageFolder, link_file, read_npy, write_npy


@dataclass(frozen=True)
class _SummariseGroup:
    """Summarises the usable rows of a group of shards."""

    coding: Coding
    project: StageFolder

    def setup(self) -> None:
        _ = self.coding.codebook

    def __call__(self, item: int) -> None:
        self.coding.write_group(item, self._shard)

    def _shard(
        self, number: int, partial: PartialSummary
    ) -> tuple[PartialSummary, dict[str, NDArray]]:
        ok, vectors = read_npy(self.project.part("ok", number)), read_vectors(self.project, number)
        good = vectors if ok.all() else vectors[ok]
        partial, near, _ = self.coding.code(number, good, ok, partial)
        return partial, {"near": near}


def _depends_on(context: Context) -> dict[str, Any]:
    settings = context.settings
    return {
        "version": 5,
        "representatives": settings.representatives,
        "seed": settings.seed,
        **context.copies.depends_on,
        **context.shards.depends_on,
    }


def _work(context: Context) -> dict[str, Any]:
    """Write the representatives: every distinct row, or means of nearby rows."""
    folder = context.stage("summarise")
    project = context.stage("project")
    if project.whole(SUMMARY[-1]).exists():  # rows were coded in the pass that projected them
        for name in ("of_code", *SUMMARY):
            if not folder.whole(name).exists():
                link_file(project.whole(name), folder.whole(name))
        context.progress.advance(context.shards.n_rows)
    elif not folder.whole(SUMMARY[-1]).exists():
        context.copies.write(folder)
        n = context.stage("project").read_receipt().counts["rows"]
        m = representatives_for(n, context.settings.representatives)
        if m == n:
            _keep_distinct(context, folder)
        else:
            _stream(context, folder, m)
    drop_parts(folder)
    weights = read_npy(folder.whole("weights"))
    return {"representatives": len(weights), "every_row": folder.whole("place").exists()}


def _keep_distinct(context: Context, folder: StageFolder) -> None:
    """Make every distinct row a representative, weighted by its number of duplicates.

    They are ordered by hash, so that the tree does not depend on the order of the rows.
    """
    project, shards = context.stage("project"), context.shards
    rows, blocks, hashes = [], [], []
    for number in range(len(shards)):
        at = np.flatnonzero(read_npy(project.part("ok", number)))
        vectors = read_vectors(project, number)
        rows.append(at + shards.bounds(number)[0])
        blocks.append(vectors[at])
        known = project.has("hashes", number)
        hashes.append(
            read_npy(project.part("hashes", number))[at] if known else row_hashes(blocks[-1])
        )
        context.progress.advance(len(vectors))
    good, vectors = np.concatenate(rows), np.concatenate(blocks)
    copy, kept = context.copies.among(good)
    own = np.isin(good, copy, invert=True)
    vectors = vectors if own.all() else vectors[own]
    _, first, inverse, counts = np.unique(
        np.concatenate(hashes)[own], return_index=True, return_inverse=True, return_counts=True
    )
    refuse_one(len(first), len(good))
    place = np.full(shards.n_rows, -1, np.int32)
    place[good[own]] = inverse
    place[copy] = place[kept]
    good = good[own]
    write_npy(folder.whole("place"), place)
    radius = np.zeros(len(first), np.float32)
    write_summary(folder, vectors=vectors[first], weights=counts, rows=good[first], radius=radius)


def _stream(context: Context, folder: StageFolder, m: int) -> None:
    """Choose codes from a sample, summarise the shards by them, merge in order."""
    project = context.stage("project")
    code_rows(
        context,
        folder,
        m,
        lambda: _sample(context, SAMPLE_PER_CODE * m),
        lambda coding: _SummariseGroup(coding, project),
    )


@dataclass(frozen=True)
class _SampleGroup:
    """Draws rows of a group of shards, each with the same probability, as stored."""

    shards: Shards
    groups: list[tuple[int, ...]]
    share: float
    seed: int
    project: StageFolder
    folder: StageFolder
    copies: bool

    def setup(self) -> None: ...

    def __call__(self, item: int) -> None:
        drawn = {number: self._at(number) for number in self.groups[item]}
        packed = self.project.has("scales", self.groups[item][0])
        for kind in ("scales", "vectors") if packed else ("vectors",):  # vectors last: both done
            paths = {number: self.project.part(kind, number) for number in drawn}
            rows = [read_npy(paths[number], mmap=True)[at] for number, at in drawn.items()]
            write_npy(self.folder.part(f"sample_{kind}", item), np.concatenate(rows))

    def _at(self, number: int) -> NDArray[np.int64]:
        at = np.flatnonzero(read_npy(self.project.part("ok", number)))
        at = at[~aside(self.folder, at, self.shards.bounds(number)[0], self.copies)]
        chance = np.random.default_rng([self.seed, number]).random(len(at))
        return not_held_out(self.shards, number, at[chance < self.share])


def _sample(context: Context, count: int) -> NDArray[np.float32]:
    """Draw rows from all shards, each with the same probability; all of them if they are few."""
    project, folder, shards = context.stage("project"), context.stage("summarise"), context.shards
    groups, share = shards.groups(1), min(1.0, count / shards.n_rows)
    copies = len(context.copies.rows) > 0
    task = _SampleGroup(shards, groups, share, context.settings.seed, project, folder, copies)
    context.light().run_missing(
        task, lambda: folder.numbers("sample_vectors"), groups, counted=False
    )
    return joined_sample(folder, int(project.read_receipt().counts["components"]))


def _extend(context: Context, previous: Previous) -> dict[str, Any]:
    """Link the representatives, and store how far from them the rows were that they stand for."""
    folder, result, sampled = context.stage("summarise"), previous.result, previous.kept == 0
    of_rows = {"place", "near", "rows"} if sampled else {"place", "near"}
    previous.link(folder, lambda kind, _: kind not in of_rows)
    if sampled and result.source_rows is not None:
        write_npy(folder.whole("rows"), result.source_rows[result.representatives.rows])
    if not folder.whole("own_distance").exists():
        place, distance = Fitted(result).own
        write_npy(folder.whole("own_place"), place)
        write_npy(folder.whole("own_distance"), distance)
    return previous.stage("summarise").read_receipt().counts


def _need(work: Workload) -> Need:
    return (
        Need() if is_single_pass(work.source, work.encoder, work.settings) else summary_need(work)
    )


STAGE = Stage(
    "summarise", ("project",), _depends_on, _work, _extend, _need, unchanged_by_growth=True
)
