"""Rows that are added to those of an earlier run, of which nothing is done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.stages.result import Result
from shoal.storage import StageFolder, link_file


@dataclass(frozen=True)
class Grown:
    """An earlier run whose tree is kept, and whose rows come first.

    Attributes
    ----------
    before
        The earlier run.
    kept
        How many rows are its own, the first ones; 0 when it was a look at a sample: then all
        rows are placed in its tree.
    """

    before: Result
    kept: int

    @property
    def size(self) -> int:
        """Rows of a shard."""
        return int(self.before.summary["shard_rows"])

    @property
    def whole(self) -> int:
        """How many shards have rows of the earlier run only: those are taken over."""
        return self.kept // self.size

    @property
    def fitted(self) -> int:
        """How many rows the tree was fitted to."""
        return int(self.before.summary.get("grown", {}).get("fitted", self.before.n_rows))

    def stage(self, name: str) -> StageFolder:
        """Give the folder of a stage of the earlier run."""
        return self.before.run.stage(name)

    def old(self, number: int) -> int:
        """Count the rows of a shard that are those of the earlier run."""
        return min(max(self.kept - number * self.size, 0), self.size)

    def redone(self, shards: int) -> range:
        """Give the shards, of so many, that have rows of which something must be done."""
        return range(self.whole, shards)

    def is_kept(self, project: StageFolder, number: int, rows: int) -> NDArray[np.bool_]:
        """Tell which rows of a shard are the earlier run's, as they were, (rows,)."""
        return np.arange(rows) < self.old(number)

    def take_over(self, folder: StageFolder, wanted: Callable[[str, int | None], bool]) -> None:
        """Link parts of the earlier run, each by its kind and number (None: a whole).

        Parts are never changed in their place, so the earlier run stays what it is.

        Raises
        ------
        RunError
            When one is missing.
        StorageFullError
            When they cannot be written.
        """
        before = self.stage(folder.name)
        for name in before.receipt.parts:
            kind, file = name.split("/")
            digits = file.removeprefix("part-").split(".")[0]
            number = int(digits) if digits.isdigit() else None
            if wanted(kind, number) and not (folder.path / name).exists():
                link_file(before.path / name, folder.path / name)
