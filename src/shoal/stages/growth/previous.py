"""The earlier run that a fit adds rows to, of which nothing is done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shoal.stages.result import Result
from shoal.storage import StageFolder, link_file


@dataclass(frozen=True)
class Previous:
    """An earlier run whose tree is kept, and whose rows come first."""

    result: Result
    # How many rows are its own, the first ones; 0 for a run of a sample: then all rows of the
    # source are placed in its tree
    kept: int
    changed: tuple[int, ...] = ()  # Shards in which files changed since: they are done again

    @property
    def size(self) -> int:
        return int(self.result.summary["shard_rows"])

    @property
    def fitted(self) -> int:
        """How many rows the tree was fitted to."""
        return int(self.result.summary.get("grown", {}).get("fitted", self.result.n_rows))

    @property
    def path(self) -> str:
        return str(self.result.folder.path)

    def stage(self, name: str) -> StageFolder:
        return self.result.folder.stage(name)

    def keeps(self, number: int) -> bool:
        """Return whether all rows of a shard are the previous run's, as they were."""
        return number < self.kept // self.size and number not in self.changed

    def redone(self, shards: int) -> list[int]:
        """Return which of `shards` shards have rows that are new or changed."""
        return [number for number in range(shards) if not self.keeps(number)]

    def kept_in(self, number: int) -> int:
        """Count the rows of a shard that are those of the previous run, as they were."""
        if number in self.changed:
            return 0
        return min(max(self.kept - number * self.size, 0), self.size)

    def link(self, folder: StageFolder, wanted: Callable[[str, int | None], bool]) -> None:
        """Link parts of the previous run, each by its kind and number (None: a whole).

        Parts are never changed in their place, so the previous run stays what it is.
        """
        source = self.stage(folder.name)
        for name in source.read_receipt().parts:
            kind, file = name.split("/")
            digits = file.removeprefix("part-").split(".")[0]
            number = int(digits) if digits.isdigit() else None
            if wanted(kind, number) and not (folder.path / name).exists():
                link_file(source.path / name, folder.path / name)

    def link_all(self, folder: StageFolder) -> dict[str, Any]:
        """Link every part of a stage; return its counts."""
        self.link(folder, lambda *_: True)
        return self.stage(folder.name).read_receipt().counts
