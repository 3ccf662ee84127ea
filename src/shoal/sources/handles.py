"""Large files that hold many rows: opened again only while they are what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.sources.store import because

_AHEAD = 1 << 17


@dataclass(frozen=True)
class LargeFile:
    """A file as it was when looked at."""

    path: Path
    size: int
    mtime_ns: int

    def open(self) -> int:
        """Give a descriptor, to be closed by the caller.

        Raises
        ------
        SourceError
            When the file is gone or was changed.
        """
        name = self.path.name
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError(f"{name} cannot be read: {because(error)}") from None
        found = os.fstat(descriptor)
        if (found.st_size, found.st_mtime_ns) != (self.size, self.mtime_ns):
            os.close(descriptor)
            raise SourceError(f"{name} changed after it was looked at")
        return descriptor


class Headers:
    """Reads small pieces of an open file, in the order in which they lie.

    It reads ahead: where rows are small, reading through them is faster than a seek for each.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at, self._held = 0, b""

    def read(self, at: int, length: int) -> bytes:
        """Give `length` bytes from `at` on, fewer at the file's end."""
        low = at - self._at
        if low < 0 or low + length > len(self._held):
            self._held = os.pread(self._descriptor, max(length, _AHEAD), at)
            self._at, low = at, 0
        return self._held[low : low + length]


@contextmanager
def looking(path: Path) -> Iterator[tuple[int, LargeFile]]:
    """Open a file for the first time, and note what it is.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(descriptor)
        yield descriptor, LargeFile(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {because(error)}") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def with_files(
    files: Sequence[LargeFile], owner: NDArray[np.int32], start: int, stop: int
) -> Iterator[tuple[int, int | SourceError]]:
    """Go through rows in order, each with its file open, or with why that cannot be.

    Parameters
    ----------
    files : sequence of LargeFile
        In order.
    owner : int32 array, shape (n,), not falling
        The number of each row's file.
    start, stop : int
        Which rows.
    """
    while start < stop:
        number = int(owner[start])
        end = min(stop, int(np.searchsorted(owner, number, "right")))
        try:
            descriptor = files[number].open()
        except SourceError as error:
            yield from ((row, error) for row in range(start, end))
        else:
            try:
                yield from ((row, descriptor) for row in range(start, end))
            finally:
                os.close(descriptor)
        start = end
