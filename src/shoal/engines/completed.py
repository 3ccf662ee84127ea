"""What is done of a pass, seen by what lies in storage, for engines that hear little of workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Generic

from shoal.engines.base import Item
from shoal.errors import ShoalError

_LOOK = 1.0  # seconds between looks at how far a pass is, more where a look takes long
_SHARE = 0.05  # of the time that looks may take


class Seen(Generic[Item]):
    """What is left of some items, by what is there of their results.

    Parameters
    ----------
    items, on_done, there
        See `Engine.run`.
    """

    def __init__(
        self,
        items: list[Item],
        on_done: Callable[[Item], None] | None,
        there: Callable[[], Collection[Item]] | None,
    ) -> None:
        self.left, self._on_done, self._there = items, on_done, there

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Look again and again while something else is done; no two looks at a time."""
        ended = threading.Event()
        thread = threading.Thread(target=self._look_often, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _look_often(self, ended: threading.Event) -> None:
        """Look until told to stop; a look that fails is none."""
        pause = _LOOK
        while not ended.wait(pause) and self._there is not None and self._on_done is not None:
            began = time.monotonic()
            with suppress(OSError, ShoalError):
                self.look()
            pause = max(_LOOK, (time.monotonic() - began) / _SHARE)

    def look(self, all_ended: bool = False) -> None:
        """See what is done, and tell it; all, after a good end, where nothing else tells."""
        if self._there is None:
            found: Collection[Item] = self.left if all_ended else ()
        else:
            found = self._there()
        done = [item for item in self.left if item in found]
        self.left = [item for item in self.left if item not in found]
        if self._on_done is not None:
            for item in done:
                self._on_done(item)
