"""Memory for reading, shared by all threads: a thread waits until others release enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakSet

from shoal.errors import SourceError
from shoal.rows.direct_io import WINDOWS

LIBRARIES = 240 << 20
"""Bytes of Python, the libraries and their compiled kernels, after all stages have used them."""

_SMALL = 1 << 20
_QUARTER = 1 << 28
_INNER = ("store", "inner", "cells", "table")  # attributes that sources consist of
_USUAL_MEMORY = 4 << 30  # the default of --memory
_OPENING = 128 << 20  # bytes of the rows sampled when a source is opened
_MOST_MEMBER = 960 << 20  # the largest file and image that are read (768 MiB), with a reserve


class MemoryBudget:
    """A number of bytes shared by all threads of a process."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def take(self, size: int, what: str) -> Iterator[None]:
        """Reserve `size` bytes for `what`; a MiB or less is not counted."""
        if size <= _SMALL:
            yield
            return
        own = getattr(self._own, "bytes", 0)
        most = self.size if _opening is None else min(self.size, _opening - ReadCache.all_bytes())
        if own + size > most:
            what = f"{what}, with its file," if own else what
            refuse(own + size, most, what, least_memory(own + size))
        with self._changed:
            self._changed.wait_for(lambda: self.taken + size <= self.size)
            self.taken += size
        self._own.bytes = own + size
        try:
            yield
        finally:
            self._own.bytes -= size
            with self._changed:
                self.taken -= size
                self._changed.notify_all()


class FileBudget(MemoryBudget):
    """The part of a budget for the bytes of files, reserved before those of their pixels.

    Files larger than the part are taken from the budget itself, by one thread at a time: all
    other waiting threads have reserved nothing of it, so there is no deadlock.
    """

    def __init__(self, size: int, whole: MemoryBudget) -> None:
        super().__init__(size)
        self._whole, self._large = whole, threading.RLock()

    @contextmanager
    def take(self, size: int, what: str) -> Iterator[None]:
        if size <= self.size:
            with super().take(size, what):
                yield
        else:
            with self._large, self._whole.take(size, what):
                yield

    def granted(
        self, size: int, what: str, make: Callable[[], bytes | SourceError]
    ) -> Iterator[bytes | SourceError]:
        """Yield what `make` returns while its bytes are reserved, or why they cannot be."""
        try:
            with self.take(size, what):
                yield make()
        except SourceError as error:
            yield error


PIXELS = MemoryBudget(0)
"""The budget for images while they are decoded, and for large files."""

FILES = FileBudget(0, PIXELS)
"""The budget for the bytes of files; taken before `PIXELS`."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a source keeps while it is read: the minimum, and how many help if available."""

    least: int = 0
    best: int = 0

    def __add__(self, other: MemoryNeed) -> MemoryNeed:
        return MemoryNeed(self.least + other.least, self.best + other.best)


def memory_need(source: Any) -> MemoryNeed:
    """Return the bytes that a source keeps while it is read, from the first part that keeps any."""
    own = getattr(source, "memory_need", None)
    if isinstance(own, MemoryNeed):
        return own
    inner = (getattr(source, name, None) for name in _INNER)
    return next((memory_need(one) for one in inner if one is not None), MemoryNeed())


class ReadCache:
    """Recently used data that a source keeps for its next reads; empty after pickling.

    Row groups, cursors, chunks: data that are expensive to read again. Hold `lock` while
    using an entry.
    """

    # bytes that each source may keep, and that a sequential read may take
    most: ClassVar[int] = _USUAL_MEMORY // 8
    _all: ClassVar[WeakSet[ReadCache]] = WeakSet()

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._entries: list[tuple[Hashable, Any, int]] = []
        ReadCache._all.add(self)

    def __reduce__(self) -> tuple[type[ReadCache], tuple[()]]:
        return ReadCache, ()

    def take(self, key: Hashable, prefer: Callable[[Any], float] = lambda value: 0) -> Any:
        """Remove and return the entry of a key with the highest `prefer` above -1; None without."""
        scores = {at: prefer(value) for at, (of, value, _) in enumerate(self._entries) if of == key}
        best = max(scores, key=lambda at: scores[at], default=None)
        return None if best is None or scores[best] <= -1 else self._entries.pop(best)[1]

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of `size` bytes, after `make_room`."""
        self._entries.append((key, value, size))

    def make_room(self, size: int, what: str, most: int = 16) -> None:
        """Drop the least recently used entries, until `size` bytes and one of `most` are free."""
        refuse(size, self.most, what)
        while self._entries and (len(self._entries) >= most or self._size + size > self.most):
            _close(self._entries.pop(0)[1])
        if _opening is not None:  # later the plan accounts for the cache of each source
            self._drop_others(size)

    def _drop_others(self, size: int) -> None:
        """Clear the caches of other sources that are not in use, while there is too little room."""
        for other in list(ReadCache._all):
            needed = ReadCache.all_bytes() + size > self.most
            if needed and other is not self and other.lock.acquire(blocking=False):
                try:
                    other._clear()
                finally:
                    other.lock.release()

    @property
    def _size(self) -> int:
        return sum(size for _, _, size in self._entries)

    @classmethod
    def all_bytes(cls) -> int:
        return sum(kept._size for kept in list(cls._all))

    def drop(self) -> None:
        with self.lock:
            self._clear()

    def _clear(self) -> None:
        while self._entries:
            _close(self._entries.pop()[1])


def _close(value: Any) -> None:
    if hasattr(value, "close"):
        value.close()


def clear_read_caches() -> None:
    for kept in list(ReadCache._all):
        kept.drop()
    WINDOWS.drop()


def refuse(size: int, most: int, what: str, needed: int | None = None) -> None:
    """Raise `SourceError` if reading `what` takes more than `most` bytes."""
    if size > most:
        more = enough(max(_memory + size - most, needed or 0))
        raise SourceError(
            f"{what} takes {mebibytes(size)} of memory, more than the {mebibytes(most)} that "
            f"--memory {amount(_memory)} leaves for it: give --memory {more}"
        )


def refuse_opening(size: int, what: str) -> None:
    """Raise, as `refuse`, while sources are opened, if `size` more bytes are not available."""
    if _opening is not None:
        refuse(size, _opening - ReadCache.all_bytes(), what)


_memory = _USUAL_MEMORY
_opening: int | None = None  # bytes for all reading before there is a plan


def set_memory_budget(memory: int, kept: int | None = None, members: int | None = None) -> None:
    """Divide the memory between the caches of sources, and files with their pixels."""
    kept = usual_cache_bytes(memory) if kept is None else kept
    _set_limits(memory, kept, members_bytes(memory, memory) if members is None else members, None)


def _set_limits(memory: int, kept: int, members: int, opening: int | None) -> None:
    global _memory, _opening
    _memory, ReadCache.most, _opening = memory, kept, opening
    FILES.size = members // 5
    PIXELS.size = members - FILES.size


def members_bytes(memory: int, left: int) -> int:
    """Return the bytes for files and their pixels, of the `left` bytes that nothing else uses.

    >>> [members_bytes(n << 20, 800 << 20) >> 20 for n in (400, 1024, 4096)]
    [150, 384, 800]
    """
    most = max(_MOST_MEMBER, memory // 8)  # the rest allows more workers
    return max(0, min(left, most, memory * 3 // 8))


def least_memory(size: int) -> int:
    """Return the memory whose share for pixels is `size`, if stages leave that much."""
    return size * 5 // 4 * 8 // 3  # includes the part for files


def usual_cache_bytes(memory: int) -> int:
    return min(memory // 8, 512 << 20)


@contextmanager
def memory_limit(memory: int) -> Iterator[None]:
    """Limit reading to `memory` bytes while there is no plan yet."""
    before = _memory, ReadCache.most, FILES.size + PIXELS.size, _opening
    left = memory - LIBRARIES - _OPENING
    _set_limits(
        memory, max(usual_cache_bytes(memory), left), members_bytes(memory, left), max(0, left)
    )
    try:
        yield
    finally:
        clear_read_caches()
        _set_limits(*before)


def enough(needed: int) -> str:
    return f"{-(-needed // _QUARTER) / 4:g}GiB"


def amount(memory: int) -> str:
    return f"{memory >> 20}MiB" if memory % _QUARTER else f"{memory / (1 << 30):g}GiB"


def mebibytes(count: int) -> str:
    return f"{max(1, count >> 20):,} MiB"


set_memory_budget(_USUAL_MEMORY)
