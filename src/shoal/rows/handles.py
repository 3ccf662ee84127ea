"""Large files that hold many rows: opened again only while they are what they were."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from shoal.errors import SourceError, because
from shoal.storage import Ranges, Stat, Streams, UrlPath, is_remote

_AHEAD = 1 << 17


class Opened(Protocol):
    def read(self, at: int, length: int) -> bytes:
        """Return `length` bytes from `at` on, fewer at the file's end."""

    def expect(self, low: int, high: int) -> None:
        """Be told that what lies between two places will be read in order."""

    def close(self) -> None: ...

    def release(self) -> None:
        """Close it, or keep it open for the next reader."""


class LocalFile:
    def __init__(self, path: Path, followed: bool = True) -> None:
        # O_NONBLOCK: opening a pipe to which nobody writes must not wait
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(path, flags if followed else flags | os.O_NOFOLLOW)

    def read(self, at: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, at)

    def expect(self, low: int, high: int) -> None:
        """Leave it to the system, which reads ahead by itself."""

    def stat(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    release = close


class RemoteFile(Ranges):
    """A file of a store, open: its size and time are asked for once."""

    def __init__(self, path: UrlPath) -> None:
        self._stat = path.fresh().stat()
        super().__init__(path, self._stat.st_size)

    def stat(self) -> Stat:
        return self._stat

    def release(self) -> None:
        _STREAMS.leave(self)


_STREAMS: Streams[RemoteFile] = Streams()


def open_file(path: Path, followed: bool = True) -> LocalFile | RemoteFile:
    return RemoteFile(path) if is_remote(path) else LocalFile(path, followed)


@dataclass(frozen=True, slots=True)
class KnownFile:
    path: Path  # where it is
    size: int  # its bytes and time; a size below 0 where there was no file
    mtime_ns: int
    called: str = ""  # what people are told of it; by default its name
    followed: bool = True  # whether it may be a link

    def open(self, at: int = 0) -> LocalFile | RemoteFile:
        """Return it open, to be read from a place on, and to be left by the caller."""
        if is_remote(self.path):
            return _STREAMS.take(self._opened, self.path, at)
        return self._opened()

    def _opened(self) -> Any:
        name, path = self.called or self.path.name, self.path
        try:
            opened = open_file(path, self.followed)
        except FileNotFoundError:
            raise SourceError(f"{name} is missing") from None
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.ELOOP and not self.followed:
                raise SourceError(f"{name} became a symbolic link after it was listed") from None
            raise SourceError(f"{name} cannot be read: {because(error)}") from None
        try:
            self._check(opened.stat(), name)
        except BaseException:
            opened.close()
            raise
        return opened

    def _check(self, found: Any, name: str) -> None:
        mode = getattr(found, "st_mode", stat.S_IFREG)
        if not stat.S_ISREG(mode):
            what = "a folder, not a file" if stat.S_ISDIR(mode) else "not a file"
            raise SourceError(f"{'this' if self.called else name} is {what}")
        if self.size < 0:
            raise SourceError(f"{name} was missing when the images were listed")
        if (found.st_size, wrapped(found.st_mtime_ns)) != (self.size, wrapped(self.mtime_ns)):
            raise SourceError(f"{name} changed after it was opened")


@contextmanager
def readable(
    path: Path, how: str = "", errors: type[Exception] | tuple[type[Exception], ...] = OSError
) -> Iterator[None]:
    """Raise `SourceError` in the place of other errors; `how` is ``" as IDX"`` and the like."""
    try:
        yield
    except SourceError:
        raise
    except errors as error:
        raise SourceError(f"{path} cannot be read{how}: {because(error)}") from None


def wrapped(time: int) -> int:
    """Put a time in nanoseconds into 64 bits: some systems hold years before 1677 or after 2262."""
    return (time + (1 << 63)) % (1 << 64) - (1 << 63)


class Headers:
    """Reads small pieces of an open file, in the order in which they lie."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._at, self._data = 0, b""

    def read(self, at: int, length: int) -> bytes:
        low = at - self._at
        if low < 0 or low + length > len(self._data):
            self._data = self._opened.read(at, max(length, _AHEAD))
            self._at, low = at, 0
        return self._data[low : low + length]


@contextmanager
def inspect_file(path: Path) -> Iterator[tuple[Opened, KnownFile]]:
    """Open a file to list its entries; also yield it with its current size and time."""
    with readable(path), closing(open_file(path)) as opened:
        found = opened.stat()
        yield opened, KnownFile(fresh_path(path), found.st_size, found.st_mtime_ns)


def fresh_path(path: Path) -> Path:
    """Return a path without the size and time from a listing, which may be outdated."""
    return cast(Path, path.fresh()) if is_remote(path) else path
