"""The files of a source: opened again only while they are unchanged."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from shoal.errors import SourceError, because
from shoal.storage import Ranges, Stat, Streams, UrlPath, is_remote

HEAD = 512
"""Bytes at the beginning of a file by which its kind is recognised."""

_AHEAD = 1 << 17

ReadAt = Callable[[int, int], bytes]
"""``read(at, length)`` returns `length` bytes from position `at`, fewer at the end."""


class LocalFile:
    def __init__(self, path: Path, followed: bool = True) -> None:
        # O_NONBLOCK: opening a pipe to which nobody writes must not wait
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
        self._descriptor = os.open(path, flags if followed else flags | os.O_NOFOLLOW)

    def read(self, at: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, at)

    def expect(self, low: int, high: int) -> None:
        """Announce sequential reads of a range: the system reads ahead by itself."""

    def stat(self) -> os.stat_result:
        return os.fstat(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    release = close


class RemoteFile(Ranges):
    """An open file of a store, whose size and time are requested once."""

    def __init__(self, path: UrlPath) -> None:
        self._stat = path.fresh().stat()
        super().__init__(path, self._stat.st_size)

    def stat(self) -> Stat:
        return self._stat

    def release(self) -> None:
        _STREAMS.leave(self)


Opened = LocalFile | RemoteFile
"""An open file: ``read(at, length)`` returns fewer bytes at the file's end."""

_STREAMS: Streams[RemoteFile] = Streams()


def open_file(path: Path, followed: bool = True) -> Opened:
    return RemoteFile(path) if is_remote(path) else LocalFile(path, followed)


class Stamped:
    """A file with the size and the time of its last change, as they were when it was listed."""

    path: Path
    size: int
    mtime_ns: int

    @property
    def is_remote(self) -> bool:
        return is_remote(self.path)

    def check_unchanged(self) -> None:
        found = self.path.stat()
        if (found.st_size, found.st_mtime_ns) != (self.size, self.mtime_ns):
            raise SourceError("the file changed after it was opened")


def digest_of(parts: Iterable[Any]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def file_facts(files: Iterable[Stamped]) -> dict[str, Any]:
    """Return facts about files for a fingerprint: JSON-able, short for any number of files."""
    stamps = [(file.path.name, file.size, file.mtime_ns) for file in files]
    texts = (repr(stamp).encode("utf-8", "surrogateescape") for stamp in stamps)
    return {
        "files": len(stamps),
        "bytes": sum(size for _, size, _ in stamps),
        "latest_ns": max((time for *_, time in stamps), default=0),
        "hash": digest_of(texts),
    }


@dataclass(frozen=True)
class KnownFile(Stamped):
    path: Path
    size: int  # below 0 where there was no file
    mtime_ns: int
    called: str = ""  # its name in messages; empty for the file's own
    followed: bool = True  # whether it may be a link

    def open(self, at: int = 0) -> Opened:
        """Open it to be read from byte `at` on; the caller releases it."""
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
    """Raise `SourceError` instead of other errors; `how` is for example ``" as IDX"``."""
    try:
        yield
    except SourceError:
        raise
    except errors as error:
        raise SourceError(f"{path} cannot be read{how}: {because(error)}") from None


def head_of(path: Path, count: int = HEAD) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def both_ends(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        head = file.read(count)
        file.seek(max(0, path.stat().st_size - count))
        return head + file.read(count)


def wrapped(time: int) -> int:
    """Wrap a time in nanoseconds to 64 bits: some systems store years before 1677 or after 2262."""
    return (time + (1 << 63)) % (1 << 64) - (1 << 63)


class Headers:
    """Reads small pieces of an open file in order, some of the file at a time."""

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


Origin = tuple[str, int, int, str | None]
"""Name, bytes, time in nanoseconds, and the real path if a symbolic link leads to it."""


def origins(source: Any) -> list[Origin]:
    """Return the current state of a source's files, in its order; none for a folder of images."""
    paths = [Path(os.path.abspath(path)) for path in dict.fromkeys(_paths(source))]
    if not paths:
        return []
    # Links on the way to their common folder are the user's own choice.
    above = os.path.commonpath([path.parent for path in paths])
    return [_origin(path, above, os.path.realpath(above)) for path in paths]


def _paths(part: Any) -> Iterator[Path]:
    if isinstance(part, tuple | list):
        for inner in part:
            yield from _paths(inner)
    elif hasattr(part, "large_files"):
        yield from (path for path in part.large_files if not is_remote(path))
    elif is_dataclass(part) and not (is_remote(part) or isinstance(part, type)):
        for field in fields(part):
            value = getattr(part, field.name)
            if field.name == "path" and isinstance(value, Path):
                yield value
            elif field.name != "beside":  # labels are not what was fitted
                yield from _paths(value)


def _origin(path: Path, above: str, really: str) -> Origin:
    name, real = os.path.relpath(path, above), os.path.realpath(path)
    link = None if real == os.path.join(really, name) else real
    try:
        found = os.stat(path)
    except OSError:
        return name, -1, 0, link
    return name, found.st_size, found.st_mtime_ns, link
