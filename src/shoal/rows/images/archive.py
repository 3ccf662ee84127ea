"""Images in tar and zip archives, one or many, read where they lie: nothing is unpacked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.handles import LargeFile, Opened, leave, with_files
from shoal.rows.images import zips
from shoal.rows.images.encoded import spread
from shoal.rows.images.folder import MAX_FILE_BYTES
from shoal.rows.images.formats import READ
from shoal.rows.images.members import MemberList, join, list_members
from shoal.rows.images.tiff import ReadAt, reader
from shoal.rows.kinds import counted, ways
from shoal.rows.room import FILES
from shoal.rows.store import because, file_facts
from shoal.storage import UrlPath, many


@dataclass(frozen=True, eq=False)
class ArchiveStore:
    """Image members of archives, in the order in which they lie; millions stay small.

    Attributes
    ----------
    archives : tuple of LargeFile
        In order.
    is_zip : tuple of bool
        Which of them are zip archives.
    blob, ends : bytes, int64 array (n,)
        All names one after the other, and where each ends.
    places : int64 array, shape (n, 4)
        Offset, packed size, size and checksum of each member.
    owner : int32 array, shape (n,)
        Number of its archive.
    reasons : dict
        Why some rows cannot be read.
    label_places : int64 array, shape (n, 2), or None
        Offset and size of the ``.cls`` member beside each image, size -1 where there is none.
    """

    archives: tuple[LargeFile, ...]
    is_zip: tuple[bool, ...]
    blob: bytes
    ends: NDArray[np.int64]
    places: NDArray[np.int64]
    owner: NDArray[np.int32]
    reasons: dict[int, str]
    label_places: NDArray[np.int64] | None

    @property
    def n_rows(self) -> int:
        """How many images there are."""
        return len(self.ends)

    @property
    def is_far(self) -> bool:
        """Whether each read asks a network."""
        return isinstance(self.archives[0].path, UrlPath)

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Read members in order, each archive opened once."""
        for row, opened in with_files(self.archives, self.owner, self.places[:, :2], start, stop):
            make = partial(self._blob, opened, row)
            yield from FILES.granted(int(self.places[row, 2]), "reading the member", make)

    def names(self, start: int, stop: int) -> list[str]:
        """Paths within the archive; with several, behind the archive's name and ``/``."""
        names = []
        for row in range(start, stop):
            name = self._name(row).decode("utf-8", "replace")
            many = len(self.archives) > 1
            names.append(f"{self.archives[self.owner[row]].path.name}/{name}" if many else name)
        return names

    @property
    def label_origin(self) -> str | None:
        """Members called ``.cls`` beside the images."""
        return None if self.label_places is None else ".cls files"

    def labels(self) -> list[str | None] | None:
        """Texts of the ``.cls`` members beside the images, as WebDataset has them."""
        if self.label_places is None:
            return None
        labels: list[str | None] = [None] * self.n_rows
        places = self.label_places.clip(0)
        for row, opened in with_files(self.archives, self.owner, places, 0, self.n_rows):
            offset, size = self.label_places[row].tolist()
            if size >= 0 and not isinstance(opened, SourceError):
                labels[row] = opened.read(offset, size).decode("utf-8", "replace")
        return [label if label is None else label.strip() or None for label in labels]

    def path(self, row: int) -> None:
        """Members are not files."""

    def some(self, count: int) -> NDArray[np.int64]:
        """Rows from all over."""
        return spread(self.n_rows, count)

    @property
    def raw_names(self) -> tuple[bytes, NDArray[np.int64]]:
        """All names one after the other, and where each ends."""
        return self.blob, self.ends

    def held(self, row: int) -> int:
        """How many bytes a member takes while it is open: of a zip archive, all of it."""
        return int(self.places[row, 2]) if self.is_zip[self.owner[row]] else 0

    @contextmanager
    def opened(self, row: int) -> Iterator[ReadAt]:
        """Open a member for reading pieces of it.

        Raises
        ------
        SourceError
            When it cannot be read.
        """
        offset, _, size, _ = self.places[row].tolist()
        file = self.archives[self.owner[row]].open(offset)
        try:
            if self.is_zip[self.owner[row]] or row in self.reasons:
                blob = self._blob(file, row)
                if isinstance(blob, SourceError):
                    raise blob
                yield reader(blob)
            else:
                yield lambda at, length: file.read(offset + at, max(0, min(length, size - at)))
        finally:
            leave(file)

    def facts(self) -> dict[str, Any]:
        """Count, size and time of the archives, and a hash over them and the members' places."""
        digest = hashlib.blake2b(self.blob, digest_size=16)
        digest.update(self.places.tobytes())
        files = [(a.path.name, a.size, a.mtime_ns) for a in self.archives]
        return {**file_facts(files), "members": digest.hexdigest()}

    def _name(self, row: int) -> bytes:
        """Return a member's name."""
        return self.blob[int(self.ends[row - 1]) if row else 0 : int(self.ends[row])]

    def _blob(self, opened: Opened | SourceError, row: int) -> bytes | SourceError:
        """Read one member, or give the reason why not."""
        if isinstance(opened, SourceError):
            return opened
        if row in self.reasons:
            return SourceError(self.reasons[row])
        offset, packed, size, crc = self.places[row].tolist()
        if size > MAX_FILE_BYTES:
            return SourceError(f"the member has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        try:
            if self.is_zip[self.owner[row]]:
                return zips.unpack(opened, offset, packed, size, crc)
            data = opened.read(offset, size)
        except SourceError as error:
            return error
        except (OSError, EOFError, MemoryError) as error:
            return SourceError(f"the archive cannot be read: {because(error)}")
        return data if len(data) == size else SourceError("the archive ended early")


def make_archive_store(paths: Sequence[Path]) -> tuple[ArchiveStore, Counter[str]]:
    """List the images of archives; also count all members by their extensions.

    Raises
    ------
    SourceError
        When an archive cannot be read, or there are no images in any.
    """
    lists = many(paths[0], list_members, paths)
    members = join(lists)
    if len(members.reasons) == len(members):
        raise SourceError(_no_images(paths, members))
    store = ArchiveStore(
        tuple(one.archive for one in lists),
        tuple(one.is_zip for one in lists),
        bytes(members.blob),
        np.array(members.ends, np.int64),
        np.array(members.places, np.int64).reshape(-1, 4),
        np.repeat(np.arange(len(lists), dtype=np.int32), [len(one) for one in lists]),
        members.reasons,
        np.array(members.labels, np.int64).reshape(-1, 2) if members.has_labels else None,
    )
    return store, members.kinds


def _no_images(paths: Sequence[Path], members: MemberList) -> str:
    """Word what is said of archives in which nothing can be used."""
    where = str(paths[0]) if len(paths) == 1 else f"the {len(paths):,} archives"
    if len(members):
        name = bytes(members.blob[: members.ends[0]]).decode("utf-8", "replace")
        return (
            f"none of the {len(members):,} images in {where} can be read "
            f"({name}: {members.reasons[0]})"
        )
    holds = counted(members.kinds) if members.kinds else "nothing"
    return (
        f"{where} has no images (it holds {holds}): Shoal reads {READ} in tar and zip archives"
        f"{''.join('; ' + way.rstrip('.') for way in ways(members.kinds))}"
    )
