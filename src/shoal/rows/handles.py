"""Large files that hold many rows: opened again only while they are what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.store import because
from shoal.storage import Ranges, Stat, Streams, UrlPath

_AHEAD = 1 << 17
_BESIDE = 1 << 10  # bytes around a row that are read with it: a header, a checksum


class Opened(Protocol):
    """An open file of which pieces are read, wherever it lies."""

    def read(self, at: int, length: int) -> bytes:
        """Return `length` bytes from `at` on, fewer at the file's end."""

    def expect(self, low: int, high: int) -> None:
        """Be told that what lies between two places will be read in order."""

    def close(self) -> None:
        """Close it."""


class LocalFile:
    """An open file of this machine."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)

    def read(self, at: int, length: int) -> bytes:
        """Return `length` bytes from `at` on, fewer at the file's end."""
        return os.pread(self._descriptor, length, at)

    def expect(self, low: int, high: int) -> None:
        """Leave it to the system, which reads ahead by itself."""

    def stat(self) -> os.stat_result:
        """Return what the system knows of it."""
        return os.fstat(self._descriptor)

    def close(self) -> None:
        """Close it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class RemoteFile(Ranges):
    """A file of a store, open: its size and time are asked for once."""

    def __init__(self, path: UrlPath) -> None:
        self._stat = path.fresh().stat()
        super().__init__(path, self._stat.st_size)

    def stat(self) -> Stat:
        """Return what the store said of it."""
        return self._stat


_STREAMS: Streams[RemoteFile] = Streams()


def _opened(path: Path) -> LocalFile | RemoteFile:
    """Open a file, wherever it lies."""
    return RemoteFile(path) if isinstance(path, UrlPath) else LocalFile(path)


@dataclass(frozen=True)
class LargeFile:
    """A file as it was when looked at."""

    path: Path
    size: int
    mtime_ns: int

    def open(self, at: int = 0) -> LocalFile | RemoteFile:
        """Return it open, to be read from a place on, and to be left by the caller.

        Raises
        ------
        SourceError
            When the file is gone or was changed.
        """
        if isinstance(self.path, UrlPath):
            return _STREAMS.take(self._opened, self.path, at)
        return self._opened()

    def _opened(self) -> Any:
        """Open it anew."""
        name = self.path.name
        try:
            opened = _opened(self.path)
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {because(error)}") from None
        found = opened.stat()
        if (found.st_size, found.st_mtime_ns) != (self.size, self.mtime_ns):
            opened.close()
            raise SourceError(f"{name} changed after it was looked at")
        return opened


def leave(opened: LocalFile | RemoteFile) -> None:
    """Close a file, or keep one of a store for who reads on."""
    if isinstance(opened, RemoteFile):
        _STREAMS.leave(opened)
    else:
        opened.close()


class Headers:
    """Reads small pieces of an open file, in the order in which they lie.

    It reads ahead: where rows are small, reading through them is faster than a seek for each.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._at, self._held = 0, b""

    def read(self, at: int, length: int) -> bytes:
        """Return `length` bytes from `at` on, fewer at the file's end."""
        low = at - self._at
        if low < 0 or low + length > len(self._held):
            self._held = self._opened.read(at, max(length, _AHEAD))
            self._at, low = at, 0
        return self._held[low : low + length]


@contextmanager
def looking(path: Path) -> Iterator[tuple[Opened, LargeFile]]:
    """Open a file for the first time, and note what it is.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    opened = None
    try:
        opened = _opened(path)
        found = opened.stat()
        yield opened, LargeFile(bare(path), found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {because(error)}") from None
    finally:
        if opened is not None:
            opened.close()


def bare(path: Path) -> Path:
    """Return a path without what a list said of it, which may be true no more."""
    return cast(Path, path.fresh()) if isinstance(path, UrlPath) else path


def with_files(
    files: Sequence[LargeFile],
    owner: NDArray[np.int32],
    places: NDArray[np.int64],
    start: int,
    stop: int,
) -> Iterator[tuple[int, Opened | SourceError]]:
    """Go through rows in order, each with its file open, or with why that cannot be.

    Parameters
    ----------
    files : sequence of LargeFile
        In order.
    owner : int32 array, shape (n,), not falling
        The number of each row's file.
    places : int64 array, shape (n, 2)
        Where the bytes of each row begin, and how many there are.
    start, stop : int
        Which rows.
    """
    while start < stop:
        number = int(owner[start])
        end = min(stop, int(np.searchsorted(owner, number, "right")))
        low, length = places[start:end].T
        first, last = int(low.min()), int((low + length).max())
        try:
            opened = files[number].open(first)
        except SourceError as error:
            yield from ((row, error) for row in range(start, end))
        else:
            opened.expect(first, last + _BESIDE)
            try:
                yield from ((row, opened) for row in range(start, end))
            finally:
                leave(opened)
        start = end
