"""What an engine is: it runs tasks over items, and knows nothing of clustering."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
ItemT = TypeVar("ItemT", contravariant=True)


class Task(Protocol[ItemT]):
    """A picklable frozen dataclass: turns stored parts into one stored part per item.

    The same item gives the same bytes wherever and however often it is run.
    """

    def setup(self) -> None:
        """Load what is heavy, once per worker."""

    def __call__(self, item: ItemT) -> None:
        """Process one item; the result goes to storage, under a name that the item decides."""


@runtime_checkable
class FetchingTask(Protocol[ItemT]):
    """A task that can begin to read what an item needs before the item is processed."""

    def fetch(self, item: ItemT) -> None:
        """Begin to read for an item that is processed soon; returns at once."""


class Engine(Protocol):
    """Runs every item at least once, in any order, on any worker."""

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        completed: Callable[[], Collection[Item]] | None = None,
        describe: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`; raises the first error that a task raised.

        Parameters
        ----------
        task, items
            The work.
        on_done
            Called with each item that is done, from any thread.
        completed
            Returns the items whose results are in storage, for engines whose workers can be lost.
        describe
            Describes an item in an error: ``shard 3``.
        """

    def close(self) -> None:
        """Release what was kept for further tasks."""


@dataclass(frozen=True)
class Launch:
    """How to start an engine that has worker processes."""

    options: Sequence[str]
    """Its own options, as words of a command line; see docs/scale.md."""
    threads: int
    """Most items at a time in one process of a running cluster: what fits in memory."""
    split: Callable[[], tuple[int, int]]
    """Returns how many worker processes to start on this machine, and the threads of each; raises
    where memory has no room for one."""
    prepare: Callable[[], None]
    """Called in each worker process before a task's `setup`; picklable."""
    notes: Path
    """A folder that workers and launcher reach, for errors that have no other way back."""
