"""Project added rows; those of the previous run keep their vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shoal.features import Encoder, Projection
from shoal.stages.encoding import note_late, project_shard
from shoal.stages.growth.previous import Previous
from shoal.stages.quarantine import reasons_in_shard
from shoal.stages.rows import Rows
from shoal.stages.vectors import write_vectors
from shoal.storage import StageFolder, read_npy, write_npy


@dataclass(frozen=True)
class ProjectAdded:
    """Encodes and projects a shard that has rows of the previous run, new ones, or both."""

    rows: Rows
    encoder: Encoder
    projection: Projection
    previous: Previous
    folder: StageFolder

    def setup(self) -> None:
        self.encoder.setup()

    def fetch(self, item: int) -> None:
        self.rows.fetch(item)

    def __call__(self, item: int) -> None:
        vectors, good, left, bad = project_shard(self.rows, self.encoder, self.projection, item)
        left[~good] = np.nan
        kept, before = self.previous.kept_in(item), self.previous.stage("project")
        if kept:
            good[:kept], left[:kept] = read_npy(before.part("ok", item)), np.nan
            bad = self._previous_reasons(item) | {at: bad[at] for at in bad if at >= kept}
        note_late(self.rows, self.folder, item, bad)
        write_npy(self.folder.part("left", item), left)
        write_npy(self.folder.part("ok", item), good)
        packed = self.previous.result.packed
        write_vectors(self.folder, item, vectors, packed, before if kept else None)

    def _previous_reasons(self, number: int) -> dict[int, str]:
        before = self.previous.stage("project")
        if not before.has("quarantine", number, "parquet"):
            return {}
        path = before.part("quarantine", number, "parquet")
        return reasons_in_shard(path, number * self.previous.size)
