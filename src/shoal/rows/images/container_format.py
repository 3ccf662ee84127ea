"""The base class of container formats: files that hold many images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.errors import SourceError
from shoal.rows.handles import KnownFile, Opened

if TYPE_CHECKING:
    from shoal.rows.images.image_table import MembersStore

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
