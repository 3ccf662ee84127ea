"""What a kind of files that hold many images must say so that it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shoal.errors import SourceError
from shoal.rows.handles import KnownFile, Opened

if TYPE_CHECKING:
    from shoal.rows.images.image_table import MembersStore

MAX_FILE_BYTES = 1 << 28


@dataclass(frozen=True, slots=True)
class Member:
    """One row in a file."""

    name: bytes  # folders parted by ``/``; empty where it has none
    offset: int  # where it lies, and how many bytes it has there
    packed: int
    size: int  # how many bytes it has
    crc: int = 0  # its checksum, where the file has one
    target: bytes = b""  # for a link: the name of what it stands for
    reason: str = ""  # why it cannot be read; empty when it can
    is_damage: bool = False  # true for what stands for a damaged part of the file


class Container:
    """A kind of files that hold many images each; a subclass is listed in `CONTAINERS`."""

    # what files of the kind are called, one and several. Files of one `kind` are read together
    kind = called = "archive"
    many = "archives"
    endings: tuple[str, ...] = ()  # extensions of their names, in small letters
    what = "member"  # what people call a row of it
    has_names = True  # others than images and labels are left out by their names then
    has_labels = False  # members called ``.cls`` label the images beside them, as in WebDataset
    has_keys = False  # a row has several features; `chosen` finds that of the image
    is_packed = False  # a row must be unpacked before a piece of it can be had

    def matches(self, name: str) -> bool:
        """Return whether a file called so is of this kind."""
        return name.lower().endswith(self.endings) if self.endings else False

    def begins(self, head: bytes) -> bool:
        """Return whether a file whose first 512 bytes are these is of this kind."""
        raise NotImplementedError

    def members(self, opened: Opened, file: KnownFile) -> Iterator[Member]:
        """List the rows of a file in the order in which they lie, by its headers alone."""
        raise NotImplementedError

    @property
    def reading(self) -> str:
        """What memory is taken for."""
        return f"reading the {self.what}"

    def room(self, size: int) -> int:
        """Count the bytes that reading a row of `size` takes."""
        return size

    def unpack(self, opened: Opened, offset: int, packed: int, size: int, crc: int) -> bytes:
        """Return the bytes of a row; raises `SourceError` where they are damaged."""
        data = opened.read(offset, size)
        if len(data) != size:
            raise SourceError(f"the {self.called} ended early")
        return data

    def chosen(self, store: MembersStore, label: str, key: str | None) -> MembersStore:
        """Return a store whose rows are of the feature called `key`, where rows have several."""
        return store

    def about(self) -> str:
        """Say what of the rows is taken, to go behind the source's name."""
        return ""

    def names(self, store: MembersStore, start: int, stop: int) -> list[str] | None:
        """Paths within the file; with several, behind the file's name and ``/``."""
        names, many = [], len(store.files) > 1
        for row in range(start, stop):
            name = store.inner_names[row].decode("utf-8", "replace")
            folder = f"{store.files.path(store.file[row]).name}/" if many else ""
            names.append(folder + name)
        return names

    def label_origin(self, store: MembersStore) -> str | None:
        """Return what people call the place of the labels."""
        return None if store.label_places is None else ".cls files"

    def labels(self, store: MembersStore) -> list[str | None] | None:
        """Texts of the ``.cls`` members beside the images."""
        places = store.label_places
        if places is None:
            return None
        labels: list[str | None] = [None] * store.n_rows
        for row, opened in store.with_files(0, store.n_rows, places.clip(0)):
            offset, size = places[row].tolist()
            if size >= 0 and not isinstance(opened, SourceError):
                labels[row] = opened.read(offset, size).decode("utf-8", "replace").strip() or None
        return labels

    def facts(self, store: MembersStore) -> dict[str, Any]:
        """Count, size and time of the files, and a hash over them and the members' places."""
        digest = hashlib.blake2b(store.inner_names.blob, digest_size=16)
        digest.update(store.places.tobytes())
        return {**store.file_facts(), "members": digest.hexdigest()}
