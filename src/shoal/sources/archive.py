"""Images in tar and zip archives, one or many, read where they lie: nothing is unpacked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.sources import tar, zips
from shoal.sources.encoded import spread
from shoal.sources.folder import MAX_FILE_BYTES
from shoal.sources.formats import EXTENSIONS
from shoal.sources.handles import LargeFile, looking, with_files
from shoal.sources.room import FILES
from shoal.sources.store import because, file_facts

_LABEL = b".cls"
_MOST_LABEL_BYTES = 4096
_MOST_LINKS = 8
_MOST = 1 << 62


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    Attributes
    ----------
    name : bytes
        Folders parted by ``/``.
    offset, packed : int
        Where it lies (in a zip archive: its header), and how many bytes it has there.
    size : int
        How many bytes it has.
    crc : int
        Checksum of a zip member.
    target : bytes
        For a link: the name of what it stands for.
    reason : str
        Why it cannot be read; empty when it can.
    """

    name: bytes
    offset: int
    packed: int
    size: int
    crc: int = 0
    target: bytes = b""
    reason: str = ""


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

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Read members in order, each archive opened once."""
        for row, descriptor in with_files(self.archives, self.owner, start, stop):
            with FILES.take(int(self.places[row, 2])):
                yield self._blob(descriptor, row)

    def names(self, start: int, stop: int) -> list[str]:
        """Paths within the archive; with several, behind the archive's name and ``/``."""
        names = []
        for row in range(start, stop):
            name = self._name(row).decode("utf-8", "replace")
            many = len(self.archives) > 1
            names.append(f"{self.archives[self.owner[row]].path.name}/{name}" if many else name)
        return names

    def labels(self) -> list[str | None] | None:
        """Texts of the ``.cls`` members beside the images, as WebDataset has them."""
        if self.label_places is None:
            return None
        labels: list[str | None] = [None] * self.n_rows
        for row, descriptor in with_files(self.archives, self.owner, 0, self.n_rows):
            offset, size = self.label_places[row].tolist()
            if size >= 0 and isinstance(descriptor, int):
                labels[row] = os.pread(descriptor, size, offset).decode("utf-8", "replace")
        return [label if label is None else label.strip() or None for label in labels]

    def path(self, row: int) -> None:
        """Members are no files."""

    def some(self, count: int) -> NDArray[np.int64]:
        """Rows from all over."""
        return spread(self.n_rows, count)

    def facts(self) -> dict[str, Any]:
        """Count, size and time of the archives, and a hash over them and the members' places."""
        digest = hashlib.blake2b(self.blob, digest_size=16)
        digest.update(self.places.tobytes())
        files = [(a.path.name, a.size, a.mtime_ns) for a in self.archives]
        return {**file_facts(files), "members": digest.hexdigest()}

    def _name(self, row: int) -> bytes:
        """Give a member's name."""
        return self.blob[int(self.ends[row - 1]) if row else 0 : int(self.ends[row])]

    def _blob(self, descriptor: int | SourceError, row: int) -> bytes | SourceError:
        """Read one member, or give the reason why not."""
        if isinstance(descriptor, SourceError):
            return descriptor
        if row in self.reasons:
            return SourceError(self.reasons[row])
        offset, packed, size, crc = self.places[row].tolist()
        if size > MAX_FILE_BYTES:
            return SourceError(f"the member has {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        try:
            if self.is_zip[self.owner[row]]:
                return zips.unpack(descriptor, offset, packed, size, crc)
            data = os.pread(descriptor, size, offset)
        except SourceError as error:
            return error
        except (OSError, MemoryError) as error:
            return SourceError(f"the archive cannot be read: {because(error)}")
        return data if len(data) == size else SourceError("the archive ended early")


def make_archive_store(paths: Sequence[Path]) -> tuple[ArchiveStore, int]:
    """List the images of archives; also count the other members.

    Raises
    ------
    SourceError
        When an archive cannot be read, or there are no images in any.
    """
    archives, zips_, rows, others = [], [], list[tuple[int, Member]](), 0
    labels: dict[tuple[int, bytes], tuple[int, int]] = {}
    for number, path in enumerate(paths):
        archive, is_zip, members = _look(path)
        archives.append(archive)
        zips_.append(is_zip)
        found = {member.name: member for member in members} if _has_links(members) else {}
        for member in members:
            if _is_hidden(member.name):
                continue
            if _is_image(member):
                rows.append((number, _followed(member, found)))
                continue
            others += 1
            if not is_zip and _is_label(member):
                labels[number, _key(member.name)] = member.offset, member.size
    if not any(not member.reason for _, member in rows):
        raise SourceError(_no_images(paths, [member for _, member in rows], others))
    return _packed(tuple(archives), tuple(zips_), rows, labels), others


def _look(path: Path) -> tuple[LargeFile, bool, list[Member]]:
    """List the members of one archive."""
    with looking(path) as (descriptor, archive):
        if tar.is_tar(os.pread(descriptor, tar.BLOCK, 0)):
            return archive, False, _tar_members(descriptor, archive.size)
        return archive, True, _zip_members(path)


def _tar_members(descriptor: int, size: int) -> list[Member]:
    """List the members of a tar archive."""
    with suppress(OSError, AttributeError):  # only headers are read: reading ahead is in vain
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
    return [
        Member(
            _plain(found.name),
            found.offset,
            found.size,
            found.size,
            target=_plain(found.target),
            reason=found.reason,
        )
        for found in tar.scan(descriptor, size)
    ]


def _zip_members(path: Path) -> list[Member]:
    """List the members of a zip archive."""
    return [
        Member(
            _plain(info.filename.replace("\\", "/").encode("utf-8", "surrogateescape")),
            info.header_offset,
            min(info.compress_size, _MOST),
            min(info.file_size, _MOST),
            info.CRC,
            reason=zips.why_not(info),
        )
        for info in zips.list_zip(path)
    ]


def _plain(name: bytes) -> bytes:
    """Leave out ``./`` before a name."""
    return name.removeprefix(b"./")


def _has_links(members: Sequence[Member]) -> bool:
    """Tell whether there are links."""
    return any(member.target for member in members)


def _followed(member: Member, found: dict[bytes, Member]) -> Member:
    """Give a link the place of what it stands for."""
    aim = member
    for _ in range(_MOST_LINKS):
        if not aim.target:
            break
        said = f"the member is a link to {aim.target.decode('utf-8', 'replace')}, which is no file "
        missing = Member(aim.target, 0, 0, 0, reason=said + "in the archive")
        aim = found.get(aim.target, missing)
    reason = "the member is a link that leads to itself" if aim.target else aim.reason
    return Member(member.name, aim.offset, aim.packed, aim.size, aim.crc, reason=reason)


def _is_hidden(name: bytes) -> bool:
    """Tell names that no person gave: hidden ones, and what macOS adds."""
    return any(part.startswith(b".") or part == b"__MACOSX" for part in name.split(b"/"))


def _is_image(member: Member) -> bool:
    """Tell an image by its extension; damage takes part, as images are lost by it."""
    extension = os.path.splitext(member.name)[1].lower().decode("ascii", "replace")
    return extension in EXTENSIONS or member.name in (tar.DAMAGED, tar.CUT_OFF)


def _is_label(member: Member) -> bool:
    """Tell a member that holds the label of the image beside it."""
    small = member.size <= _MOST_LABEL_BYTES and not member.reason and not member.target
    return small and member.name.lower().endswith(_LABEL)


def _key(name: bytes) -> bytes:
    """Give what the members of one WebDataset sample share: all before the name's first dot."""
    folder, slash, file = name.rpartition(b"/")
    return folder + slash + file.split(b".")[0]


def _packed(
    archives: tuple[LargeFile, ...],
    is_zip: tuple[bool, ...],
    rows: list[tuple[int, Member]],
    labels: dict[tuple[int, bytes], tuple[int, int]],
) -> ArchiveStore:
    """Put the members into arrays."""
    members = [member for _, member in rows]
    places = [(m.offset, m.packed, m.size, m.crc) for m in members]
    beside = None
    if labels:
        found = [labels.get((number, _key(m.name)), (0, -1)) for number, m in rows]
        beside = np.array(found, np.int64)
    return ArchiveStore(
        archives,
        is_zip,
        b"".join(member.name for member in members),
        np.cumsum([len(member.name) for member in members], dtype=np.int64),
        np.array(places, np.int64).reshape(-1, 4),
        np.array([number for number, _ in rows], np.int32),
        {row: member.reason for row, member in enumerate(members) if member.reason},
        beside,
    )


def _no_images(paths: Sequence[Path], bad: list[Member], others: int) -> str:
    """Word what is said of archives in which nothing can be used."""
    where = str(paths[0]) if len(paths) == 1 else f"the {len(paths):,} archives"
    if bad:
        name = PurePosixPath(bad[0].name.decode("utf-8", "replace")).name
        return f"none of the {len(bad):,} images in {where} can be read ({name}: {bad[0].reason})"
    holds = f"{others:,} other files" if others else "nothing"
    return (
        f"{where} has no images (it holds {holds}): Shoal reads JPEG, PNG, GIF, BMP, TIFF, WebP "
        "and PNM files in tar and zip archives"
    )
