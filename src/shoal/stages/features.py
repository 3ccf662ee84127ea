"""Features: every row encoded, and the projection fitted to their moments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.features import Encoder, Learned, Moments, Reduced, fit_projection, unreduced
from shoal.sources import Source
from shoal.stages.base import (
    KEPT_BYTES,
    Context,
    Stage,
    is_plain,
    quarantined,
    refuse_too_few,
)
from shoal.stages.encoding import encode_good, note_late
from shoal.stages.learning import learn
from shoal.stages.reducing import fit_steps
from shoal.stages.rows import Rows
from shoal.storage import StageFolder, delete, read_npy, read_table, write_json, write_npy

_QUICK = ("pixels", "gradients", "colours")
_ROOM = 1 << 29
_ROOM_WHEN_KEPT = 1 << 26  # the moments of rows at hand take no time: few parts will do


@dataclass(frozen=True)
class _Encoding:
    """Encodes shards, and knows which rows of them are good."""

    rows: Rows
    encoder: Encoder
    folder: StageFolder

    def shard(self, number: int) -> tuple[NDArray, NDArray[np.bool_]]:
        """Encode one shard, and write which rows are good and what is wrong with the others."""
        blocks, at = [], 0
        bad: dict[int, str] = {}
        for batch in self.rows.read(number):
            blocks.append(encode_good(self.encoder, batch.data, batch.bad))
            bad |= {at + i: reason for i, reason in batch.bad.items()}
            at += len(batch.data)
        features, good = blocks[0]
        if len(blocks) > 1:
            features, good = map(np.concatenate, zip(*blocks, strict=True))
        for i in np.flatnonzero(~good).tolist():
            bad.setdefault(i, "its features overflow")
        note_late(self.rows, self.folder, number, bad)
        return features, good


@dataclass(frozen=True)
class _EncodeShard:
    """Encodes one shard and keeps its features."""

    encoding: _Encoding

    def setup(self) -> None:
        """Load the encoder."""
        self.encoding.encoder.setup()

    def fetch(self, item: int) -> None:
        """Begin to read a shard."""
        self.encoding.rows.fetch(item)

    def __call__(self, item: int) -> None:
        features, good = self.encoding.shard(item)
        folder = self.encoding.folder
        write_npy(folder.part("features", item), features)
        write_npy(folder.part("ok", item), good)  # last: it shows that all are there


@dataclass(frozen=True)
class _MomentsOfGroup:
    """Writes the moments of the good rows of a group of shards."""

    encoding: _Encoding
    groups: list[tuple[int, ...]]
    kept: bool

    def setup(self) -> None:
        """Load the encoder, unless its features are there."""
        if not self.kept:
            self.encoding.encoder.setup()

    def fetch(self, item: int) -> None:
        """Begin to read a group's first shard."""
        if not self.kept:
            self.encoding.rows.fetch(self.groups[item][0])

    def __call__(self, item: int) -> None:
        moments = Moments.zero(self.encoding.encoder.n_features)
        for features, good in self._shards(item):
            moments = moments.merge(Moments.of(features if good.all() else features[good]))
        write_npy(self.encoding.folder.part("moments", item), _packed(moments))

    def _shards(self, item: int) -> Iterator[tuple[NDArray, NDArray[np.bool_]]]:
        """Go through the features of a group's shards."""
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


def is_kept(source: Source, encoder: Encoder) -> bool:
    """Tell whether features are kept: where making them again is dearer, and they take little room.

    The kernels of pixels and gradients are as fast as reading what they give, unless the images
    must be decoded again.
    """
    small = source.n_rows * encoder.n_features * 4 <= KEPT_BYTES
    quick = encoder.name == "vectors" or (encoder.name in _QUICK and is_plain(source))
    return encoder.needs.dear or (small and not quick)


def _packed(moments: Moments) -> NDArray[np.float64]:
    """Put moments into one array."""
    head = np.array([moments.count, moments.weight])
    return np.concatenate([head, moments.mean, moments.scatter.ravel()])


def _unpacked(array: NDArray, d: int) -> Moments:
    """Take moments out of one array."""
    mean, scatter = array[2 : 2 + d], array[2 + d :].reshape(d, d)
    return Moments(int(array[0]), float(array[1]), mean, scatter)


def _facts(context: Context) -> dict[str, Any]:
    """Give what the features depend on."""
    encoder = context.encoder
    return {
        "version": 2,
        "encoder": encoder.settings(),
        "whiten": encoder.whiten,
        "components": encoder.needs.components,
        **({"seed": context.settings.seed} if isinstance(unreduced(encoder), Learned) else {}),
        **context.shards.grouped,
    }


def _work(context: Context) -> dict[str, Any]:
    """Encode, merge the moments in the order of the groups, fit the projection."""
    folder, encoder = context.stage("features"), context.encoder
    if context.grown is not None:
        kept = context.grown.kept
        context.grown.take_over(folder, lambda _, number: number is None or kept > 0)
        return context.grown.stage("features").receipt.counts
    base = unreduced(encoder)
    if isinstance(base, Learned):
        learn(context, folder, base)
    if isinstance(encoder, Reduced):
        fit_steps(context, folder, encoder)
    d = encoder.n_features
    if not folder.whole("encoder", "json").exists():
        moments = _moments(context, folder)
        projection = fit_projection(moments, encoder.needs.components, encoder.whiten)
        for name, array in projection.to_arrays().items():
            write_npy(folder.whole(name), array)
        write_json(folder.whole("encoder", "json"), encoder.settings())
    for path in folder.parts("moments"):  # merged: they may be large and are not needed again
        delete(path)
    values = read_npy(folder.whole("eigenvalues"))
    late = sum(read_table(path, ["row"]).num_rows for path in folder.parts("quarantine"))
    return {"features": d, "components": len(values), "quarantined": late}


def _moments(context: Context, folder: StageFolder) -> Moments:
    """Encode every shard; give the moments of the good rows of all."""
    d = context.encoder.n_features
    encoding = _Encoding(context.rows, context.encoder, folder)
    kept = is_kept(context.source, context.encoder)
    groups = context.shards.groups(8 * (2 + d + d * d), _ROOM_WHEN_KEPT if kept else _ROOM)
    task = _MomentsOfGroup(encoding, groups, kept)
    if kept:
        context.each_shard(_EncodeShard(encoding), lambda: folder.numbers("ok"))
    context.each_group(task, groups, lambda: folder.numbers("moments"), counted=not kept)
    refuse_too_few(context.shards.n_rows, quarantined(context.run).to_pylist())
    moments = Moments.zero(d)
    for path in folder.parts("moments"):
        moments = moments.merge(_unpacked(read_npy(path), d))
    return moments


STAGE = Stage("features", ("index",), _facts, _work, once=True)
