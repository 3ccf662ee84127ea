"""Encoded images as one table: ``file, offset, size, crc, name, label, reason``.

A folder or a list has one row per file; archives and record files have many. Each container
format is a `Container` in a module of its own, which lists and decompresses rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.handles import KnownFile, Opened, ReadAt, digest_of, file_facts
from shoal.rows.images.encoded import EncodedStore, checked
from shoal.rows.images.tiff import reader
from shoal.rows.memory_budget import FILES
from shoal.storage import as_place, fetched_ahead, is_remote

MAX_FILE_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Member:
    name: bytes  # with ``/`` between folders; empty without a name
    offset: int
    packed: int
    size: int  # bytes after decompression
    crc: int = 0  # its checksum, if the format has one
    target: bytes = b""  # name of the member that a link refers to
    reason: str = ""  # why it cannot be read; empty if it can
    is_damage: bool = False  # whether it represents a damaged part of the file


class Container:
    """A format of files with many images each; subclasses are listed in `CONTAINERS`."""

    # names of such a file in messages, singular and plural; files of one `kind` are read together
    kind = called = "archive"
    many = "archives"
    endings: tuple[str, ...] = ()  # file extensions, in lower case
    what = "member"  # name of a row in messages
    has_names = True  # members that are not images or labels are then left out by name
    has_labels = False  # members named ``.cls`` are labels of images, as in WebDataset
    has_keys = False  # a row has several features; `chosen` selects that of the image
    is_packed = False  # a row must be decompressed to read any part of it

    def matches(self, name: str) -> bool:
        return name.lower().endswith(self.endings) if self.endings else False

    def begins(self, head: bytes) -> bool:
        """Return whether the first 512 bytes of a file are of this kind."""
        raise NotImplementedError

    def members(self, opened: Opened, file: KnownFile) -> Iterator[Member]:
        """List the rows of a file in stored order, from its headers alone."""
        raise NotImplementedError

    @property
    def reading(self) -> str:
        """What memory is reserved for, in messages."""
        return f"reading the {self.what}"

    def room(self, size: int) -> int:
        """Return the memory that reading a row of `size` bytes takes."""
        return size

    def unpack(self, opened: Opened, offset: int, packed: int, size: int, crc: int) -> bytes:
        """Return the bytes of a row; raise `SourceError` if they are damaged."""
        data = opened.read(offset, size)
        if len(data) != size:
            raise SourceError(f"the {self.called} ended early")
        return data

    def chosen(self, store: MembersStore, label: str, key: str | None) -> MembersStore:
        return store


GONE, REDIRECTED = -1, -2
"""Instead of a file's size: it did not exist; its symbolic link has changed."""

_BESIDE = 1 << 10  # bytes around a row that are read too: a header, a checksum
MIXER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that different times stay different


@dataclass(frozen=True, eq=False)
class Names:
    """Many names joined, with the end of each: compact and quick to pickle."""

    blob: bytes
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> bytes:
        return self.blob[int(self.ends[row - 1]) if row else 0 : int(self.ends[row])]

    @classmethod
    def joined(cls, names: Sequence[bytes]) -> Names:
        return cls(b"".join(names), np.cumsum([len(name) for name in names], dtype=np.int64))

    def of(self, rows: NDArray[np.int64]) -> Names:
        return Names.joined([self[row] for row in rows.tolist()])


@dataclass(frozen=True, eq=False)
class Files:
    root: Path  # names are relative to it
    names: Names  # paths under `root`, or addresses
    # (n,): bytes, `GONE` if there was no file, `REDIRECTED` if its link changed; and nanoseconds
    sizes: NDArray[np.int64]
    mtimes: NDArray[np.int64]
    # (n,): a hash of the real path behind a symbolic link, 0 for others; None without links
    links: NDArray[np.uint64] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> str:
        return os.fsdecode(self.names[row])

    def path(self, row: int) -> Path:
        return under(self.root, self[row])

    @property
    def is_remote(self) -> bool:
        return len(self) > 0 and is_remote(self.path(0))

    def known(self, row: int, called: str = "") -> KnownFile:
        """Return a file as listed; raise `SourceError` if it must not be read."""
        size = int(self.sizes[row])
        if size == REDIRECTED:
            raise SourceError("a symbolic link points elsewhere than it did for the fit")
        followed = bool(called == "" or (self.links is not None and self.links[row]))
        return KnownFile(self.path(row), size, int(self.mtimes[row]), called, followed)

    def facts(self) -> dict[str, Any]:
        columns = (self.names.ends, self.sizes, self.mtimes)
        digest = digest_of([self.names.blob, *(column.tobytes() for column in columns)])
        return {"bytes": int(self.sizes.clip(0).sum()), "hash": digest}


def under(root: Path, name: str) -> Path:
    return as_place(name) if "://" in name else root / name


class ListedStore(EncodedStore, Protocol):
    """Images as files, or within files, read in place without extracting them."""

    files: Files

    @property
    def by_range(self) -> bool:
        return True

    @property
    def is_remote(self) -> bool:
        return self.files.is_remote

    @property
    def own_names(self) -> Names:
        """The name of each row within its folder or file."""

    def packed_bytes(self, row: int) -> int:
        """Return the memory for reading parts of a row: its size, if it must be decompressed."""
        return 0

    def opened(self, row: int) -> AbstractContextManager[ReadAt]:
        """Open a row for reading parts of it."""


@dataclass(frozen=True, eq=False)
class FilesStore(ListedStore):
    files: Files

    @property
    def n_rows(self) -> int:
        return len(self.files)

    @property
    def own_names(self) -> Names:
        return self.files.names

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        sizes = self.files.sizes
        if self.is_remote:
            yield from fetched_ahead(self._file, range(start, stop), lambda row: int(sizes[row]))
            return
        for row in range(start, stop):
            make = partial(self._file, row)
            yield from FILES.granted(int(sizes[row]), "reading the file", make)

    def names(self, start: int, stop: int) -> list[str] | None:
        return [self.files.names[row].decode("utf-8", "replace") for row in range(start, stop)]

    def path(self, row: int) -> Path | None:
        return self.files.path(row)

    def facts(self) -> dict[str, Any]:
        return self.files.facts()

    def first_facts(self, rows: NDArray[np.int64]) -> dict[str, Any] | None:
        old = self.files
        return Files(old.root, old.names.of(rows), old.sizes[rows], old.mtimes[rows]).facts()

    def stamps(self, rows: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        sizes, times = (c[rows].astype(np.uint64) for c in (self.files.sizes, self.files.mtimes))
        return times * MIXER + sizes

    def links(self, rows: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        return None if self.files.links is None else self.files.links[rows]

    def without_redirected(self, rows: NDArray[np.int64]) -> FilesStore:
        sizes = self.files.sizes.copy()
        sizes[rows] = REDIRECTED
        return replace(self, files=replace(self.files, sizes=sizes))

    @contextmanager
    def opened(self, row: int) -> Iterator[ReadAt]:
        file = self.files.known(row, "the file").open()
        try:
            yield file.read
        finally:
            file.release()

    def _file(self, row: int) -> bytes | SourceError:
        try:
            return _read(self.files.known(row, "the file"))
        except SourceError as error:
            return error
        except (OSError, ValueError, MemoryError) as error:
            return SourceError(f"the file cannot be read: {because(error)}")


def _read(known: KnownFile) -> bytes:
    if is_remote(known.path):
        if known.size < 0:
            raise SourceError("the file was missing when the images were listed")
        _check_size(known)
        data = known.path.read_bytes()
        if len(data) != known.size:
            raise SourceError("the file changed after it was opened")
        return data
    with closing(known.open()) as opened:
        _check_size(known)
        return opened.read(0, known.size)


def _check_size(known: KnownFile) -> None:
    if known.size > MAX_FILE_BYTES:
        raise SourceError(f"the file has {known.size:,} bytes, more than {MAX_FILE_BYTES:,}")


@dataclass(frozen=True, eq=False)
class MembersStore(ListedStore):
    files: Files
    containers: tuple[Container, ...]  # that of each file
    file: NDArray[np.int32]  # (n,): which file each row is in
    places: NDArray[np.int64]  # (n, 4): offset, packed size, size and checksum
    inner_names: Names  # in the file; empty without names
    # (n, 2): position and size of each row's label, -1 where it is missing; None without labels
    label_places: NDArray[np.int64] | None
    reasons: dict[int, str] = field(default_factory=dict)  # why some rows cannot be read

    @property
    def n_rows(self) -> int:
        return len(self.file)

    @property
    def large_files(self) -> list[Path]:
        return [*map(self.files.path, range(len(self.files)))]

    @property
    def own_names(self) -> Names:
        return self.inner_names

    def container(self, row: int) -> Container:
        return self.containers[self.file[row]]

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        sizes = self.places[start:stop, 2].tolist()
        for (row, opened), size in zip(self.with_files(start, stop), sizes, strict=True):
            one, make = self.container(row), partial(self._member, opened, row)
            yield from FILES.granted(one.room(size), one.reading, make)

    @property
    def about(self) -> str:
        return ""

    def names(self, start: int, stop: int) -> list[str] | None:
        """Return paths within the file; with several files, after the file's name and ``/``."""
        names, many = [], len(self.files) > 1
        for row in range(start, stop):
            name = self.inner_names[row].decode("utf-8", "replace")
            names.append(f"{self.files.path(self.file[row]).name}/{name}" if many else name)
        return names

    @property
    def label_origin(self) -> str | None:
        return None if self.label_places is None else ".cls files"

    def labels(self) -> list[str | None] | None:
        places = self.label_places
        if places is None:
            return None
        labels: list[str | None] = [None] * self.n_rows
        for row, opened in self.with_files(0, self.n_rows, places.clip(0)):
            offset, size = places[row].tolist()
            if size >= 0 and not isinstance(opened, SourceError):
                labels[row] = opened.read(offset, size).decode("utf-8", "replace").strip() or None
        return labels

    def facts(self) -> dict[str, Any]:
        return {
            **self._file_facts(),
            "members": digest_of([self.inner_names.blob, self.places.tobytes()]),
        }

    def _file_facts(self) -> dict[str, Any]:
        return file_facts(map(self.files.known, range(len(self.files))))

    def with_files(
        self, start: int, stop: int, places: NDArray[np.int64] | None = None
    ) -> Iterator[tuple[int, Opened | SourceError]]:
        """Yield rows in order, each with its open file, or with the reason why it is not open."""
        places = self.places[:, :2] if places is None else places
        owner = self.file
        while start < stop:
            number = int(owner[start])
            end = min(stop, int(np.searchsorted(owner, number, "right")))
            low, length = places[start:end].T
            first, last = int(low.min()), int((low + length).max())
            try:
                opened = self.files.known(number).open(first)
            except SourceError as error:
                yield from ((row, error) for row in range(start, end))
            else:
                opened.expect(first, last + _BESIDE)
                try:
                    yield from ((row, opened) for row in range(start, end))
                finally:
                    opened.release()
            start = end

    def packed_bytes(self, row: int) -> int:
        return int(self.places[row, 2]) if self.container(row).is_packed else 0

    @contextmanager
    def opened(self, row: int) -> Iterator[ReadAt]:
        offset, _, size, _ = self.places[row].tolist()
        file = self.files.known(int(self.file[row])).open(offset)
        try:
            if self.container(row).is_packed or row in self.reasons:
                yield reader(checked(self._member(file, row)))
            else:
                yield lambda at, length: file.read(offset + at, max(0, min(length, size - at)))
        finally:
            file.release()

    def _member(self, opened: Opened | SourceError, row: int) -> bytes | SourceError:
        if isinstance(opened, SourceError):
            return opened
        if row in self.reasons:
            return SourceError(self.reasons[row])
        one, (offset, packed, size, crc) = self.container(row), self.places[row].tolist()
        if size > MAX_FILE_BYTES:
            return SourceError(f"the {one.what} has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        try:
            return one.unpack(opened, offset, packed, size, crc)
        except SourceError as error:
            return error
        except (OSError, EOFError, MemoryError) as error:
            return SourceError(f"the {one.called} cannot be read: {because(error)}")
