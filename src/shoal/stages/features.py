"""Features: every row encoded, and the projection fitted to their moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.features import COMPONENTS, Encoder, Moments, fit_projection
from shoal.sources import Source
from shoal.stages.base import (
    KEPT_BYTES,
    Context,
    Rows,
    Stage,
    is_plain,
    keeps_pixels,
    write_quarantine,
)
from shoal.storage import StageFolder, read_npy, write_json, write_npy


@dataclass(frozen=True)
class _EncodeGroup:
    """Encodes a group of shards and writes the moments of their good rows."""

    rows: Rows
    encoder: Encoder
    folder: StageFolder
    groups: list[tuple[int, ...]]
    keep: bool

    def setup(self) -> None:
        """Load the encoder."""
        self.encoder.setup()

    def __call__(self, item: int) -> None:
        moments = Moments.zero(self.encoder.n_features)
        for number in self.groups[item]:
            features, good = self._shard(number)
            moments = moments.merge(Moments.of(features if good.all() else features[good]))
        write_npy(self.folder.part("moments", item), _packed(moments))

    def _shard(self, number: int) -> tuple[NDArray, NDArray[np.bool_]]:
        """Encode one shard, or take what is there from before."""
        if self.keep and self.folder.has("ok", number):
            features = read_npy(self.folder.part("features", number))
            return features, read_npy(self.folder.part("ok", number))
        batch = self.rows.read(number)
        features, good = encode_good(self.encoder, batch.data, batch.bad)
        late = {
            i: batch.bad.get(i, "its features overflow") for i in np.flatnonzero(~good).tolist()
        }
        _note_late(self.rows, self.folder, number, late)
        if self.keep:
            write_npy(self.folder.part("features", number), features)
        write_npy(self.folder.part("ok", number), good)
        return features, good


_QUICK = ("pixels", "gradients")


def encode_good(
    encoder: Encoder, data: NDArray, bad: dict[int, str]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Give the features of rows, zero where they cannot be used, and where they can."""
    with np.errstate(over="ignore", invalid="ignore"):
        features = encoder.encode(data)
    good = np.isfinite(features).all(axis=1)
    good[list(bad)] = False
    if not good.all():
        features = np.where(good[:, None], features, np.float32(0))
    return features, good


def is_kept(source: Source, encoder: Encoder) -> bool:
    """Tell whether features are kept: where making them again is dearer, and they take little room.

    The kernels of pixels and gradients are as fast as reading what they give, unless the images
    must be decoded again.
    """
    small = source.n_rows * encoder.n_features * 4 <= KEPT_BYTES
    at_hand = is_plain(source) or keeps_pixels(source)
    quick = encoder.name == "vectors" or (encoder.name in _QUICK and at_hand)
    return small and not quick


def _note_late(rows: Rows, folder: StageFolder, number: int, bad: dict[int, str]) -> None:
    """Write the rows that went bad only now, if any."""
    from shoal.storage import read_table

    path = rows.index.part("quarantine", number, "parquet")
    start, stop = rows.shards.bounds(number)
    known = {row - start for row in read_table(path, ["row"])["row"].to_pylist()}
    late = {at: reason for at, reason in bad.items() if at not in known}
    if late:
        names = rows.source.names(start, stop)
        write_quarantine(folder.part("quarantine", number, "parquet"), start, late, names)


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
        "version": 1,
        "encoder": encoder.settings(),
        "whiten": encoder.whiten,
        "components": COMPONENTS,
    }


def _work(context: Context) -> dict[str, Any]:
    """Encode, merge the moments in the order of the groups, fit the projection."""
    folder, encoder = context.stage("features"), context.encoder
    d = encoder.n_features
    if not folder.whole("encoder", "json").exists():
        groups = context.shards.groups(8 * (2 + d + d * d))
        keep = is_kept(context.source, encoder)
        task = _EncodeGroup(context.rows, encoder, folder, groups, keep)
        context.each_group(task, groups, lambda group: folder.has("moments", group))
        moments = Moments.zero(d)
        for path in folder.parts("moments"):
            moments = moments.merge(_unpacked(read_npy(path), d))
        projection = fit_projection(moments, COMPONENTS, encoder.whiten)
        for name, array in projection.to_arrays().items():
            write_npy(folder.whole(name), array)
        write_json(folder.whole("encoder", "json"), encoder.settings())
    for path in folder.parts("moments"):  # merged: they may be large and are not needed again
        path.unlink()
    values = read_npy(folder.whole("eigenvalues"))
    return {"features": d, "components": len(values)}


STAGE = Stage("features", ("index",), _facts, _work)
