"""Room in memory for what reading takes: threads wait for each other, and no more is taken."""

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
"""Bytes of Python, the libraries and their compiled kernels, once all stages have used them."""

_SMALL = 1 << 20
_QUARTER = 1 << 28
_INNER = ("store", "inner", "cells", "table", "rows")  # what sources and stores are made of
_USUAL_MEMORY = 4 << 30  # as the setting has it
_OPENING = 128 << 20  # bytes of the rows that are looked at when a source is opened
_MOST_MEMBER = 960 << 20  # the largest file and image that are read (768 MiB), and other files


class MemoryBudget:
    """So many bytes, shared by all threads of a process."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._changed = threading.Condition()
        self._own = threading.local()

    @contextmanager
    def take(self, size: int, what: str) -> Iterator[None]:
        """Hold `size` bytes for `what`; a MiB or less is not counted."""
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


class FileBudget:
    """The part of a room that is for the bytes of files, taken before those of their pixels.

    Files larger than the part are taken from the room itself, by one thread at a time: all
    others who wait there hold nothing of it, so that nobody waits for each other.
    """

    def __init__(self, size: int, whole: MemoryBudget) -> None:
        self._part, self._whole = MemoryBudget(size), whole
        self._large = threading.RLock()

    @property
    def size(self) -> int:
        return self._part.size

    @size.setter
    def size(self, size: int) -> None:
        self._part.size = size

    @contextmanager
    def take(self, size: int, what: str) -> Iterator[None]:
        """Hold `size` bytes of a file, as `Room.take`."""
        if size <= self.size:
            with self._part.take(size, what):
                yield
        else:
            with self._large, self._whole.take(size, what):
                yield

    def granted(
        self, size: int, what: str, make: Callable[[], bytes | SourceError]
    ) -> Iterator[bytes | SourceError]:
        """Yield what `make` returns while its bytes are held, or why there is no room for them."""
        try:
            with self.take(size, what):
                yield make()
        except SourceError as error:
            yield error


PIXELS = MemoryBudget(0)
"""For images while they are decoded, and for large files."""

FILES = FileBudget(0, PIXELS)
"""For the bytes of files; taken before `PIXELS`."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes that a source keeps while it is read: at least, and where there is room for them."""

    least: int = 0
    best: int = 0

    def __add__(self, other: MemoryNeed) -> MemoryNeed:
        return MemoryNeed(self.least + other.least, self.best + other.best)


def memory_need(source: Any) -> MemoryNeed:
    """Count what a source keeps while it is read, by that in it which keeps anything."""
    own = getattr(source, "memory_need", None)
    if isinstance(own, MemoryNeed):
        return own
    inner = (getattr(source, name, None) for name in _INNER)
    return next((memory_need(one) for one in inner if one is not None), MemoryNeed())


class ReadCache:
    """What a source keeps for its next reads, what was used last; pickles empty.

    Row groups, places in them, chunks: whatever would be dear to read again. Hold `lock` while
    anything of it is used.
    """

    # bytes that each source may keep, and that reading on may take
    most: ClassVar[int] = _USUAL_MEMORY // 8
    _all: ClassVar[WeakSet[ReadCache]] = WeakSet()

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._entries: list[tuple[Hashable, Any, int]] = []
        ReadCache._all.add(self)

    def __reduce__(self) -> tuple[type[ReadCache], tuple[()]]:
        return ReadCache, ()

    def take(self, key: Hashable, prefer: Callable[[Any], float] = lambda value: 0) -> Any:
        """Take out what is kept under a key, the one most preferred above -1; None for none."""
        liked = {at: prefer(value) for at, (of, value, _) in enumerate(self._entries) if of == key}
        best = max(liked, key=lambda at: liked[at], default=None)
        return None if best is None or liked[best] <= -1 else self._entries.pop(best)[1]

    def keep(self, key: Hashable, value: Any, size: int) -> None:
        """Keep a value of so many bytes, for which there was room made."""
        self._entries.append((key, value, size))

    def make_room(self, size: int, what: str, most: int = 16) -> None:
        """Let go of what was used longest ago: so many bytes, and all but `most` values."""
        refuse(size, self.most, what)
        while self._entries and (len(self._entries) >= most or self._size + size > self.most):
            _close(self._entries.pop(0)[1])
        if _opening is not None:  # later the plan has counted what each one keeps
            self._drop_others(size)

    def _drop_others(self, size: int) -> None:
        """Let go of what others keep, where it leaves too little room, if they do not use it."""
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
        """Count the bytes that all sources of this process keep."""
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
    """Let go of what all sources of this process keep for their next reads."""
    for kept in list(ReadCache._all):
        kept.drop()
    WINDOWS.drop()


def refuse(size: int, most: int, what: str, needed: int | None = None) -> None:
    """Raise where reading something takes more than there is room for."""
    if size > most:
        more = enough(max(_memory + size - most, needed or 0))
        raise SourceError(
            f"{what} takes {mebibytes(size)} of memory, more than the {mebibytes(most)} that "
            f"--memory {amount(_memory)} leaves for it: give --memory {more}"
        )


def refuse_opening(size: int, what: str) -> None:
    """Raise where a source is opened and so many bytes more are not left; as `refuse`."""
    if _opening is not None:
        refuse(size, _opening - ReadCache.all_bytes(), what)


_memory = _USUAL_MEMORY
_opening: int | None = None  # bytes for all that is read, before a plan says how they are shared


def share(memory: int, kept: int | None = None, members: int | None = None) -> None:
    """Share out so many bytes: what sources keep, and what files and their pixels take."""
    kept = usual_cache_bytes(memory) if kept is None else kept
    _set(memory, kept, members_bytes(memory, memory) if members is None else members, None)


def _set(memory: int, kept: int, members: int, opening: int | None) -> None:
    global _memory, _opening
    _memory, ReadCache.most, _opening = memory, kept, opening
    FILES.size = members // 5
    PIXELS.size = members - FILES.size


def members_bytes(memory: int, left: int) -> int:
    """Return the bytes for files and their pixels, of those that are `left` by all else.

    >>> [members_bytes(n << 20, 800 << 20) >> 20 for n in (400, 1024, 4096)]
    [150, 384, 800]
    """
    most = max(_MOST_MEMBER, memory // 8)  # the rest is for more workers
    return max(0, min(left, most, memory * 3 // 8))


def least_memory(size: int) -> int:
    """Return the memory of which the share for pixels is `size`, if stages leave so much."""
    return size * 5 // 4 * 8 // 3  # with the part for files


def usual_cache_bytes(memory: int) -> int:
    """Return what a source may keep for its next reads, where it needs no more to read at all."""
    return min(memory // 8, 512 << 20)


@contextmanager
def promised(memory: int) -> Iterator[None]:
    """Keep to so many bytes while a source is opened and read, before there is a plan."""
    before = _memory, ReadCache.most, FILES.size + PIXELS.size, _opening
    left = memory - LIBRARIES - _OPENING
    _set(memory, max(usual_cache_bytes(memory), left), members_bytes(memory, left), max(0, left))
    try:
        yield
    finally:
        clear_read_caches()
        _set(*before)


def enough(needed: int) -> str:
    return f"{-(-needed // _QUARTER) / 4:g}GiB"


def amount(memory: int) -> str:
    return f"{memory >> 20}MiB" if memory % _QUARTER else f"{memory / (1 << 30):g}GiB"


def mebibytes(count: int) -> str:
    return f"{max(1, count >> 20):,} MiB"


share(_USUAL_MEMORY)
