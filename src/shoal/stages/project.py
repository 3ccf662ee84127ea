"""Project: the vector of every row in the clustered space."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.hashes import row_hashes
from shoal.core.packing import pack
from shoal.core.representatives import SAMPLE_PER_CODE, PartialSummary
from shoal.errors import SourceError
from shoal.features import Encoder, Projection
from shoal.stages.base import EVERY_ROW, Context, Shards, Stage, write_vectors
from shoal.stages.codes import Coding, code_rows, drop_parts, joined_sample, representatives_for
from shoal.stages.copies import aside
from shoal.stages.drawn import Drawn, is_single_pass
from shoal.stages.encoding import note_late, project_rows, residual, with_reasons
from shoal.stages.heldout import checked_rows, held_out_rows, not_held_out
from shoal.stages.rows import Later, Rows
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
        """Load the encoder."""
        self.encoder.setup()

    def fetch(self, item: int) -> None:
        """Begin to read a shard."""
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
            vectors, good, left = self._encoded(item, tried)
        return vectors, good, left[good[tried]]

    def _encoded(
        self, number: int, tried: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
        """Encode and project a shard; return also the residuals of rows that are tried."""
        blocks, at = [], 0
        bad: dict[int, str] = {}
        for batch in self.rows.read(number):
            end = at + len(batch.data)
            own = tried[(tried >= at) & (tried < end)] - at
            blocks.append(project_rows(self.encoder, self.projection, batch, own))
            bad |= {at + i: reason for i, reason in batch.bad.items()}
            at = end
        vectors, good, left = blocks[0]
        if len(blocks) > 1:
            vectors, good, left = map(np.concatenate, zip(*blocks, strict=True))
        note_late(self.rows, self.folder, number, with_reasons(good, bad))
        return vectors, good, left

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
        """Load the encoder and the codes."""
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
        """Load the encoder, and draw the sample."""
        self.shard.setup()
        _ = self.drawn.rows

    def __call__(self, item: int) -> None:
        vectors = [self._project(number) for number in self.groups[item]]
        write_npy(self.shard.folder.part("sample_vectors", item), np.concatenate(vectors))

    def _project(self, number: int) -> NDArray[np.float32]:
        """Project the rows of one range that codes may be chosen by."""
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


VERSION = {"version": 3}


def _facts(context: Context) -> dict[str, Any]:
    """Return what the vectors and codes depend on besides features and projection."""
    settings = context.settings
    if not is_single_pass(context.source, context.encoder, settings):
        return VERSION
    codes = {"representatives": settings.representatives, "seed": settings.seed}
    return {**VERSION, **codes, **context.copies.facts, **context.shards.grouped}


def _work(context: Context) -> dict[str, Any]:
    """Project every shard, and in a single pass also code it."""
    folder = context.stage("project")
    projection = read_projection(context)
    shard = _ProjectShard(
        context.rows, context.encoder, projection, context.stage("features"), folder
    )
    if is_single_pass(context.source, context.encoder, context.settings):
        _code(context, shard)
    else:
        context.each_shard(shard, lambda: folder.numbers("vectors"))
    return counts_of(folder, projection)


def read_projection(context: Context) -> Projection:
    """Read the projection that was fitted."""
    folder = context.stage("features")
    names = ("mean", "matrix", "eigenvalues")
    return Projection.from_arrays({n: read_npy(folder.whole(n)) for n in names})


def counts_of(folder: StageFolder, projection: Projection) -> dict[str, Any]:
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
        context.each_group(task, groups, lambda: folder.numbers("sample_vectors"), counted=False)
        return joined_sample(folder, shard.projection.n_components)

    context.copies.write(folder)
    code_rows(context, folder, m, sample, lambda coding: _CodeGroup(shard, coding))
    drop_parts(folder)


STAGE = Stage("project", ("features",), _facts, _work)
