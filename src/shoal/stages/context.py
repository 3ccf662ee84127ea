"""What a stage receives, and how it runs its tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from shoal.engines.base import Engine, Task
from shoal.engines.local import LocalEngine
from shoal.features import Encoder
from shoal.progress import Progress
from shoal.rows import Source
from shoal.settings import FitSettings
from shoal.stages.copies import Copies
from shoal.stages.growth.previous import Previous
from shoal.stages.rows import Rows
from shoal.stages.shards import Shards
from shoal.storage import RunFolder, StageFolder

if TYPE_CHECKING:
    from shoal.core.constraints import Constraints

_FEW_SHARDS = 1024


class ConstraintSource(Protocol):
    """Constraints from the edits of an earlier run."""

    @property
    def fingerprint(self) -> str: ...  # Changes with the edits

    def constraints(self, run: RunFolder) -> Constraints | None:
        """Return the constraints on the representatives of a run."""


@dataclass(frozen=True)
class Context:
    """Everything that a stage receives."""

    run: RunFolder
    opened: Source  # The source as it was opened
    fingerprint: dict[str, Any]  # Of the source as it was opened
    source: Source  # The same rows, with the pixels that the encoder wants
    settings: FitSettings
    encoder: Encoder
    shards: Shards
    engine: Engine
    progress: Progress
    first_id: int = 0  # Above all ids that an earlier run and its edits used
    constraints: ConstraintSource | None = None
    previous: Previous | None = None  # The run that rows are added to
    copies: Copies = field(default_factory=Copies)  # Rows that count with the row they duplicate

    def stage(self, name: str) -> StageFolder:
        return self.run.stage(name)

    @property
    def rows(self) -> Rows:
        """The source's rows, shard by shard."""
        return Rows(self.source, self.shards, self.stage("index"))

    def light(self) -> Context:
        """Return a context for a pass that copies only a little of each shard.

        With few shards it runs locally: starting remote workers would take longer.
        """
        if len(self.shards) > _FEW_SHARDS:
            return self
        return replace(self, engine=LocalEngine(self.settings.workers or 1))

    def run_missing(
        self,
        task: Task[int],
        completed: Callable[[], Collection[int]],
        groups: Sequence[tuple[int, ...]] | None = None,
        *,
        counted: bool = True,
    ) -> None:
        """Run a task on the number of every group of shards that is not completed.

        By default every shard is a group. With `counted`, rows are reported as progress; otherwise
        another pass of the stage does so.
        """
        if groups is None:
            groups = [(number,) for number in range(len(self.shards))]
        rows = [sum(map(self.shards.rows, group)) for group in groups]
        done = completed()
        left = [number for number in range(len(groups)) if number not in done]
        done_rows = sum(rows) - sum(rows[number] for number in left)
        if done_rows and counted:
            self.progress.advance(done_rows)
        self.engine.run(
            task,
            left,
            (lambda number: self.progress.advance(rows[number])) if counted else None,
            completed=completed,
            describe=lambda number: _shards_named(groups[number]),
        )


def _shards_named(group: tuple[int, ...]) -> str:
    """Name the shards of a group, which follow each other.

    >>> _shards_named((3,)), _shards_named((4, 5, 6))
    ('shard 3', 'shards 4 to 6')
    """
    return f"shard {group[0]}" if len(group) == 1 else f"shards {group[0]} to {group[-1]}"
