"""Images in files: a folder of them, or a list of their paths."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.handles import LargeFile, leave
from shoal.rows.images.encoded import spread
from shoal.rows.images.listing import LED_AWAY, Listing, under, wrapped
from shoal.rows.images.tiff import ReadAt
from shoal.rows.room import FILES
from shoal.rows.store import because
from shoal.storage import UrlPath, fetched_ahead

MAX_FILE_BYTES = 1 << 28


@dataclass(frozen=True, eq=False)
class FolderStore:
    """Image files in the order of a listing.

    Attributes
    ----------
    root : Path
        What the names in `listing` are relative to.
    listing : Listing
        The files, as they were when looked at.
    """

    root: Path
    listing: Listing

    @property
    def n_rows(self) -> int:
        """How many files there are."""
        return len(self.listing)

    @property
    def is_far(self) -> bool:
        """Whether each read asks a network."""
        return self.n_rows > 0 and isinstance(self._path(0), UrlPath)

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Read the files one by one, each checked to be the one that was looked at."""
        rows = range(start, stop)
        if self.is_far:
            yield from fetched_ahead(self._blob, rows, self._size)
            return
        for row in rows:
            make = partial(self._blob, row)
            yield from FILES.granted(self._size(row), "reading the file", make)

    def names(self, start: int, stop: int) -> list[str]:
        """Paths relative to the folder, with ``/``; as written in a list."""
        names = (os.fsencode(self.listing[row]) for row in range(start, stop))
        return [name.decode("utf-8", "replace") for name in names]

    @property
    def label_origin(self) -> None:
        """Files have no labels beside them."""
        return None

    def labels(self) -> None:
        """Files have no labels beside them."""

    def path(self, row: int) -> Path:
        """Return the file of a row."""
        return self._path(row)

    def some(self, count: int) -> NDArray[np.int64]:
        """Rows from all over."""
        return spread(self.n_rows, count)

    @property
    def raw_names(self) -> tuple[bytes, NDArray[np.int64]]:
        """All names one after the other, and where each ends."""
        return self.listing.blob, self.listing.ends

    def held(self, row: int) -> int:
        """How many bytes a file takes while it is open."""
        return 0

    @contextmanager
    def opened(self, row: int) -> Iterator[ReadAt]:
        """Open a row's file for reading pieces of it.

        Raises
        ------
        SourceError
            When it is gone, no file, or was changed.
        """
        path, size, mtime_ns, followed = self._known(row)
        if isinstance(path, UrlPath):
            file = LargeFile(path, size, mtime_ns).open()
            try:
                yield file.read
            finally:
                leave(file)
            return
        descriptor = _opened(path, size, mtime_ns, followed)
        try:
            yield lambda at, length: os.pread(descriptor, length, at)
        finally:
            os.close(descriptor)

    def facts(self) -> dict[str, Any]:
        """Bytes of the files, and a hash over all names, sizes and times."""
        digest = hashlib.blake2b(self.listing.blob, digest_size=16)
        for column in (self.listing.ends, self.listing.sizes, self.listing.mtimes):
            digest.update(column.tobytes())
        return {"bytes": int(self.listing.sizes.clip(0).sum()), "hash": digest.hexdigest()}

    def _path(self, row: int) -> Path:
        """Return the file of a row."""
        return under(self.root, self.listing[row])

    def _size(self, row: int) -> int:
        """Return the bytes of a row's file."""
        return int(self.listing.sizes[row])

    def _blob(self, row: int) -> bytes | SourceError:
        """Read a row's file, or give the reason why not."""
        try:
            return read_bytes(*self._known(row))
        except SourceError as error:
            return error

    def _known(self, row: int) -> tuple[Path, int, int, bool]:
        """Return a row's file, its size and time, and whether it was a link."""
        size, links = self._size(row), self.listing.links
        if size == LED_AWAY:
            raise SourceError("a symbolic link leads elsewhere than it did for the fit")
        followed = links is not None and bool(links[row])
        return self._path(row), size, int(self.listing.mtimes[row]), followed


def read_bytes(path: Path, size: int, mtime_ns: int, followed: bool = True) -> bytes:
    """Read a whole file that had this size and time when it was looked at.

    A link is followed where it was one then: `followed`.

    Raises
    ------
    SourceError
        With the reason as one sentence: gone, changed, too large, no file.
    """
    try:
        if isinstance(path, UrlPath):
            return _fetched(path, size)
        descriptor = _opened(path, size, mtime_ns, followed)
        with open(descriptor, "rb", 0) as file:
            if size > MAX_FILE_BYTES:
                raise SourceError(f"the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
            return file.read(size)
    except FileNotFoundError:
        raise SourceError("the file is missing") from None
    except (OSError, ValueError, MemoryError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"the file cannot be read: {because(error)}") from None


def _opened(path: Path, size: int, mtime_ns: int, followed: bool) -> int:
    """Open a file of this machine that had this size and time; see `read_bytes`."""
    try:
        # O_NONBLOCK: opening a pipe to which nobody writes must not wait
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags if followed else flags | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise SourceError("the file is missing") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ELOOP and not followed:
            raise SourceError("the file became a symbolic link after it was listed") from None
        raise SourceError(f"the file cannot be read: {because(error)}") from None
    try:
        _check(os.fstat(descriptor), size, mtime_ns)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _fetched(path: UrlPath, size: int) -> bytes:
    """Read a whole file from a store."""
    if size < 0:
        raise SourceError("the file was missing when the images were listed")
    if size > MAX_FILE_BYTES:
        raise SourceError(f"the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
    data = path.read_bytes()
    if len(data) != size:
        raise SourceError("the file changed after the images were listed")
    return data


def _check(found: os.stat_result, size: int, mtime_ns: int) -> None:
    """Raise when a file is none, too large, or not the one that was looked at."""
    if stat.S_ISDIR(found.st_mode):
        raise SourceError("this is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise SourceError("this is not a file")
    if size < 0:
        raise SourceError("the file was missing when the images were listed")
    if (found.st_size, wrapped(found.st_mtime_ns)) != (size, mtime_ns):
        raise SourceError("the file changed after the images were listed")
