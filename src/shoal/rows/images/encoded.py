"""Encoded images (JPEG, PNG, ...) wherever their bytes lie: files, archives, tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.core.plural import plural
from shoal.core.wanted import Wanted
from shoal.errors import SourceError
from shoal.rows.arrays.pixels import colour_word, show
from shoal.rows.base import Batch, Kind, Labels, LabelValues
from shoal.rows.images.decode import decode
from shoal.rows.images.formats import is_image_name
from shoal.rows.images.reading import USUAL, Reading
from shoal.rows.store import check_range

PAGE = "#page="
"""Between the name of a file and the number of a picture in it, in the names of rows."""


class EncodedStore(Protocol):
    """Where the bytes of images lie. Picklable and small; opens files when read."""

    @property
    def n_rows(self) -> int:
        """How many images there are, unreadable ones counted."""

    @property
    def is_far(self) -> bool:
        """Whether each read asks a network."""

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Return the bytes of each of the rows ``start..stop``, or why they cannot be had."""

    def names(self, start: int, stop: int) -> list[str] | None:
        """Names of rows, folders parted by ``/``; None where a row has only its number."""

    @property
    def label_origin(self) -> str | None:
        """What people call the place of the labels: ``column label``; None without any."""

    def labels(self) -> list[str | None] | None:
        """Labels that lie with the images, None where one is missing; None without any."""

    def path(self, row: int) -> Path | None:
        """Return the file that holds one image and nothing else, None where there is none."""

    def some(self, count: int) -> NDArray[np.int64]:
        """Up to `count` rows from all over, in order, that can be read without all others."""

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data change."""


@dataclass(frozen=True, eq=False)
class EncodedSource:
    """Encoded images, decoded to one shape when read.

    Attributes
    ----------
    store : EncodedStore
        Where their bytes lie.
    shape : tuple of int
        ``(H, W, C)`` as read.
    mixed_sizes : bool
        True when images are scaled to `shape`.
    sizes : str
        What people call their sizes: ``28×28``, ``mixed sizes``.
    label : str
        What people call the source: the folder's, archive's or list's name.
    typical_size : tuple of int
        Median height and width of the images looked at.
    extension : str
        That of most images looked at, by their content: ``.jpg``.
    wanted : Wanted or None
        How they are scaled; None for what `shape` says.
    beside : Labels or None
        Labels in a file of their own.
    left_out : mapping
        How many files beside them are left out, by their extensions.
    reading : Reading
        What is chosen for all of them alike.
    remarks : tuple of str
        What people should know of how they are read.
    """

    store: EncodedStore
    shape: tuple[int, int, int]
    mixed_sizes: bool
    sizes: str
    label: str
    typical_size: tuple[int, int]
    extension: str = ""
    wanted: Wanted | None = None
    beside: Labels | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    reading: Reading = USUAL
    remarks: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """``"images"``."""
        return "images"

    @property
    def n_rows(self) -> int:
        """How many images there are."""
        return self.store.n_rows

    @property
    def description(self) -> str:
        """One line for people."""
        colour = colour_word(self.shape[2])
        return f"{plural(self.n_rows, f'{colour} image')} of {self.sizes} ({self.label})"

    def fingerprint(self) -> dict[str, Any]:
        """Facts that change when the data or the way of reading them change."""
        chosen = replace(self.reading, channels=None).as_dict()  # the channels are in the shape
        return {
            "kind": "images",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            **self.store.facts(),
            **({"wanted": self.wanted.as_dict()} if self.wanted else {}),
            **({"reading": chosen} if chosen else {}),
        }

    def read_as(self, reading: Reading) -> EncodedSource:
        """Return the same rows, read as those of another collection are."""
        channels = reading.channels or self.shape[2]
        plain = channels in (1, 3) and self.shape[2] in (1, 3)
        shape = (*self.shape[:2], self.shape[2] if plain else channels)
        return replace(self, reading=reading, shape=shape)

    def wanting(self, wanted: Wanted) -> EncodedSource:
        """Return the same rows, read in another size and cut."""
        size, channels = wanted.size or self.shape[:2], wanted.channels or self.shape[2]
        full = replace(wanted, size=size, channels=channels)
        scaled = self.sizes != show(size)
        return replace(self, shape=(*size, channels), mixed_sizes=scaled, wanted=full)

    def names(self, start: int, stop: int) -> list[str] | None:
        """Return the names that rows have where they lie, folders parted by ``/``."""
        check_range(start, stop, self.n_rows)
        return self.store.names(start, stop)

    @property
    def label_origin(self) -> str | None:
        """Where the labels come from, for people; None without any."""
        return self.beside.origin if self.beside else self.store.label_origin

    def labels(self, key: str | None = None) -> LabelValues | None:
        """Labels that lie with the images (a file, ``.cls`` files, a column); None without any."""
        return self.beside.read(self, key) if self.beside else self.store.labels()

    def path(self, row: int) -> Path | None:
        """Return the file of a row, None where it is part of a larger one."""
        check_range(row, row + 1, self.n_rows)
        return self.store.path(row)

    def file_name(self, row: int, name: str | None) -> str:
        """Return a row called `name` the name of a file; without an extension, the usual one."""
        width = len(str(max(self.n_rows - 1, 0)))
        inner = PurePosixPath(name or "").name or f"row-{row:0{width}d}"
        file, sign, page = inner.rpartition(PAGE)
        if sign:
            inner = f"{PurePosixPath(file).stem}-page-{page}{PurePosixPath(file).suffix}"
        return inner if is_image_name(inner) else inner + self.extension

    def encoded(self, row: int) -> bytes:
        """Return the bytes of one image as they lie.

        Raises
        ------
        SourceError
            When they cannot be read.
        """
        return self._blob(row)

    def read(self, start: int, stop: int) -> Batch:
        """Decode rows ``start..stop``; an image that cannot be read is black, with a reason."""
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, *self.shape), np.uint8)
        bad: dict[int, str] = {}
        wanted = self.wanted or Wanted(self.shape[:2], channels=self.shape[2])
        blobs = iter(self.store.blobs(start, stop))
        for at in range(stop - start):
            try:  # without a name for its bytes, which would keep them while the next are read
                data[at] = decode(checked(next(blobs)), wanted, self.reading)
            except SourceError as error:
                bad[at] = str(error)
        return Batch(data, bad)

    def read_original(self, row: int, max_side: int | None = None) -> NDArray[np.uint8]:
        """Return one image ``(H, W, C)`` in its own size, or scaled down to `max_side`.

        Raises
        ------
        SourceError
            When it cannot be read.
        """
        check_range(row, row + 1, self.n_rows)
        try:
            blobs = iter(self.store.blobs(row, row + 1))  # holds the room for the bytes meanwhile
            return decode(checked(next(blobs)), Wanted(max_side=max_side), self.reading)
        except SourceError as error:
            name = self.names(row, row + 1)
            raise SourceError(f"{name[0] if name else f'row {row}'}: {error}") from None

    def _blob(self, row: int) -> bytes:
        """Return the bytes of one image."""
        check_range(row, row + 1, self.n_rows)
        return checked(next(iter(self.store.blobs(row, row + 1))))


def checked(blob: bytes | SourceError) -> bytes:
    """Return bytes, or raise what is there in their place."""
    if isinstance(blob, SourceError):
        raise blob
    return blob


def spread(n_rows: int, count: int) -> NDArray[np.int64]:
    """Return up to `count` rows from all over `n_rows`, in order, each once.

    >>> spread(9, 3).tolist(), spread(2, 5).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, max(n_rows - 1, 0), min(n_rows, count)).astype(np.int64)
