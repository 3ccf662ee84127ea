"""Project: every row's vector in the space that is clustered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.hashes import row_hashes
from shoal.errors import SourceError
from shoal.features import Encoder, Projection
from shoal.rows import Batch
from shoal.stages.base import EVERY_ROW, Context, Stage, write_vectors
from shoal.stages.encoding import Encoding, encode_good, note_late, residual
from shoal.stages.grown import Grown
from shoal.stages.heldout import held_out_rows
from shoal.stages.rows import Rows
from shoal.storage import StageFolder, read_npy, read_table, write_npy


@dataclass(frozen=True)
class _ProjectShard:
    """Projects one shard, from the features that were kept or encoded again."""

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
        if self.features.has("ok", item):
            good = read_npy(self.features.part("ok", item))
            features = self._features(item, good)
        else:  # the projection is that of a sample
            features, good = Encoding(self.rows, self.encoder, self.folder).shard(item)
        vectors = self.projection.apply(features)
        vectors[~good] = 0
        tried = held_out_rows(self.rows.shards, item)
        tried = tried[good[tried]]
        left = residual(self.projection, features[tried], vectors[tried])
        write_npy(self.folder.part("residual", item), left)
        if self.rows.shards.n_rows <= EVERY_ROW:
            # The last bits of a product depend on a row's place, so equal rows are told before.
            write_npy(self.folder.part("hashes", item), row_hashes(features))
        write_npy(self.folder.part("ok", item), good)
        write_vectors(self.folder, item, vectors, self.rows.shards.n_rows > EVERY_ROW)

    def _features(self, number: int, good: NDArray[np.bool_]) -> NDArray:
        """Return the features of a shard; rows that are not good are of no account."""
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
        """Raise when a row is bad that was good when it was encoded."""
        gone = [i for i in bad if fine[i]]
        if gone:
            row = self.rows.shards.bounds(number)[0] + at + gone[0]
            raise SourceError(
                f"row {row:,} could be read a moment ago, but now {bad[gone[0]]}: "
                "put it back, or run shoal fit again to go on without it"
            )


@dataclass(frozen=True)
class _ProjectAdded:
    """Encodes and projects a shard of added rows; rows of the earlier run keep what they had."""

    rows: Rows
    encoder: Encoder
    projection: Projection
    grown: Grown
    folder: StageFolder

    def setup(self) -> None:
        """Load the encoder."""
        self.encoder.setup()

    def fetch(self, item: int) -> None:
        """Begin to read a shard."""
        self.rows.fetch(item)

    def __call__(self, item: int) -> None:
        blocks = [self._block(batch) for batch in self.rows.read(item)]
        vectors, good, left = (np.concatenate([block[at] for block in blocks]) for at in range(3))
        starts = np.cumsum([0, *(len(block[1]) for block in blocks[:-1])]).tolist()
        bad = {
            first + at: reason
            for first, block in zip(starts, blocks, strict=True)
            for at, reason in block[3].items()
        }
        old, before = self.grown.old(item), self.grown.stage("project")
        if old:
            good[:old], left[:old] = read_npy(before.part("ok", item)), np.nan
            new = {at: reason for at, reason in bad.items() if at >= old}
            bad = self._known(item) | new
        note_late(self.rows, self.folder, item, bad)
        write_npy(self.folder.part("left", item), left)
        write_npy(self.folder.part("ok", item), good)
        packed = self.grown.before.packed
        write_vectors(self.folder, item, vectors, packed, before if old else None)

    def _known(self, number: int) -> dict[int, str]:
        """Return what was wrong with rows of a shard that were added before."""
        before = self.grown.stage("project")
        if not before.has("quarantine", number, "parquet"):
            return {}
        table = read_table(before.part("quarantine", number, "parquet"))
        start = number * self.grown.size
        at = (row - start for row in table["row"].to_pylist())
        return dict(zip(at, table["reason"].to_pylist(), strict=True))

    def _block(self, batch: Batch) -> tuple[NDArray, NDArray, NDArray, dict[int, str]]:
        """Return a block's vectors, which rows are good, the residuals, and reasons."""
        features, good = encode_good(self.encoder, batch.data, batch.bad)
        vectors = self.projection.apply(features)
        vectors[~good] = 0
        left = residual(self.projection, features, vectors)
        left[~good] = np.nan
        overflowing = np.flatnonzero(~good).tolist()
        return vectors, good, left, dict.fromkeys(overflowing, "its features overflow") | batch.bad


def _facts(context: Context) -> dict[str, Any]:
    """Return what the vectors depend on besides features and projection."""
    return {"version": 3}


def _work(context: Context) -> dict[str, Any]:
    """Project every shard."""
    features, folder = context.stage("features"), context.stage("project")
    names = ("mean", "matrix", "eigenvalues")
    projection = Projection.from_arrays({n: read_npy(features.whole(n)) for n in names})
    task: _ProjectShard | _ProjectAdded
    if context.grown is None:
        task = _ProjectShard(context.rows, context.encoder, projection, features, folder)
    else:
        grown = context.grown
        grown.take_over(
            folder,
            lambda kind, number: kind == "residual" or (number is not None and grown.keeps(number)),
        )
        task = _ProjectAdded(context.rows, context.encoder, projection, grown, folder)
    context.each_shard(task, lambda: folder.numbers("vectors"))
    good = sum(int(read_npy(path).sum()) for path in folder.parts("ok"))
    return {"rows": good, "components": projection.n_components}


STAGE = Stage("project", ("features",), _facts, _work)
