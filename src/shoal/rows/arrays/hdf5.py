"""HDF5: arrays read in place, and datasets of encoded images; needs h5py."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, UnlikeError, because
from shoal.rows.arrays.array_choice import Stored, can_be_rows, choose_array, lengths_of
from shoal.rows.arrays.hdf5_files import (
    CACHE_BYTES,
    ERRORS,
    MOST_OPEN,
    Handles,
    cell_bytes,
    open_hdf5,
    raise_trouble,
)
from shoal.rows.arrays.views import check_alike
from shoal.rows.base import Batch, Kind
from shoal.rows.handles import readable
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.formats import extension_of
from shoal.rows.label_names import find_labels
from shoal.rows.memory_budget import FILES, MemoryNeed, ReadCache, refuse
from shoal.rows.store import FileStore, Part, Parted, part_of

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
class Hdf5Rows(Parted):
    parts: tuple[Part, ...]  # the files in order
    key: str
    dtype: np.dtype[Any]  # of a row as stored
    row_shape: tuple[int, ...]
    chunk: int = 0  # bytes that reading a chunk takes in addition to its rows
    handles: Handles = field(default_factory=Handles, compare=False, repr=False)

    @property
    def memory_need(self) -> MemoryNeed:
        most = min(len(self.parts), MOST_OPEN) * CACHE_BYTES
        return MemoryNeed(self.chunk + CACHE_BYTES, self.chunk + most)

    def small_run(self, start: int, stop: int) -> tuple[int, int]:
        """Return the end of a run of small cells, or of one large cell, and the memory for it."""
        part, low, high, _ = next(self.spans(start, min(stop, start + _TRIED)))
        try:
            sizes = self.handles.cell_bytes(part, self.key, low, high)
        except ERRORS:
            return start + 1, 0  # reading it reports what is wrong
        total = np.cumsum(sizes)
        count = max(1, int(np.searchsorted(total, _FEW_BYTES, side="right")))
        return start + count, int(total[count - 1])

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, int, Any]]:
        """Yield a range of rows in pieces: position, count, and the rows or why they failed."""
        for part, low, high, at in self.spans(start, stop):
            for first, end, found in self._read(part, low, high):
                yield at + first - low, end - first, found

    def _read(self, part: Part, low: int, high: int) -> Iterator[tuple[int, int, Any]]:
        """Read rows of one file; if that fails, halve the range, so that no good row is lost."""
        try:
            found = self.handles.read(part, self.key, low, high, self.chunk)
        except ERRORS as error:
            if high - low > 1:
                middle = (low + high) // 2
                yield from self._read(part, low, middle)
                yield from self._read(part, middle, high)
                return
            found = f"{part.path.name} cannot be read: {because(error)}"
        yield low, high, found

    def read(self, start: int, stop: int) -> Batch:
        data = np.zeros((stop - start, *self.row_shape), self.dtype)
        bad: dict[int, str] = {}
        for at, count, found in self.pieces(start, stop):
            if isinstance(found, str):
                bad |= dict.fromkeys(range(at, at + count), found)
            else:
                data[at : at + count] = found
        return Batch(data, bad)

    def facts(self) -> dict[str, Any]:
        return {"dataset": self.key, **super().facts()}


@dataclass(frozen=True, eq=False)
class Hdf5Images(EncodedStore):
    rows: Hdf5Rows

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def is_remote(self) -> bool:
        return self.rows.parts[0].is_remote

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        while start < stop:
            end, size = self.rows.small_run(start, stop)
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
        """Return None: rows have no names."""

    def facts(self) -> dict[str, Any]:
        return self.rows.facts()


def _bytes(cells: Any, at: int) -> bytes:
    """Return the bytes of a cell: an array, a byte string, or a block of fixed length."""
    if cells.dtype.kind == "V":  # avoids another copy
        return bytes(cells[at : at + 1].tobytes())
    return cells[at] if isinstance(cells[at], bytes) else bytes(np.asarray(cells[at]).tobytes())


def open_datasets(
    paths: Sequence[Path], label: str, key: str | None, as_: Kind | None
) -> tuple[FileStore | Hdf5Rows | Hdf5Images, str, str | None]:
    """Open a dataset that all files have; return the store, its key and that of its labels.

    The key of the labels is None if the files have no such dataset in common. Contiguous
    datasets are read in place, others through h5py.
    """
    listed = [{one.key: one for one in list_datasets(path)} for path in paths]
    wanted = None if key is None else key.strip("/")
    every = list(listed[0].values())
    fits = partial(_fits, as_=as_)
    chosen = choose_array(every, label, wanted, fits, one="dataset", many="datasets")
    for path, datasets in zip(paths, listed, strict=True):
        if chosen.key not in datasets:
            raise UnlikeError(f"{path.name} has no dataset {chosen.key}, unlike {paths[0].name}")
    found = [datasets[chosen.key] for datasets in listed]
    check_alike([(one.dtype, one.shape[1:]) for one in found], [path.name for path in paths])
    parts = tuple(
        part_of(path, one.shape[0] if one.shape else 0, one.offset or 0)
        for path, one in zip(paths, found, strict=True)
    )
    labels = {
        find_labels(chosen.key, part.n_rows, lengths_of(list(datasets.values())))
        for part, datasets in zip(parts, listed, strict=True)
    }
    label_key = labels.pop() if len(labels) == 1 else None
    if not chosen.encoded and all(one.offset is not None for one in found):
        return FileStore(parts, chosen.dtype, chosen.shape[1:]), chosen.key, label_key
    chunk = max(one.chunk for one in found)
    rows = Hdf5Rows(parts, chosen.key, chosen.dtype, chosen.shape[1:], chunk)
    refuse(
        rows.memory_need.least, ReadCache.most, f"reading a chunk of {label}, dataset {chosen.key},"
    )
    return Hdf5Images(rows) if chosen.encoded else rows, chosen.key, label_key


def list_datasets(path: Path) -> list[Dataset]:
    found: list[Dataset] = []

    def visit(key: str, thing: Any) -> None:
        if hasattr(thing, "dtype") and thing.shape is not None:
            found.append(_describe(key, thing, stream))

    with readable(path, " as HDF5", ERRORS):
        file, below = open_hdf5(path)
        with file, below or path.open("rb") as stream:
            file.visititems(visit)
            raise_trouble(below)
    return found


def _describe(key: str, dataset: Any, stream: Any) -> Dataset:
    dtype, cells = dataset.dtype, dataset.shape if len(dataset.shape) == 1 else None
    plain = dataset.chunks is None and not dataset.external and not dataset.is_virtual
    offset = dataset.id.get_offset() if plain and dtype.kind in "buif" else None
    encoded = False
    if cells and dtype.kind in "OSV" and dtype.names is None:
        sizes = cell_bytes(dataset, 0, min(_TRIED, cells[0]), stream).tolist()
        for at, size in enumerate(sizes):
            with FILES.take(size, _READING):
                some = dataset[at : at + 1]
                is_text = isinstance(some[0], str)
                encoded |= not is_text and bool(extension_of(_bytes(some, 0)))
    return Dataset(key, dataset.shape, dtype, offset, encoded, chunk_bytes(dataset))


def chunk_bytes(dataset: Any) -> int:
    """Return the bytes that reading a chunk takes, if it is compressed and read as a whole."""
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
