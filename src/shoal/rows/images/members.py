"""The images in archives, listed by what the archives say of themselves."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shoal.rows.handles import Headers, LargeFile, Opened, looking
from shoal.rows.images import tar, zips
from shoal.rows.images.formats import EXTENSIONS
from shoal.rows.kinds import JUNK, reads_by_extra

_JUNK = frozenset(name.encode() for name in JUNK)
_LABEL = ".cls"
_MOST_LABEL_BYTES = 4096
_MOST_LINKS = 8
_MOST = 1 << 62


@dataclass(frozen=True, slots=True)
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


class MemberList:
    """Images of archives in the order in which they lie, in arrays: millions stay small.

    Attributes
    ----------
    archive, is_zip
        The (first) archive, and whether it is a zip archive.
    blob, ends
        All names one after the other, and where each ends.
    places
        Offset, packed size, size and checksum of each, one after the other.
    labels
        Offset and size of the ``.cls`` member beside each, size -1 where there is none.
    reasons
        Why some cannot be read, by their number.
    kinds
        How many members there are, by their extensions; labels are not counted.
    has_labels
        Whether any image has a label.
    """

    def __init__(self, archive: LargeFile, is_zip: bool) -> None:
        self.archive, self.is_zip = archive, is_zip
        self.blob = bytearray()
        self.ends, self.places, self.labels = array("q"), array("q"), array("q")
        self.reasons: dict[int, str] = {}
        self.kinds: Counter[str] = Counter()
        self.has_labels = False
        self._key, self._label, self._first = b"", (0, -1), 0

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, opened: Opened) -> None:
        """List the members of an open archive."""
        links = []
        for member in self._members(opened):
            if _is_hidden(member.name):
                continue
            if not self.is_zip:
                self._note_label(member)
            ending = os.path.splitext(member.name)[1].lower().decode("utf-8", "replace")
            is_damage = member.name in (tar.DAMAGED, tar.CUT_OFF)
            if not is_damage and (self.is_zip or ending != _LABEL):
                self.kinds[ending] += 1
            # damage takes part, as images are lost by it
            if not is_damage and ending not in EXTENSIONS and not reads_by_extra(ending):
                continue
            if member.target:
                links.append((len(self), member))
            self._append(member)
        self._end_sample()
        if links:
            found = {one.name: one for one in self._members(opened)}
            for row, link in links:
                self._follow(row, link, found)

    def extend(self, other: MemberList) -> None:
        """Add the images of the next archive."""
        before, names = len(self), len(self.blob)
        self.blob += other.blob
        self.ends.extend(names + end for end in other.ends)
        self.places.extend(other.places)
        self.labels.extend(other.labels)
        self.reasons.update({before + row: reason for row, reason in other.reasons.items()})
        self.kinds += other.kinds
        self.has_labels = self.has_labels or other.has_labels

    def _members(self, opened: Opened) -> Iterator[Member]:
        """Go through the members of the archive."""
        if self.is_zip:
            return _zip_members(self.archive.path)
        return _tar_members(opened, self.archive.size)

    def _append(self, member: Member) -> None:
        """Add an image."""
        if member.reason:
            self.reasons[len(self)] = member.reason
        self.blob += member.name
        self.ends.append(len(self.blob))
        self.places.extend((member.offset, member.packed, member.size, member.crc))
        self.labels.extend((0, -1))

    def _note_label(self, member: Member) -> None:
        """Note a label for the images of its sample; a sample's members follow each other."""
        folder, slash, name = member.name.rpartition(b"/")
        key = folder + slash + name.split(b".")[0]
        if key != self._key:
            self._end_sample()
            self._key = key
        plain = member.size <= _MOST_LABEL_BYTES and not member.reason and not member.target
        if plain and name.lower().endswith(_LABEL.encode()):
            self._label = member.offset, member.size

    def _end_sample(self) -> None:
        """Set the label of a sample for its images."""
        if self._label[1] >= 0:
            for row in range(self._first, len(self)):
                self.labels[2 * row], self.labels[2 * row + 1] = self._label
                self.has_labels = True
        self._label, self._first = (0, -1), len(self)

    def _follow(self, row: int, link: Member, found: dict[bytes, Member]) -> None:
        """Set the place of a link to that of its target."""
        aim = link
        for _ in range(_MOST_LINKS):
            if not aim.target:
                break
            to = aim.target.decode("utf-8", "replace")
            said = f"the member is a link to {to}, which is not a file in the archive"
            aim = found.get(aim.target, Member(aim.target, 0, 0, 0, reason=said))
        reason = "the member is a link that leads to itself" if aim.target else aim.reason
        if reason:
            self.reasons[row] = reason
        self.places[4 * row : 4 * row + 4] = array("q", (aim.offset, aim.packed, aim.size, aim.crc))


def list_members(path: Path) -> MemberList:
    """List the images of one archive.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    with looking(path) as (opened, archive):
        members = MemberList(archive, not tar.is_tar(opened.read(0, tar.BLOCK)))
        members.add(opened)
    return members


def join(lists: Sequence[MemberList]) -> MemberList:
    """Return the images of archives as one list."""
    if len(lists) == 1:
        return lists[0]
    members = MemberList(lists[0].archive, lists[0].is_zip)
    for one in lists:
        members.extend(one)
    return members


def _tar_members(opened: Opened, size: int) -> Iterator[Member]:
    """Go through the members of a tar archive."""
    opened.expect(0, size)
    for found in tar.scan(Headers(opened), size):
        target = found.target.removeprefix(b"./")
        member = Member(found.name.removeprefix(b"./"), found.offset, found.size, found.size)
        if target or found.reason:
            member = replace(member, target=target, reason=found.reason)
        yield member


def _zip_members(path: Path) -> Iterator[Member]:
    """Go through the members of a zip archive."""
    for info in zips.list_zip(path):
        yield Member(
            info.filename.replace("\\", "/").removeprefix("./").encode("utf-8", "surrogateescape"),
            min(info.header_offset, _MOST),
            min(info.compress_size, _MOST),
            min(info.file_size, _MOST),
            info.CRC,
            reason=zips.why_not(info),
        )


def _is_hidden(name: bytes) -> bool:
    """Tell names that no person gave: hidden ones, and what macOS adds."""
    if not name.startswith(b".") and b"/." not in name and b"__MACOSX" not in name:
        return name.rpartition(b"/")[2].lower() in _JUNK
    return any(part.startswith(b".") or part == b"__MACOSX" for part in name.split(b"/"))
