"""Features: encode every row, and fit the projection to their moments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.features import (
    Encoder,
    Learned,
    Moments,
    Projection,
    Reduced,
    fit_projection,
    unreduced,
)
from shoal.rows import Source
from shoal.stages import drawn
from shoal.stages.context import Context
from shoal.stages.drawn import is_kept, looks_at_some
from shoal.stages.encoding import Encoding, ShardTask, encode_good
from shoal.stages.growth.previous import Previous
from shoal.stages.learning import learn
from shoal.stages.quarantine import read_quarantine, refuse_too_few
from shoal.stages.reducing import drop_base, encoding_of, fit_steps
from shoal.stages.shards import Shards
from shoal.stages.source_traits import index_stores_rows
from shoal.stages.stage import Stage
from shoal.stages.workload import Need, Workload
from shoal.storage import StageFolder, read_npy, read_table, write_json, write_npy

_SEED = 13_176  # of the sample for the projection, which is the same for every seed of a fit
_ROOM = 1 << 29
_ROOM_WHEN_KEPT = 1 << 26  # moments of stored rows are quick: few parts are enough


@dataclass(frozen=True)
class _EncodeShard(ShardTask):
    """Encodes one shard and stores its features."""

    def __call__(self, item: int) -> None:
        features, good = self.encoding.shard(item)
        folder = self.encoding.folder
        write_npy(folder.part("features", item), features)
        write_npy(folder.part("ok", item), good)  # last, as the sign that both are complete


@dataclass(frozen=True)
class _MomentsOfGroup:
    """Writes the moments of the usable rows of a group of shards."""

    encoding: Encoding
    groups: list[tuple[int, ...]]
    kept: bool

    def setup(self) -> None:
        if not self.kept:
            self.encoding.encoder.setup()

    def fetch(self, item: int) -> None:
        if not self.kept:
            self.encoding.rows.fetch(self.groups[item][0])

    def __call__(self, item: int) -> None:
        moments = Moments.zero(self.encoding.encoder.n_features)
        for features, good in self._shards(item):
            moments = moments.merge(Moments.of(features if good.all() else features[good]))
        write_npy(self.encoding.folder.part("moments", item), _packed(moments))

    def _shards(self, item: int) -> Iterator[tuple[NDArray, NDArray[np.bool_]]]:
        folder = self.encoding.folder
        group = self.groups[item]
        for number in group:
            if self.kept:
                features = read_npy(folder.part("features", number))
                yield features, read_npy(folder.part("ok", number))
            else:
                if number < group[-1]:
                    self.encoding.rows.fetch(number + 1)
                features, good = self.encoding.shard(number)
                write_npy(folder.part("ok", number), good)
                yield features, good


@dataclass(frozen=True)
class _MomentsOfSome:
    """Writes the moments of the usable rows of a group of ranges of a sample."""

    drawn: drawn.Drawn
    shards: Shards
    groups: list[tuple[int, ...]]
    encoder: Encoder
    folder: StageFolder

    def setup(self) -> None:
        self.encoder.setup()
        _ = self.drawn.rows

    def __call__(self, item: int) -> None:
        moments = Moments.zero(self.encoder.n_features)
        for number in self.groups[item]:
            batch = self.drawn.rows.read(*self.shards.bounds(number))
            features, good = encode_good(self.encoder, batch.data, batch.bad)
            moments = moments.merge(Moments.of(features[good]))
        write_npy(self.folder.part("moments", item), _packed(moments))


def fitting_passes(source: Source, encoder: Encoder) -> int:
    """Return about how many passes over the source fit the steps, before the final encoding."""
    return 0 if is_kept(source, unreduced(encoder)) else encoder.needs.passes


def _base_bytes(source: Source, encoder: Encoder) -> int:
    """Return the size of the base features that are stored while the steps are fitted."""
    base = unreduced(encoder)
    kept = encoder.needs.passes and is_kept(source, base)
    return 4 * source.n_rows * base.n_features if kept else 0


def _packed(moments: Moments) -> NDArray[np.float64]:
    head = np.array([moments.count, moments.weight])
    return np.concatenate([head, moments.mean, moments.scatter.ravel()])


def _unpacked(array: NDArray, d: int) -> Moments:
    mean, scatter = array[2 : 2 + d], array[2 + d :].reshape(d, d)
    return Moments(int(array[0]), float(array[1]), mean, scatter)


def _depends_on(context: Context) -> dict[str, Any]:
    encoder = context.encoder
    return {
        "version": 2,
        **({"looked_at": drawn.LOOKED_AT} if looks_at_some(context.source, encoder) else {}),
        "encoder": encoder.settings(),
        "whiten": encoder.whiten,
        "components": encoder.needs.components,
        **({"seed": context.settings.seed} if isinstance(unreduced(encoder), Learned) else {}),
        **context.shards.depends_on,
    }


def _work(context: Context) -> dict[str, Any]:
    """Encode the rows, merge their moments in group order, and fit the projection."""
    folder, encoder = context.stage("features"), context.encoder
    base = unreduced(encoder)
    if isinstance(base, Learned):
        learn(context, folder, base)
    if isinstance(encoder, Reduced):
        fit_steps(context, folder, encoder, is_kept(context.source, base))
    d = encoder.n_features
    if not folder.whole("encoder", "json").exists():
        projection = _projection(context, folder)
        for name, array in projection.to_arrays().items():
            write_npy(folder.whole(name), array)
        write_json(folder.whole("encoder", "json"), encoder.settings())
    drop_base(folder)
    folder.delete_parts("moments")  # merged, possibly large, and not needed again
    values = read_npy(folder.whole("eigenvalues"))
    late = sum(read_table(path, ["row"]).num_rows for path in folder.parts("quarantine"))
    return {"features": d, "components": len(values), "quarantined": late}


def _projection(context: Context, folder: StageFolder) -> Projection:
    """Fit the projection to all rows, or to a sample of very many if that is usable."""
    encoder = context.encoder
    shape = encoder.needs.components, encoder.whiten
    if looks_at_some(context.source, encoder):
        with suppress(InputError):  # no two rows of the sample are usable and different
            return fit_projection(_moments_of_some(context, folder), *shape)
        folder.delete_parts("moments")
    return fit_projection(_moments(context, folder), *shape)


def _moments_of_some(context: Context, folder: StageFolder) -> Moments:
    """Encode rows drawn from all over the source, and return the moments of the usable ones."""
    looked_at = drawn.Drawn(context.source, drawn.LOOKED_AT, _SEED)
    shards, d = looked_at.shards, context.encoder.n_features
    groups = shards.groups(8 * (2 + d + d * d), _ROOM)
    task = _MomentsOfSome(looked_at, shards, groups, context.encoder, folder)
    context.run_missing(task, lambda: folder.numbers("moments"), groups, counted=False)
    return _merged(folder, d)


def _moments(context: Context, folder: StageFolder) -> Moments:
    d = context.encoder.n_features
    encoding = encoding_of(context, folder)
    kept = is_kept(context.source, context.encoder)
    groups = context.shards.groups(8 * (2 + d + d * d), _ROOM_WHEN_KEPT if kept else _ROOM)
    task = _MomentsOfGroup(encoding, groups, kept)
    if kept:
        context.run_missing(_EncodeShard(encoding), lambda: folder.numbers("ok"))
    context.run_missing(task, lambda: folder.numbers("moments"), groups, counted=not kept)
    refuse_too_few(context.shards.n_rows, read_quarantine(context.run, ("index", "features")))
    return _merged(folder, d)


def _merged(folder: StageFolder, d: int) -> Moments:
    moments = Moments.zero(d)
    for path in folder.parts("moments"):
        moments = moments.merge(_unpacked(read_npy(path), d))
    return moments


def _extend(context: Context, previous: Previous) -> dict[str, Any]:
    """Link the encoder and the projection, and stored features of the previous run's rows."""
    previous.link(context.stage("features"), lambda _, number: number is None or previous.kept > 0)
    return previous.stage("features").read_receipt().counts


def _need(work: Workload) -> Need:
    n, d, encoder = work.rows, work.features, work.encoder
    reading = 0 if index_stores_rows(work.opened) else work.source_bytes
    flags = n * (not looks_at_some(work.source, encoder))
    stored = 4 * n * d * is_kept(work.opened, encoder)
    moments = 8 * d * d * len(work.shards.groups(8 * d * d))
    return Need(
        encoder.needs.shared + reading,
        work.encoding_bytes + 40 * d * d,
        flags + stored,
        moments + _base_bytes(work.opened, encoder),
    )


STAGE = Stage(
    "features",
    ("index",),
    _depends_on,
    _work,
    _extend,
    _need,
    unchanged_by_growth=True,
    reads_source=True,
    quarantines=True,
)
