"""What an engine is: it runs tasks over items, and knows nothing of clustering."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar, runtime_checkable

Item = TypeVar("Item")
ItemT = TypeVar("ItemT", contravariant=True)


class Task(Protocol[ItemT]):
    """A picklable frozen dataclass: turns stored parts into one stored part an item.

    The same item gives the same bytes wherever and however often it is done.
    """

    def setup(self) -> None:
        """Load what is heavy, once a worker."""

    def __call__(self, item: ItemT) -> None:
        """Do one item; the result goes to storage, under a name that the item decides."""


@runtime_checkable
class FetchingTask(Protocol[ItemT]):
    """A task that can begin to read what an item needs before the item is done."""

    def fetch(self, item: ItemT) -> None:
        """Begin to read for an item that is done soon; returns at once, and need not be called."""


class Engine(Protocol):
    """Runs every item at least once, in any order, on any worker."""

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
        *,
        there: Callable[[], Collection[Item]] | None = None,
        name: Callable[[Item], str] = str,
    ) -> None:
        """Run `task` on all `items`; raises the first error that a task raised.

        Parameters
        ----------
        task, items
            The work.
        on_done
            Is told of each item that is done, from any thread.
        there
            Gives the items whose results are there, so that an engine that loses workers goes on
            with what is left, and one that hears nothing from them sees how far they are.
        name
            What an item is called in an error: ``shard 3``.
        """

    def close(self) -> None:
        """Release what was kept for further tasks."""
