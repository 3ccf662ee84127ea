"""Rows that are added to those of an earlier run, of which nothing is done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shoal.stages.result import Result
from shoal.storage import StageFolder, link_file


@dataclass(frozen=True)
class Grown:
    """An earlier run whose tree is kept, and whose rows come first."""

    before: Result  # The earlier run
    # How many rows are its own, the first ones; 0 when it was a look at a sample: then all rows are
    # placed in its tree
    kept: int
    changed: tuple[int, ...] = ()  # Shards in which files changed since: they are done again

    @property
    def size(self) -> int:
        return int(self.before.summary["shard_rows"])

    @property
    def fitted(self) -> int:
        """How many rows the tree was fitted to."""
        return int(self.before.summary.get("grown", {}).get("fitted", self.before.n_rows))

    def stage(self, name: str) -> StageFolder:
        return self.before.folder.stage(name)

    def keeps(self, number: int) -> bool:
        """Return whether a shard is taken over: all of its rows are the earlier run's."""
        return number < self.kept // self.size and number not in self.changed

    def redone(self, shards: int) -> list[int]:
        """Return the shards, of so many, that have rows of which something must be done."""
        return [number for number in range(shards) if not self.keeps(number)]

    def old(self, number: int) -> int:
        """Count the rows of a shard that are those of the earlier run, as they were."""
        if number in self.changed:
            return 0
        return min(max(self.kept - number * self.size, 0), self.size)

    def take_over(self, folder: StageFolder, wanted: Callable[[str, int | None], bool]) -> None:
        """Link parts of the earlier run, each by its kind and number (None: a whole).

        Parts are never changed in their place, so the earlier run stays what it is.
        """
        before = self.stage(folder.name)
        for name in before.read_receipt().parts:
            kind, file = name.split("/")
            digits = file.removeprefix("part-").split(".")[0]
            number = int(digits) if digits.isdigit() else None
            if wanted(kind, number) and not (folder.path / name).exists():
                link_file(before.path / name, folder.path / name)
