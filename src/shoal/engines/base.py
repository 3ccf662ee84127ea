"""What an engine is: it runs tasks over items, and knows nothing of clustering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
ItemT = TypeVar("ItemT", contravariant=True)


class Task(Protocol[ItemT]):
    """A picklable frozen dataclass: turns stored parts into one stored part an item."""

    def setup(self) -> None:
        """Load what is heavy, once a worker."""

    def __call__(self, item: ItemT) -> None:
        """Do one item; the result goes to storage, under a name that the item decides."""


class Engine(Protocol):
    """Runs every item once, in any order, on any worker."""

    def run(
        self,
        task: Task[Item],
        items: Sequence[Item],
        on_done: Callable[[Item], None] | None = None,
    ) -> None:
        """Run `task` on all `items`; raises the first error that a task raised."""
