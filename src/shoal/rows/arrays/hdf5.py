"""HDF5: arrays read in place, and encoded images in a dataset; needs h5py."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, UnlikeError, because
from shoal.rows.arrays.array_choice import Stored, can_be_rows, choose_array, lengths_of
from shoal.rows.arrays.files import part_of
from shoal.rows.arrays.hdf5_cells import cell_bytes
from shoal.rows.arrays.hdf5_handles import (
    CACHE_BYTES,
    ERRORS,
    MOST_OPEN,
    Handles,
    open_hdf5,
    raise_trouble,
)
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Batch, Kind
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.formats import extension_of
from shoal.rows.label_names import find_labels
from shoal.rows.memory_budget import FILES, Holds, Kept, refuse
from shoal.rows.store import FileStore, Part, check_range, file_facts
from shoal.storage import UrlPath

MAGIC = b"\x89HDF\r\n\x1a\n"
_TRIED = 8
_FEW_BYTES = 4 << 20  # of cells that are read together
_READING = "reading the cell"


@dataclass(frozen=True)
class Dataset(Stored):
    offset: int | None
    encoded: bool
    chunk: int = 0

    @property
    def what(self) -> str:
        return "encoded images" if self.encoded else str(self.dtype)


@dataclass(frozen=True)
class Hdf5Rows:
    parts: tuple[Part, ...]  # the files in order
    key: str
    dtype: np.dtype[Any]  # of a row as stored
    row_shape: tuple[int, ...]
    chunk: int = 0  # bytes that reading a chunk takes beside its rows
    handles: Handles = field(default_factory=Handles, compare=False, repr=False)

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(part.n_rows for part in self.parts)], dtype=np.int64)

    @property
    def n_rows(self) -> int:
        return int(self.starts[-1])

    @property
    def holds(self) -> Holds:
        most = min(len(self.parts), MOST_OPEN) * CACHE_BYTES
        return Holds(self.chunk + CACHE_BYTES, self.chunk + most)

    def few(self, start: int, stop: int) -> tuple[int, int]:
        """Return the end of some cells of few bytes, or of one, and what reading them takes."""
        number = int(np.searchsorted(self.starts, start, side="right")) - 1
        first, end = int(self.starts[number]), min(stop, int(self.starts[number + 1]))
        part, end = self.parts[number], min(end, start + _TRIED)
        try:
            sizes = self.handles.cell_bytes(part, self.key, start - first, end - first)
        except ERRORS:
            return start + 1, 0  # reading it says what is wrong
        total = np.cumsum(sizes)
        count = max(1, int(np.searchsorted(total, _FEW_BYTES, side="right")))
        return start + count, int(total[count - 1])

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, Any]]:
        row = start
        while row < stop:
            number = int(np.searchsorted(self.starts, row, side="right")) - 1
            end = min(stop, int(self.starts[number + 1]))
            for low, high, found in self._read(number, row, end):
                yield low - start, high - low, found
            row = end

    def _read(self, number: int, row: int, end: int) -> Iterator[tuple[int, int, Any]]:
        """Read rows of one file; where that fails, in halves, to lose no row that is good."""
        part, first = self.parts[number], int(self.starts[number])
        try:
            found = self.handles.read(part, self.key, row - first, end - first, self.chunk)
        except ERRORS as error:
            if end - row > 1:
                middle = (row + end) // 2
                yield from self._read(number, row, middle)
                yield from self._read(number, middle, end)
                return
            found = f"{part.path.name} cannot be read: {because(error)}"
        yield row, end, found

    def read(self, start: int, stop: int) -> Batch:
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, *self.row_shape), self.dtype)
        bad: dict[int, str] = {}
        for at, count, found in self.pieces(start, stop):
            if isinstance(found, str):
                bad |= dict.fromkeys(range(at, at + count), found)
            else:
                data[at : at + count] = found
        return Batch(data, bad)

    def names(self, start: int, stop: int) -> None:
        """Rows have no names."""

    def facts(self) -> dict[str, Any]:
        files = [(part.path.name, part.size, part.mtime_ns) for part in self.parts]
        return {"dataset": self.key, **file_facts(files)}


@dataclass(frozen=True, eq=False)
class Hdf5Images(EncodedStore):
    rows: Hdf5Rows

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def is_far(self) -> bool:
        return isinstance(self.rows.parts[0].path, UrlPath)

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        while start < stop:
            end, size = self.rows.few(start, stop)
            try:
                with FILES.take(size, _READING):
                    yield from self._cells(start, end)
            except SourceError as error:
                yield from [error] * (end - start)
            start = end

    def _cells(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        for _, count, found in self.rows.pieces(start, stop):
            if isinstance(found, str):
                yield from [SourceError(found)] * count
            else:
                yield from (_bytes(found, at) for at in range(count))

    def names(self, start: int, stop: int) -> None:
        """Rows have no names."""

    def facts(self) -> dict[str, Any]:
        return self.rows.facts()


def _bytes(cells: Any, at: int) -> bytes:
    """Return the bytes of a cell: an array, a text of bytes, or a block of fixed length."""
    if cells.dtype.kind == "V":  # whose cells would be copied once more
        return bytes(cells[at : at + 1].tobytes())
    return cells[at] if isinstance(cells[at], bytes) else bytes(np.asarray(cells[at]).tobytes())


def open_datasets(
    paths: Sequence[Path], label: str, key: str | None, as_: Kind | None
) -> tuple[FileStore | Hdf5Rows | Hdf5Images, str, str | None]:
    """Take one dataset of files that have it alike, in order; also give its key.

    And that of the dataset that labels it in all of them, if there is one.

    Contiguous ones are read in place, others through h5py.
    """
    listed = [list_datasets(path) for path in paths]
    wanted = None if key is None else key.strip("/")
    chosen = choose_array(
        listed[0], label, wanted, lambda one: _fits(one, as_), one="dataset", many="datasets"
    )
    parts, in_place = [], True
    for path, datasets in zip(paths, listed, strict=True):
        found = next((one for one in datasets if one.key == chosen.key), None)
        if found is None:
            raise UnlikeError(f"{path.name} has no dataset {chosen.key}, but {paths[0].name} has")
        if (found.dtype, found.shape[1:]) != (chosen.dtype, chosen.shape[1:]):
            raise UnlikeError(
                f"{path.name} has rows of {show(found.shape[1:])} {found.dtype}, but "
                f"{paths[0].name} of {show(chosen.shape[1:])} {chosen.dtype}: files must be alike"
            )
        in_place = in_place and found.offset is not None and not chosen.encoded
        parts.append(part_of(path, found.shape[0] if found.shape else 0, found.offset or 0))
    chunk = max(
        (one.chunk for datasets in listed for one in datasets if one.key == chosen.key), default=0
    )
    found_labels = {
        find_labels(chosen.key, part.n_rows, lengths_of(datasets))
        for part, datasets in zip(parts, listed, strict=True)
    }
    labels = found_labels.pop() if len(found_labels) == 1 else None
    if in_place:
        return FileStore(tuple(parts), chosen.dtype, chosen.shape[1:]), chosen.key, labels
    rows = Hdf5Rows(tuple(parts), chosen.key, chosen.dtype, chosen.shape[1:], chunk)
    refuse(rows.holds.least, Kept.most, f"reading a chunk of {label}, dataset {chosen.key},")
    return Hdf5Images(rows) if chosen.encoded else rows, chosen.key, labels


def list_datasets(path: Path) -> list[Dataset]:
    found: list[Dataset] = []

    def visit(key: str, thing: Any) -> None:
        if hasattr(thing, "dtype") and thing.shape is not None:
            found.append(_describe(key, thing, stream))

    try:
        file, below = open_hdf5(path)
        with file, below or path.open("rb") as stream:
            file.visititems(visit)
            raise_trouble(below)
    except ERRORS as error:
        raise SourceError(f"{path} cannot be read as HDF5: {because(error)}") from None
    return found


def _describe(key: str, dataset: Any, stream: Any) -> Dataset:
    dtype, cells = dataset.dtype, dataset.shape if len(dataset.shape) == 1 else None
    plain = dataset.chunks is None and not dataset.external and not dataset.is_virtual
    offset = dataset.id.get_offset() if plain and dtype.kind in "buif" else None
    encoded = False
    if cells and dtype.kind in "OSV" and dtype.names is None:
        sizes = cell_bytes(dataset, 0, min(_TRIED, cells[0]), stream).tolist()
        encoded = any(_is_image(dataset, at, size) for at, size in enumerate(sizes))
    return Dataset(key, dataset.shape, dtype, offset, encoded, chunk_bytes(dataset))


def _is_image(dataset: Any, at: int, size: int) -> bool:
    with FILES.take(size, _READING):
        some = dataset[at : at + 1]
        return not isinstance(some[0], str) and bool(extension_of(_bytes(some, 0)))


def chunk_bytes(dataset: Any) -> int:
    """Return the bytes that reading a chunk takes: where it is packed, it is unpacked whole.

    Each filter puts what it makes beside what it is made of.
    """
    count = dataset.id.get_create_plist().get_nfilters() if dataset.chunks else 0
    if not count:
        return 0
    plain = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
    return int(plain + (plain if count > 1 else min(plain, dataset.id.get_storage_size())))


def _fits(dataset: Dataset, as_: Kind | None) -> bool:
    return as_ in (None, "images") if dataset.encoded else can_be_rows(dataset, as_)


def load_dataset(path: Path, key: str) -> NDArray:
    file, _ = open_hdf5(path)
    with file:
        return np.asarray(file[key][()])
