"""Encode usable rows, and measure the residual of a projection; for stages and predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.features import Encoder, Projection
from shoal.features.projection import PROJECTED
from shoal.rows import Batch
from shoal.stages.quarantine import reasons_in_shard, write_quarantine
from shoal.stages.rows import Rows
from shoal.storage import RunFolder, StageFolder, read_npy

_BLOCK = 4 * PROJECTED  # rows that are encoded at a time
_CLEAR = 1e-3  # of the squared length: from here on, the difference of squares is right to 1e-3


def encode_good(
    encoder: Encoder, data: NDArray, bad: dict[int, str]
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Return the features of rows, zero where they cannot be used, and where they can."""
    good = np.ones(len(data), np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        features = encoder.encode(data)
        if not np.isfinite(features.sum()):  # faster than checking every number
            good = np.isfinite(features).all(axis=1)
    good[list(bad)] = False
    if not good.all():
        features = np.where(good[:, None], features, np.float32(0))
    return features, good


def project_rows(
    encoder: Encoder,
    projection: Projection,
    batch: Batch,
    tried: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Encode and project rows, few at a time so that their features stay in a core's cache.

    Parameters
    ----------
    encoder, projection, batch
        What rows are encoded and projected by, and the rows.
    tried
        Ascending places of those whose residual is wanted; of all by default.

    Returns
    -------
    vectors
        (n, components), 0 for rows that cannot be used.
    good
        (n,) which rows can be used.
    left
        Length of what the projection leaves out of each of those; see `residual`.
    """
    data, n = batch.data, len(batch.data)
    vectors, good = np.empty((n, projection.n_components), np.float32), np.empty(n, np.bool_)
    lefts = [np.empty(0, np.float32)]
    for a in range(0, n, _BLOCK):
        part = slice(a, a + _BLOCK)
        own = {at - a: why for at, why in batch.bad.items() if a <= at < a + _BLOCK}
        features, good[part] = encode_good(encoder, data[part], own)
        vectors[part] = projection.apply(features)
        ends = (0, len(features)) if tried is None else np.searchsorted(tried, (a, a + _BLOCK))
        at = slice(*ends) if tried is None else tried[slice(*ends)] - a
        lefts.append(residual(projection, features[at], vectors[part][at]))
    if not good.all():
        vectors[~good] = 0
    return vectors, good, np.concatenate(lefts)


def project_shard(
    rows: Rows,
    encoder: Encoder,
    projection: Projection,
    number: int,
    tried: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], dict[int, str]]:
    """Encode and project a shard as `project_rows` does; also return why rows are unusable."""
    blocks, at = [], 0
    bad: dict[int, str] = {}
    for batch in rows.read(number):
        end = at + len(batch.data)
        own = None if tried is None else tried[(tried >= at) & (tried < end)] - at
        blocks.append(project_rows(encoder, projection, batch, own))
        bad |= {at + i: reason for i, reason in batch.bad.items()}
        at = end
    vectors, good, left = blocks[0]
    if len(blocks) > 1:
        vectors, good, left = map(np.concatenate, zip(*blocks, strict=True))
    return vectors, good, left, with_reasons(good, bad)


@dataclass(frozen=True)
class Encoding:
    """Encodes shards, and records which of their rows are usable."""

    rows: Rows
    encoder: Encoder
    folder: StageFolder

    def shard(self, number: int) -> tuple[NDArray, NDArray[np.bool_]]:
        features, good, bad = self.encoded(number)
        note_late(self.rows, self.folder, number, with_reasons(good, bad))
        return features, good

    def encoded(self, number: int) -> tuple[NDArray, NDArray[np.bool_], dict[int, str]]:
        """Encode one shard; also return which rows are usable, and why others are not."""
        blocks, at = [], 0
        bad: dict[int, str] = {}
        for batch in self.rows.read(number):
            blocks.append(encode_good(self.encoder, batch.data, batch.bad))
            bad |= {at + i: reason for i, reason in batch.bad.items()}
            at += len(batch.data)
        features, good = blocks[0]
        if len(blocks) > 1:
            features, good = map(np.concatenate, zip(*blocks, strict=True))
        return features, good, bad


def with_reasons(good: NDArray[np.bool_], bad: dict[int, str]) -> dict[int, str]:
    """Give a reason to rows that are not good without one."""
    return dict.fromkeys(np.flatnonzero(~good).tolist(), "its features overflow") | bad


def note_late(rows: Rows, folder: StageFolder, number: int, bad: dict[int, str]) -> None:
    """Write the unusable rows that the index did not know about, if any."""
    path = rows.index.part("quarantine", number, "parquet")
    start, stop = rows.shards.bounds(number)
    known = reasons_in_shard(path, start)
    late = {at: reason for at, reason in bad.items() if at not in known}
    if late:
        names = rows.source.names(start, stop)
        write_quarantine(folder.part("quarantine", number, "parquet"), start, late, names)


def read_projection(run: RunFolder) -> Projection:
    """Read the projection of a possibly unfinished run."""
    folder = run.stage("features")
    names = ("mean", "matrix", "eigenvalues")
    return Projection.from_arrays({name: read_npy(folder.whole(name)) for name in names})


def residual(
    projection: Projection, features: NDArray, vectors: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the length of the projection residual of each row, in feature space, (n,) float32.

    A row unlike any fitted one may be projected among them, but has a large residual.
    """
    lengths, outside = projection.squares(features, vectors)
    left = np.sqrt(np.maximum(outside, 0)).astype(np.float32)
    doubtful = np.flatnonzero(outside < _CLEAR * lengths)
    for a in range(0, len(doubtful), PROJECTED):
        rows = doubtful[a : a + PROJECTED]
        missed = projection.centred(features[rows])
        missed -= vectors[rows] @ projection.directions
        left[rows] = np.sqrt(np.einsum("ij,ij->i", missed, missed))
    return left


@dataclass(frozen=True)
class ShardTask:
    """A task that encodes shards."""

    encoding: Encoding

    def setup(self) -> None:
        self.encoding.encoder.setup()

    def fetch(self, item: int) -> None:
        self.encoding.rows.fetch(item)
