"""Project: the vector of every row in the clustered space."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.hashes import row_hashes
from shoal.core.packing import pack
from shoal.core.representatives import SAMPLE_PER_CODE
from shoal.core.summaries import PartialSummary
from shoal.errors import SourceError
from shoal.features import Encoder, Projection
from shoal.stages.codes import (
    EVERY_ROW,
    Coding,
    code_rows,
    drop_parts,
    joined_sample,
    representatives_for,
    summary_need,
    sums_bytes,
)
from shoal.stages.context import Context
from shoal.stages.copies import aside
from shoal.stages.drawn import Drawn, is_kept, is_single_pass
from shoal.stages.encoding import note_late, project_rows, project_shard, read_projection, residual
from shoal.stages.growth.previous import Previous
from shoal.stages.growth.project import ProjectAdded
from shoal.stages.heldout import checked_rows, held_out_rows, not_held_out
from shoal.stages.rows import Later, Rows
from shoal.stages.shards import Shards
from shoal.stages.source_traits import index_stores_rows
from shoal.stages.stage import Stage
from shoal.stages.vectors import write_vectors
from shoal.stages.workload import Need, Workload
from shoal.storage import StageFolder, read_npy, write_npy


@dataclass(frozen=True)
class _ProjectShard:
    """Projects one shard, from stored features or by encoding the rows again."""

    rows: Rows
    encoder: Encoder
    projection: Projection
    features: StageFolder
    folder: StageFolder

    def setup(self) -> None:
        self.encoder.setup()

    def fetch(self, item: int) -> None:
        if not self.features.has("features", item):
            self.rows.fetch(item)

    def __call__(self, item: int) -> None:
        vectors, good, left = self.project(item)
        write_npy(self.folder.part("residual", item), left)
        write_npy(self.folder.part("ok", item), good)
        write_vectors(self.folder, item, vectors, self.rows.shards.n_rows > EVERY_ROW)

    def project(
        self, item: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """Project a shard, and write the hashes of its rows.

        Also returns which rows are usable (vectors of others are zero), and the residuals of its
        held-out rows.
        """
        tried = held_out_rows(self.rows.shards, item)
        if self.features.has("ok", item):
            good = read_npy(self.features.part("ok", item))
            features = self._features(item, good)
            vectors = self.projection.apply(features)
            vectors[~good] = 0
            left = residual(self.projection, features[tried], vectors[tried])
            if self.rows.shards.n_rows <= EVERY_ROW:
                # The last bits of a product depend on a row's place: equal rows are found before.
                write_npy(self.folder.part("hashes", item), row_hashes(features))
        else:  # the projection was fitted to a sample
            vectors, good, left, bad = project_shard(
                self.rows, self.encoder, self.projection, item, tried
            )
            note_late(self.rows, self.folder, item, bad)
        return vectors, good, left[good[tried]]

    def _features(self, number: int, good: NDArray[np.bool_]) -> NDArray:
        """Return the features of a shard; those of unusable rows are arbitrary."""
        if self.features.has("features", number):
            return read_npy(self.features.part("features", number))
        parts, at = [], 0
        for batch in self.rows.read(number):
            fine = good[at : at + len(batch.data)]
            self._check(number, at, batch.bad, fine)
            batch.data[~fine] = 0
            parts.append(self.encoder.encode(batch.data))
            at += len(batch.data)
        return np.concatenate(parts)

    def _check(self, number: int, at: int, bad: dict[int, str], fine: NDArray[np.bool_]) -> None:
        """Raise if a row has become unreadable since it was encoded."""
        gone = [i for i in bad if fine[i]]
        if gone:
            row = self.rows.shards.bounds(number)[0] + at + gone[0]
            raise SourceError(
                f"row {row:,} was readable earlier in this fit, but now {bad[gone[0]]}: restore "
                "it, or run shoal fit again to continue without it"
            )


@dataclass(frozen=True)
class _CodeGroup:
    """Projects and codes the shards of a group, and stores only a few projected rows.

    These are the held-out rows, the rows that are compared when others are added, and rows far from
    all codes.
    """

    shard: _ProjectShard
    coding: Coding
    later: Later = field(default_factory=Later, compare=False, repr=False)

    def setup(self) -> None:
        self.shard.setup()
        _ = self.coding.codebook

    def fetch(self, item: int) -> None:
        """Note a group that begins when another one ends: only then is its first shard read."""
        self.later.add(item)

    def __call__(self, item: int) -> None:
        self.coding.write_group(item, self._code)

    def _code(
        self, number: int, partial: PartialSummary
    ) -> tuple[PartialSummary, dict[str, NDArray]]:
        """Project and code one shard; return the sums with it, and its parts."""
        shards = self.coding.shards
        following = self._following(number)
        if following is not None:
            self.shard.fetch(following)
        vectors, good, left = self.shard.project(number)
        usable = vectors if good.all() else vectors[good]
        partial, near, far = self.coding.code(number, usable, good, partial)
        checked = checked_rows(shards, number) - shards.bounds(number)[0]
        some = (np.flatnonzero(good)[far], held_out_rows(shards, number), checked)
        places = np.unique(np.concatenate(some))
        numbers, scales = pack(vectors[places])
        parts = {"near": near, "residual": left, "places": places, "scales": scales}
        return partial, {**parts, "vectors": numbers, "ok": good}

    def _following(self, number: int) -> int | None:
        """Return the shard to read next: the first one of another group where one ends."""
        if all(group[-1] != number for group in self.coding.groups):
            return number + 1
        group = self.later.take()
        return None if group is None else self.coding.groups[group][0]


@dataclass(frozen=True)
class _ProjectDrawn:
    """Projects the usable rows of a group of ranges of the sample for the codes."""

    drawn: Drawn
    parts: Shards
    groups: list[tuple[int, ...]]
    shard: _ProjectShard
    copies: bool

    def setup(self) -> None:
        self.shard.setup()
        _ = self.drawn.rows

    def __call__(self, item: int) -> None:
        vectors = [self._project(number) for number in self.groups[item]]
        write_npy(self.shard.folder.part("sample_vectors", item), np.concatenate(vectors))

    def _project(self, number: int) -> NDArray[np.float32]:
        start, stop = self.parts.bounds(number)
        batch = self.drawn.rows.read(start, stop)
        none = np.empty(0, np.int64)
        vectors, good, _ = project_rows(self.shard.encoder, self.shard.projection, batch, none)
        return vectors[good & self._may_choose(self.drawn.numbers[start:stop])]

    def _may_choose(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which rows are neither held out nor copies."""
        shards, may = self.shard.rows.shards, []
        for number in np.unique(rows // shards.size).tolist():
            first = shards.bounds(number)[0]
            at = rows[rows // shards.size == number] - first
            own = ~aside(self.shard.folder, at, first, self.copies)
            may.append(own & np.isin(at, not_held_out(shards, number, at)))
        return np.concatenate(may)


_VERSION = {"version": 3}


def _depends_on(context: Context) -> dict[str, Any]:
    settings = context.settings
    single = is_single_pass(context.source, context.encoder, settings)
    if not single or context.previous is not None:
        return _VERSION
    codes = {"representatives": settings.representatives, "seed": settings.seed}
    return {**_VERSION, **codes, **context.copies.depends_on, **context.shards.depends_on}


def _work(context: Context) -> dict[str, Any]:
    """Project every shard, and in a single pass also code it."""
    folder = context.stage("project")
    projection = read_projection(context.run)
    shard = _ProjectShard(
        context.rows, context.encoder, projection, context.stage("features"), folder
    )
    if is_single_pass(context.source, context.encoder, context.settings):
        _code(context, shard)
    else:
        context.run_missing(shard, lambda: folder.numbers("vectors"))
    return _counts(folder, projection)


def _counts(folder: StageFolder, projection: Projection) -> dict[str, Any]:
    """Count the usable rows and the components, for the receipt."""
    good = sum(int(read_npy(path).sum()) for path in folder.parts("ok"))
    return {"rows": good, "components": projection.n_components}


def _code(context: Context, shard: _ProjectShard) -> None:
    """Choose codes from a sample of all rows, and code every shard."""
    folder, settings = shard.folder, context.settings
    m = representatives_for(context.shards.n_rows, settings.representatives)
    drawn = Drawn(context.source, SAMPLE_PER_CODE * m, settings.seed)

    def sample() -> NDArray[np.float32]:
        parts, copies = drawn.shards, len(context.copies.rows) > 0
        groups = parts.groups(1)
        task = _ProjectDrawn(drawn, parts, groups, shard, copies)
        context.run_missing(task, lambda: folder.numbers("sample_vectors"), groups, counted=False)
        return joined_sample(folder, shard.projection.n_components)

    context.copies.write(folder)
    code_rows(context, folder, m, sample, lambda coding: _CodeGroup(shard, coding))
    drop_parts(folder)


def _extend(context: Context, previous: Previous) -> dict[str, Any]:
    """Link the vectors of the previous run's rows, and project the others."""
    folder, projection = context.stage("project"), read_projection(context.run)
    wholes = ("residual", "centres")
    previous.link(
        folder, lambda kind, at: kind in wholes or (at is not None and previous.keeps(at))
    )
    task = ProjectAdded(context.rows, context.encoder, projection, previous, folder)
    context.run_missing(task, lambda: folder.numbers("vectors"))
    return _counts(folder, projection)


def _need(work: Workload) -> Need:
    n, d, c = work.rows, work.features, work.components
    stored = is_kept(work.opened, work.encoder) or index_stores_rows(work.opened)
    need = Need(
        work.encoder.needs.shared + 8 * c * d,
        work.encoding_bytes + 8 * work.shards.size * c,
        n + 4096 * len(work.shards),
    )
    if is_single_pass(work.source, work.encoder, work.settings) and not work.grows:
        need = _and_code(need, work)
    else:
        vectors = n * (4 * c + 8) if n <= EVERY_ROW else n * (c + 4)
        need = replace(need, disk=need.disk + vectors)
    return replace(need, shared=need.shared + (0 if stored else work.source_bytes))


def _and_code(project: Need, work: Workload) -> Need:
    """Return what it takes to code rows as they are projected, once the sample is gone.

    A worker encodes a shard while it holds the sums of others, then codes it.
    """
    coding = summary_need(work)
    sample = min(work.rows, SAMPLE_PER_CODE * work.representatives) * 4 * work.components
    return Need(
        project.shared + coding.shared - sample,
        max(project.each + sums_bytes(work), coding.each),
        project.disk + coding.disk,
        coding.passing + sample,
        # measured: what encoding left in the heap is in the way
        coding.serial_peak + project.shared + sample,
    )


STAGE = Stage(
    "project",
    ("features",),
    _depends_on,
    _work,
    _extend,
    _need,
    reads_source=True,
    quarantines=True,
)
