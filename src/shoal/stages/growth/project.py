"""Project: the vectors of added rows; those of the earlier run keep theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.features import Encoder, Projection
from shoal.rows import Batch
from shoal.stages.base import Context, Stage, write_vectors
from shoal.stages.encoding import note_late, project_rows, with_reasons
from shoal.stages.growth.grown import Grown
from shoal.stages.project import VERSION, counts_of, read_projection
from shoal.stages.rows import Rows
from shoal.storage import StageFolder, read_npy, read_table, write_npy

_WHOLE = ("residual", "centres")


@dataclass(frozen=True)
class _ProjectAdded:
    """Encodes and projects a shard of added rows; rows of the earlier run keep what they had."""

    rows: Rows
    encoder: Encoder
    projection: Projection
    grown: Grown
    folder: StageFolder

    def setup(self) -> None:
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
        before = self.grown.stage("project")
        if not before.has("quarantine", number, "parquet"):
            return {}
        table = read_table(before.part("quarantine", number, "parquet"))
        start = number * self.grown.size
        at = (row - start for row in table["row"].to_pylist())
        return dict(zip(at, table["reason"].to_pylist(), strict=True))

    def _block(self, batch: Batch) -> tuple[NDArray, NDArray, NDArray, dict[int, str]]:
        """Return a block's vectors, which rows are good, the residuals, and reasons."""
        vectors, good, left = project_rows(self.encoder, self.projection, batch)
        left[~good] = np.nan
        return vectors, good, left, with_reasons(good, batch.bad)


def _work(context: Context) -> dict[str, Any]:
    grown, folder = context.added_to, context.stage("project")
    projection = read_projection(context)
    grown.take_over(
        folder, lambda kind, number: kind in _WHOLE or (number is not None and grown.keeps(number))
    )
    task = _ProjectAdded(context.rows, context.encoder, projection, grown, folder)
    context.each_shard(task, lambda: folder.numbers("vectors"))
    return counts_of(folder, projection)


STAGE = Stage("project", ("features",), lambda _: VERSION, _work)
