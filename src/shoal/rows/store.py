"""Stored numbers: rows of one dtype and shape, in memory or at an offset of files."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError, because
from shoal.rows.base import Batch
from shoal.rows.direct_io import LEAST, outgrows_cache, read_direct
from shoal.rows.handles import KnownFile, Stamped, digest_of, file_facts, fresh_path
from shoal.rows.memory_budget import MemoryNeed, ReadCache

NAMED_ROWS = 1_000_000
"""Files with more rows get no generated names: the row number says as much in less space."""

_AHEAD = 3  # times the bytes of a read, which the system is asked to read ahead
READ_ERRORS = (OSError, EOFError, ValueError, MemoryError)


class AnyStore(Protocol):
    """Defaults of a store: rows of one file or of none, without names."""

    @property
    def by_range(self) -> bool:
        """True if reading a range costs only its own bytes: not where blocks are decompressed."""
        return False

    @property
    def is_parsed(self) -> bool:
        """True if rows are parsed from a table's cells at each read."""
        return False

    @property
    def waits(self) -> bool:
        """True if reads wait for a network, or for a disk without the system's cache."""
        return False

    def names(self, start: int, stop: int) -> list[str] | None:
        return None

    def first(self, n: int) -> Store | None:
        """Return the first n rows, if they are a store by themselves."""
        return None

    def files(self) -> list[Part]:
        """Return the files whose rows follow each other, where there are any."""
        return []


class Store(AnyStore, Protocol):
    """Rows as stored, before they are interpreted as images or vectors."""

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def row_shape(self) -> tuple[int, ...]: ...

    @property
    def n_rows(self) -> int: ...

    def read(self, start: int, stop: int) -> Batch:
        """Copy rows ``start..stop``; unreadable ones are zero and have a reason."""

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data change."""


@dataclass(frozen=True)
class MemoryStore(AnyStore):
    array: NDArray
    by_range = True

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    @property
    def row_shape(self) -> tuple[int, ...]:
        return self.array.shape[1:]

    @property
    def n_rows(self) -> int:
        return len(self.array)

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        return Batch(np.array(self.array[start:stop], order="C"))

    def first(self, n: int) -> MemoryStore:
        return MemoryStore(self.array[:n])

    def facts(self) -> dict[str, Any]:
        step = max(1, (1 << 24) // max(1, self.array[:1].nbytes))
        pieces = (self.array[start : start + step] for start in range(0, self.n_rows, step))
        return {"content": digest_of(np.ascontiguousarray(piece).data for piece in pieces)}


@dataclass(frozen=True)
class Part(Stamped):
    path: Path
    n_rows: int
    offset: int
    size: int
    mtime_ns: int
    fortran: bool = False


class Parted(AnyStore, Protocol):
    parts: tuple[Any, ...]
    dtype: Any
    row_shape: Any

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(part.n_rows for part in self.parts)], dtype=np.int64)

    @property
    def n_rows(self) -> int:
        return int(self.starts[-1])

    def files(self) -> list[Part]:
        return list(self.parts)

    def facts(self) -> dict[str, Any]:
        return file_facts(self.parts)

    def read(self, start: int, stop: int) -> Batch:
        spans, bad = list(self.spans(start, stop)), dict[int, str]()
        data = np.zeros((stop - start, *self.row_shape), self.dtype)
        for part, low, high, at in spans:
            reasons = self.fill(part, low, data[at : at + high - low])
            bad |= {at + row: reason for row, reason in reasons.items()}
        return Batch(data, bad)

    def fill(self, part: Any, low: int, out: NDArray) -> dict[int, str]:
        """Read rows of a part from `low` on into `out`; return reasons for unreadable ones."""
        raise NotImplementedError

    def spans(self, start: int, stop: int) -> Iterator[tuple[Any, int, int, int]]:
        """Yield the parts of a range of rows: part, first and last row in it, position in it."""
        check_range(start, stop, self.n_rows)
        for number, low, high, at in cut_range(self.starts, start, stop):
            yield self.parts[number], low, high, at


def cut_range(
    starts: NDArray[np.int64], start: int, stop: int
) -> Iterator[tuple[int, int, int, int]]:
    number = int(np.searchsorted(starts, start, side="right")) - 1
    row = start
    while row < stop:
        first, end = int(starts[number]), int(starts[number + 1])
        if row < end:
            high = min(stop, end)
            yield number, row - first, high - first, row - start
            row = high
        number += 1


@dataclass(frozen=True)
class FileStore(Parted):
    """Rows at an offset of one file, or of many in order: read without loading the rest."""

    parts: tuple[Part, ...]
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    named: bool = False
    by_range = True

    @property
    def waits(self) -> bool:
        return self.past_cache or self.parts[0].is_remote

    @cached_property
    def past_cache(self) -> bool:
        return outgrows_cache(sum(part.size for part in self.parts))

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        direct = self._direct(start, stop)
        return super().read(start, stop) if direct is None else Batch(direct)

    def fill(self, part: Part, low: int, out: NDArray) -> dict[int, str]:
        reason = _fetch_part(part, out, low) if part.is_remote else self._read_part(part, out, low)
        return dict.fromkeys(range(len(out)), reason) if reason else {}

    def _read_part(self, part: Part, out: NDArray, low: int) -> str:
        try:
            if part.path.stat().st_size != part.size:
                return f"{part.path.name} changed its size since it was opened"
            if part.fortran:
                whole = (part.n_rows, *self.row_shape)
                mapped = np.memmap(part.path, out.dtype, "r", part.offset, whole, "F")
                out[...] = mapped[low : low + len(out)]
                return ""
            with part.path.open("rb") as file:
                file.seek(part.offset + low * out[:1].nbytes)
                got = file.readinto(byte_view(out))
                if hasattr(os, "posix_fadvise"):
                    ahead = file.tell(), _AHEAD * out.nbytes, os.POSIX_FADV_WILLNEED
                    os.posix_fadvise(file.fileno(), *ahead)
            return "" if got == out.nbytes else f"{part.path.name} ended early"
        except READ_ERRORS as error:
            return f"{part.path.name} cannot be read: {because(error)}"

    def names(self, start: int, stop: int) -> list[str] | None:
        if not self.named or self.n_rows > NAMED_ROWS:
            return None
        check_range(start, stop, self.n_rows)
        return numbered_names(self.starts, lambda at: self.parts[at].path.name, start, stop)

    def first(self, n: int) -> FileStore | None:
        count = int(np.searchsorted(self.starts, n))
        return replace(self, parts=self.parts[:count]) if self.starts[count] == n else None

    def _direct(self, start: int, stop: int) -> NDArray | None:
        """Read rows of one part past the cache; None where the cache is faster or needed."""
        shape = (stop - start, *self.row_shape)
        length = int(np.prod(shape)) * self.dtype.itemsize
        if length < LEAST or not self.past_cache:
            return None
        part, low, high, _ = next(self.spans(start, stop))
        first = part.offset + low * length // (stop - start)
        plain = not (part.fortran or part.is_remote) and first % max(1, self.dtype.alignment) == 0
        if not plain or high - low < stop - start:
            return None
        try:
            if part.path.stat().st_size != part.size:
                return None
            got = read_direct(part.path, first, length)
        except READ_ERRORS:
            return None  # reading through the cache reports what is wrong
        return None if got is None or got.nbytes < length else got.view(self.dtype).reshape(shape)


def _fetch_part(part: Part, out: NDArray, low: int) -> str:
    at = part.offset + low * out[:1].nbytes
    try:
        opened = KnownFile(part.path, part.size, part.mtime_ns).open(at)
        data = opened.read(at, out.nbytes)
        opened.release()
    except SourceError as error:
        return str(error)
    except (OSError, EOFError) as error:
        return f"{part.path.name} cannot be read: {because(error)}"
    if len(data) != out.nbytes:
        return f"{part.path.name} ended early"
    byte_view(out)[:] = data
    return ""


def byte_view(array: NDArray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def part_of(path: Path, n_rows: int, offset: int = 0, fortran: bool = False) -> Part:
    stat = path.stat()
    return Part(fresh_path(path), n_rows, offset, stat.st_size, stat.st_mtime_ns, fortran)


@dataclass(frozen=True)
class InflatedStore(Parted):
    """Rows of a compressed file, which is decompressed into memory once in each process."""

    parts: tuple[Part]
    load: Callable[[], NDArray]
    dtype: np.dtype[Any]
    row_shape: tuple[int, ...]
    copies: int = 1  # times the memory of the rows that loading takes
    cache: ReadCache = field(default_factory=ReadCache, compare=False, repr=False)
    by_range = True

    @property
    def memory_need(self) -> MemoryNeed:
        size = self.copies * self.n_rows * math.prod(self.row_shape) * self.dtype.itemsize
        return MemoryNeed(size, size)

    def fill(self, part: Part, low: int, out: NDArray) -> dict[int, str]:
        try:
            out[...] = self._rows()[low : low + len(out)]
        except Exception as error:  # zipfile and zlib raise a dozen kinds on damaged files
            reason = f"{part.path.name} cannot be unpacked: {because(error)}"
            return dict.fromkeys(range(len(out)), reason)
        return {}

    def _rows(self) -> NDArray:
        path = self.parts[0].path
        with self.cache.lock:
            rows: NDArray | None = self.cache.take(path)
            if rows is None:
                self.cache.make_room(self.memory_need.least, f"unpacking {path.name}")
                rows = self.load()
            self.cache.keep(path, rows, rows.nbytes)
            return rows


def inflated(
    path: Path,
    load: Callable[[], NDArray],
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    copies: int = 1,
) -> InflatedStore:
    """Return the rows of an array that the picklable function `load` reads as a whole."""
    return InflatedStore((part_of(path, shape[0]),), load, dtype, shape[1:], copies)


def check_range(start: int, stop: int, n_rows: int) -> None:
    if not 0 <= start <= stop <= n_rows:
        raise InputError(f"rows {start}..{stop} were requested, but there are {n_rows:,}")


def numbered_names(
    starts: NDArray[np.int64], file_name: Callable[[int], str], start: int, stop: int
) -> list[str]:
    """Name rows by their file and their number in it: ``x.npy:3``."""
    return [
        f"{file_name(number)}:{row}"
        for number, low, high, _ in cut_range(starts, start, stop)
        for row in range(low, high)
    ]
