"""Encoded images (JPEG, PNG, ...) in files, archives and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.core.plural import plural
from shoal.errors import SourceError
from shoal.rows.arrays.pixels import colour_word, show
from shoal.rows.base import Batch, Kind, Labels, LabelValues, Rows, Source, spread
from shoal.rows.images.decode import decode
from shoal.rows.images.formats import is_image_name
from shoal.rows.images.raster import USUAL, Reading
from shoal.rows.store import check_range
from shoal.rows.taken import Taken

PAGE = "#page="
"""Separates a file's name from the number of a picture in it, in the names of rows."""


class EncodedStore(Protocol):
    """A store of image files as bytes. Picklable and small; opens files when read.

    Its defaults: rows are not files, and have no labels.
    """

    @property
    def n_rows(self) -> int:
        """Number of images, including unreadable ones."""

    @property
    def is_remote(self) -> bool:
        """True if reads go over a network."""

    @property
    def by_range(self) -> bool:
        """True if reading a range costs only its own bytes: not where blocks are decompressed."""
        return False

    @property
    def pages_are(self) -> str | None:
        """How the pages of TIFF files are read, if any file has several."""
        return None

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        """Yield the bytes of each of the rows ``start..stop``, or why they are not available."""

    def names(self, start: int, stop: int) -> list[str] | None:
        """Return names of rows, with ``/`` between folders; None if rows have only numbers."""

    @property
    def label_origin(self) -> str | None:
        return None

    def labels(self) -> list[str | None] | None:
        """Read the labels stored with the images, None where one is missing; None without any."""
        return None

    def path(self, row: int) -> Path | None:
        return None

    def some(self, count: int) -> NDArray[np.int64]:
        """Return up to `count` rows from all over that can be read without all others, in order."""
        return spread(self.n_rows, count)

    def facts(self) -> dict[str, Any]:
        """JSON-able facts that change when the data change."""

    def first_facts(self, rows: NDArray[np.int64]) -> dict[str, Any] | None:
        """Return the facts of some rows alone; see `Rows.first_facts`."""
        return None

    def stamps(self, rows: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        """Return numbers (rows,) that change with the sizes or times of the rows' files, if any."""
        return None

    def links(self, rows: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        """Return hashes of the real paths behind symbolic links, 0 for others; None without any."""
        return None

    def without_redirected(self, rows: NDArray[np.int64]) -> Self:
        """Return the store without reading some rows, whose symbolic links have changed."""
        return self


@dataclass(frozen=True, eq=False)
class EncodedSource(Rows):
    store: EncodedStore
    shape: tuple[int, int, int]  # ``(H, W, C)`` as read
    mixed_sizes: bool  # true when images are scaled to `shape`
    sizes: str  # their sizes in messages: ``28×28``, ``mixed sizes``
    label: str  # in messages: the name of the folder, archive or list
    typical_size: tuple[int, int]  # median height and width of the sampled images
    extension: str = ""  # of most sampled images, by their content: ``.jpg``
    request: ImageRequest | None = None  # how they are scaled; None for a crop to `shape`
    beside: Labels | None = None  # labels in a file of their own
    # how many files beside them are left out, by their extensions
    left_out: Mapping[str, int] = field(default_factory=dict)
    reading: Reading = USUAL  # how all of them are decoded
    remarks: tuple[str, ...] = ()  # sentences about how they are read
    taken: Taken | None = None  # which rows of the store these are; None for all

    @property
    def kind(self) -> Kind:
        return "images"

    @property
    def n_rows(self) -> int:
        return self.store.n_rows if self.taken is None else len(self.taken.rows)

    @property
    def waits(self) -> bool:
        return self.store.is_remote

    def take(self, taken: Taken, label: str = "") -> Source:
        return replace(self, taken=taken.within(self.taken), label=self.label + label)

    def some(self, count: int) -> NDArray[np.int64]:
        return self.store.some(count) if self.taken is None else spread(self.n_rows, count)

    def as_files(self) -> EncodedSource:
        return self

    def first_facts(self, n: int) -> dict[str, Any] | None:
        return self.store.first_facts(self._at(0, n))

    def stamps(self, start: int, stop: int) -> NDArray[np.uint64] | None:
        return self.store.stamps(self._at(start, stop))

    def links(self, start: int, stop: int) -> NDArray[np.uint64] | None:
        return self.store.links(self._at(start, stop))

    def without_redirected(self, rows: NDArray[np.int64]) -> EncodedSource:
        at = rows if self.taken is None else self.taken.rows[rows]
        return replace(self, store=self.store.without_redirected(at))

    def _at(self, start: int, stop: int) -> NDArray[np.int64]:
        return np.arange(start, stop) if self.taken is None else self.taken.rows[start:stop]

    @property
    def description(self) -> str:
        colour = colour_word(self.shape[2])
        return f"{plural(self.n_rows, f'{colour} image')} of {self.sizes} ({self.label})"

    def fingerprint(self) -> dict[str, Any]:
        chosen = replace(self.reading, channels=None).as_dict()  # the channels are in the shape
        return {
            "kind": "images",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            **self.store.facts(),
            **(self.taken.facts() if self.taken else {}),
            **({"wanted": self.request.as_dict()} if self.request else {}),
            **({"reading": chosen} if chosen else {}),
        }

    def read_as(self, reading: Reading) -> EncodedSource:
        channels = reading.channels or self.shape[2]
        plain = channels in (1, 3) and self.shape[2] in (1, 3)
        shape = (*self.shape[:2], self.shape[2] if plain else channels)
        return replace(self, reading=reading, shape=shape)

    def with_request(self, request: ImageRequest) -> EncodedSource:
        size, channels = request.size or self.shape[:2], request.channels or self.shape[2]
        full = replace(request, size=size, channels=channels)
        scaled = self.sizes != show(size)
        return replace(self, shape=(*size, channels), mixed_sizes=scaled, request=full)

    def names(self, start: int, stop: int) -> list[str] | None:
        check_range(start, stop, self.n_rows)
        if self.taken is not None:
            return self.taken.names(self.store, start, stop)
        return self.store.names(start, stop)

    @property
    def label_origin(self) -> str | None:
        return self.beside.origin if self.beside else self.store.label_origin

    def labels(self, key: str | None = None) -> LabelValues | None:
        if self.beside:
            return self.beside.read(self, key)
        labels = self.store.labels()
        if labels is None or self.taken is None:
            return labels
        return [labels[row] for row in self.taken.rows.tolist()]

    def path(self, row: int) -> Path | None:
        check_range(row, row + 1, self.n_rows)
        return self.store.path(int(self._at(row, row + 1)[0]))

    def file_name(self, row: int, name: str | None) -> str:
        """Return a file name, with an extension, for a row called `name`."""
        width = len(str(max(self.n_rows - 1, 0)))
        inner = PurePosixPath(name or "").name or f"row-{row:0{width}d}"
        file, sign, page = inner.rpartition(PAGE)
        if sign:
            inner = f"{PurePosixPath(file).stem}-page-{page}{PurePosixPath(file).suffix}"
        return inner if is_image_name(inner) else inner + self.extension

    def encoded(self, row: int) -> bytes:
        check_range(row, row + 1, self.n_rows)
        return checked(next(iter(self.blobs(row, row + 1))))

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        if self.taken is None:
            yield from self.store.blobs(start, stop)
            return
        gap = 0 if self.store.by_range else self.taken.of
        for a, b in self.taken.spans(start, stop, gap, self.taken.of):
            rows = self.taken.rows[a:b]
            included = np.zeros(rows[-1] + 1 - rows[0], bool)
            included[rows - rows[0]] = True
            blobs = iter(self.store.blobs(int(rows[0]), int(rows[-1]) + 1))
            for is_included in included.tolist():  # zip would keep two files in memory
                blob = next(blobs)
                if is_included:
                    yield blob
                del blob

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, *self.shape), np.uint8)
        bad: dict[int, str] = {}
        request = self.request or ImageRequest(self.shape[:2], channels=self.shape[2])
        blobs = iter(self.blobs(start, stop))
        for at in range(stop - start):
            try:  # a variable for the bytes would keep them while the next ones are read
                data[at] = decode(checked(next(blobs)), request, self.reading)
            except SourceError as error:
                bad[at] = str(error)
        return Batch(data, bad)

    def read_original(self, row: int, max_side: int | None = None) -> NDArray[np.uint8]:
        check_range(row, row + 1, self.n_rows)
        try:
            blobs = iter(self.blobs(row, row + 1))  # keeps the memory for the bytes reserved
            return decode(checked(next(blobs)), ImageRequest(max_side=max_side), self.reading)
        except SourceError as error:
            name = self.names(row, row + 1)
            raise SourceError(f"{name[0] if name else f'row {row}'}: {error}") from None


def checked(blob: bytes | SourceError) -> bytes:
    if isinstance(blob, SourceError):
        raise blob
    return blob
