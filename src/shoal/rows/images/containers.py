"""The container formats, and the listing of their rows."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shoal.errors import SourceError
from shoal.rows.handles import HEAD, KnownFile, Opened, inspect_file, wrapped
from shoal.rows.images.formats import READ, is_image_name
from shoal.rows.images.image_table import Container, Files, Member, MembersStore, Names
from shoal.rows.images.tar import TarArchive
from shoal.rows.images.tfrecord import TFRecord
from shoal.rows.images.zips import ZipArchive
from shoal.rows.kinds import JUNK, counted, ways
from shoal.storage import map_requests

CONTAINERS: list[Container] = [TarArchive(), ZipArchive(), TFRecord()]
"""All formats, in the order in which files are tried; a new one is added here."""

_JUNK = frozenset(name.encode() for name in JUNK)
_LABEL = ".cls"
_MOST_LABEL_BYTES = 4096
_MOST_LINKS = 8


def container_of(name: str) -> Container | None:
    return next((one for one in CONTAINERS if one.matches(name)), None)


def container_that_begins(head: bytes) -> Container | None:
    return next((one for one in CONTAINERS if one.begins(head)), None)


class MemberList:
    """Images within a file in stored order, in compact arrays: there may be millions."""

    def __init__(self, file: KnownFile, container: Container) -> None:
        self.file, self.container = file, container
        self.blob = bytearray()
        self.ends, self.places, self.labels = array("q"), array("q"), array("q")
        self.reasons: dict[int, str] = {}
        self.kinds: Counter[str] = Counter()
        self.has_labels = False
        self._key, self._label, self._first = b"", (0, -1), 0

    def __len__(self) -> int:
        return len(self.ends)

    def add(self, opened: Opened) -> None:
        links = []
        for member in self.container.members(opened, self.file):
            if self.container.has_names and not member.is_damage and not self._is_image(member):
                continue  # damage becomes a row, as it may have cost images
            if member.target:
                links.append((len(self), member))
            self._append(member)
        self._end_sample()
        if links:
            found = {one.name: one for one in self.container.members(opened, self.file)}
            for row, link in links:
                self._resolve_link(row, link, found)

    def _is_image(self, member: Member) -> bool:
        """Return whether a member is an image by its name; record labels, and count others."""
        if _is_hidden(member.name):
            return False
        if self.container.has_labels:
            self._record_label(member)
        ending = os.path.splitext(member.name)[1].lower().decode("utf-8", "replace")
        if not (self.container.has_labels and ending == _LABEL):
            self.kinds[ending] += 1
        return is_image_name("x" + ending)

    def extend(self, other: MemberList) -> None:
        before, names = len(self), len(self.blob)
        self.blob += other.blob
        self.ends.extend(names + end for end in other.ends)
        self.places.extend(other.places)
        self.labels.extend(other.labels)
        self.reasons.update({before + row: reason for row, reason in other.reasons.items()})
        self.kinds += other.kinds
        self.has_labels = self.has_labels or other.has_labels

    def _append(self, member: Member) -> None:
        if member.reason:
            self.reasons[len(self)] = member.reason
        self.blob += member.name
        self.ends.append(len(self.blob))
        self.places.extend((member.offset, member.packed, member.size, member.crc))
        self.labels.extend((0, -1))

    def _record_label(self, member: Member) -> None:
        """Record a label for the images of its sample, whose members follow each other."""
        folder, slash, name = member.name.rpartition(b"/")
        key = folder + slash + name.split(b".")[0]
        if key != self._key:
            self._end_sample()
            self._key = key
        plain = member.size <= _MOST_LABEL_BYTES and not member.reason and not member.target
        if plain and name.lower().endswith(_LABEL.encode()):
            self._label = member.offset, member.size

    def _end_sample(self) -> None:
        if self._label[1] >= 0:
            for row in range(self._first, len(self)):
                self.labels[2 * row], self.labels[2 * row + 1] = self._label
                self.has_labels = True
        self._label, self._first = (0, -1), len(self)

    def _resolve_link(self, row: int, link: Member, found: dict[bytes, Member]) -> None:
        aim = link
        for _ in range(_MOST_LINKS):
            if not aim.target:
                break
            to = aim.target.decode("utf-8", "replace")
            reason = f"the member is a link to {to}, which is not a file in the archive"
            aim = found.get(aim.target, Member(aim.target, 0, 0, 0, reason=reason))
        reason = "the member is a link that leads to itself" if aim.target else aim.reason
        if reason:
            self.reasons[row] = reason
        self.places[4 * row : 4 * row + 4] = array("q", (aim.offset, aim.packed, aim.size, aim.crc))


def _is_hidden(name: bytes) -> bool:
    if not name.startswith(b".") and b"/." not in name and b"__MACOSX" not in name:
        return name.rpartition(b"/")[2].lower() in _JUNK
    return any(part.startswith(b".") or part == b"__MACOSX" for part in name.split(b"/"))


def _list_members(path: Path) -> MemberList:
    with inspect_file(path) as (opened, file):
        found = container_that_begins(opened.read(0, HEAD))
        # other files are listed as the format of their name, which reports what is wrong
        members = MemberList(file, found or container_of(path.name) or ZipArchive())
        members.add(opened)
    return members


def list_containers(
    paths: Sequence[Path], label: str, key: str | None
) -> tuple[MembersStore, Counter[str]]:
    """List the images in files of one format; also count all members by their extensions."""
    lists = map_requests(_list_members, paths)
    all_of = lists[0]
    counts = [len(one) for one in lists]
    for one in lists[1:]:
        all_of.extend(one)
    if len(all_of.reasons) == len(all_of):
        raise SourceError(_no_images_message(paths, label, all_of))
    files = [one.file for one in lists]
    names = [
        os.fsencode(str(one.path) if "://" in str(one.path) else os.path.abspath(one.path))
        for one in files
    ]
    store = MembersStore(
        Files(
            Path("/"),
            Names.joined(names),
            np.array([one.size for one in files], np.int64),
            np.array([wrapped(one.mtime_ns) for one in files], np.int64),
        ),
        tuple(one.container for one in lists),
        np.repeat(np.arange(len(lists), dtype=np.int32), counts),
        np.array(all_of.places, np.int64).reshape(-1, 4),
        Names(bytes(all_of.blob), np.array(all_of.ends, np.int64)),
        np.array(all_of.labels, np.int64).reshape(-1, 2) if all_of.has_labels else None,
        all_of.reasons,
    )
    return lists[0].container.chosen(store, label, key), all_of.kinds


def _no_images_message(paths: Sequence[Path], label: str, members: MemberList) -> str:
    container = members.container
    if not container.has_names:
        why = f": {members.reasons[0]}" if len(members) else ""
        return f"{label} has no {container.what}s that can be read{why}"
    where = str(paths[0]) if len(paths) == 1 else f"the {len(paths):,} {container.many}"
    if len(members):
        name = bytes(members.blob[: members.ends[0]]).decode("utf-8", "replace")
        return (
            f"none of the {len(members):,} images in {where} can be read "
            f"({name}: {members.reasons[0]})"
        )
    holds = counted(members.kinds) if members.kinds else "nothing"
    return (
        f"{where} has no images (it holds {holds}): Shoal reads {READ} in {container.many}"
        f"{''.join('; ' + way.rstrip('.') for way in ways(members.kinds))}"
    )
