"""Room in memory for large files and images: they wait for each other, in whatever thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SMALL = 1 << 20


class Room:
    """So many bytes, shared by all threads of a process.

    Who takes more than there are left waits until others have given theirs back; who takes
    more than there are at all gets them when nobody else has any.

    Parameters
    ----------
    size : int
        Bytes.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        """Hold `size` bytes; a MiB or less is not counted."""
        if size <= _SMALL:
            yield
            return
        with self._changed:
            self._changed.wait_for(lambda: self.taken == 0 or self.taken + size <= self.size)
            self.taken += size
        try:
            yield
        finally:
            with self._changed:
                self.taken -= size
                self._changed.notify_all()


FILES = Room(128 << 20)
"""For the bytes of files; taken before `PIXELS`, so that nobody waits for each other."""

PIXELS = Room(512 << 20)
"""For images while they are decoded."""


def share(memory: int) -> None:
    """Make room out of so many bytes for all: a sixteenth for files, a quarter for pixels.

    It decides on who waits, never on what is refused: results are the same in any room.
    """
    FILES.size, PIXELS.size = memory // 16, memory // 4
