"""HDF5: arrays read in place, and datasets of encoded images; needs h5py, which has one thread.

A cell of variable length is stored as its length, the address of a heap, and a number in it
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, "Variable-Length Types").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from traceback import clear_frames
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import MissingExtraError, SourceError, UnlikeError, because
from shoal.rows.arrays.array_choice import (
    Stored,
    can_be_rows,
    choose_array,
    find_labels,
    lengths_of,
)
from shoal.rows.arrays.views import check_alike
from shoal.rows.base import Kind
from shoal.rows.handles import readable
from shoal.rows.images.encoded import EncodedStore
from shoal.rows.images.formats import extension_of
from shoal.rows.memory_budget import FILES, MemoryNeed, ReadCache, refuse
from shoal.rows.store import FileStore, Part, Parted, part_of
from shoal.storage import is_remote

CACHE_BYTES = 32 << 20
"""Chunk cache of the library for each file."""

MOST_OPEN = 8
ERRORS = (OSError, KeyError, ValueError, RuntimeError, MemoryError)
VARIABLE_COPIES = 6
"""Memory for reading a cell of variable length, in times its size: the library keeps its heap, and
copies it and the cell. Measured with HDF5 2.0: 5.6 times for one of 400 MB."""

FIXED_COPIES = 2
_LENGTH, _NUMBER = 4, 4

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Handle:
    file: Any
    below: Any

    def close(self) -> None:
        self.file.close()


class Handles:
    """The most recently read files, open, shared by threads; empty after pickling."""

    def __init__(self) -> None:
        self._kept = ReadCache()

    def __reduce__(self) -> tuple[type[Handles], tuple[()]]:
        return Handles, ()

    def read(self, part: Part, key: str, low: int, high: int, chunk: int = 0) -> Any:
        return self.use(part, chunk, lambda handle: handle.file[key][low:high])

    def cell_bytes(self, part: Part, key: str, low: int, high: int) -> NDArray[np.int64]:
        def count(handle: _Handle) -> NDArray[np.int64]:
            if handle.below is not None:
                return cell_bytes(handle.file[key], low, high, handle.below)
            with part.path.open("rb") as stream:
                return cell_bytes(handle.file[key], low, high, stream)

        return self.use(part, 0, count)

    def use(self, part: Part, chunk: int, do: Callable[[_Handle], Value]) -> Value:
        """Call `do` with an open file, one thread at a time."""
        with self._kept.lock:
            handle = self._kept.take(part.path)
            if handle is None or not part.is_remote:  # each look at a remote file is a request
                part.check_unchanged()
            what = f"reading a chunk of {part.path.name}"
            self._kept.make_room(CACHE_BYTES + chunk, what, MOST_OPEN)
            handle = handle or _Handle(*open_hdf5(part.path))
            try:
                found = do(handle)
            except Exception as error:
                if handle.below is not None:
                    _clear_frames(error)
                    handle.close()
                    raise_trouble(handle.below)
                self._kept.keep(part.path, handle, CACHE_BYTES)
                raise
            self._kept.keep(part.path, handle, CACHE_BYTES)
            return found


def open_hdf5(path: Path) -> tuple[Any, Any]:
    """Open a file for reading; also return the Python file under it if it is remote."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(
            f"{path.name} is an HDF5 file, and reading those needs h5py: pip install 'shoal[hdf5]'"
        ) from None
    if is_remote(path):
        below = path.open("rb")
        try:
            return h5py.File(below, "r", rdcc_nbytes=CACHE_BYTES), below
        except Exception as error:
            _clear_frames(error)
            raise_trouble(below)
            raise
    return h5py.File(path, "r", locking=False, rdcc_nbytes=CACHE_BYTES), None


def raise_trouble(below: Any) -> None:
    """Raise the error of a remote file, which h5py replaces by an error of its own."""
    if below is not None and below.raw.trouble is not None:
        raise below.raw.trouble


def _clear_frames(error: Exception) -> None:
    clear_frames(error.__traceback__)


def cell_bytes(dataset: Any, low: int, high: int, stream: Any) -> NDArray[np.int64]:
    each = _variable_bytes(dataset)
    if each is None:
        return np.full(high - low, FIXED_COPIES * dataset.dtype.itemsize, np.int64)
    return VARIABLE_COPIES * each * _lengths(dataset, low, high, stream)


def _variable_bytes(dataset: Any) -> int | None:
    """Return the bytes of an entry in cells of variable length; None for other cells."""
    import h5py

    text = h5py.check_string_dtype(dataset.dtype)  # before the other, which takes texts too
    if text is not None:
        return 1 if text.length is None else None
    base = h5py.check_vlen_dtype(dataset.dtype)
    return None if base is None else int(np.dtype(base).itemsize)


def _lengths(dataset: Any, low: int, high: int, stream: Any) -> NDArray[np.int64]:
    size = _LENGTH + dataset.file.id.get_create_plist().get_sizes()[0] + _NUMBER
    found = np.zeros(high - low, np.int64)
    if dataset.chunks is None:
        offset = dataset.id.get_offset()
        if offset is not None:
            stream.seek(offset + low * size)
            raw = stream.read((high - low) * size)
            lengths = _first_numbers(np.frombuffer(raw, np.uint8), size)
            found[: len(lengths)] = lengths
        return found
    (count,) = dataset.chunks
    for first in range(low // count * count, high, count):
        if dataset.id.get_chunk_info_by_coord((first,)).byte_offset is not None:
            lengths = _first_numbers(_unfiltered(dataset, first, count, size), size)
            start, stop = max(low, first), min(high, first + count)
            found[start - low : stop - low] = lengths[start - first : stop - first]
    return found


def _first_numbers(raw: NDArray[np.uint8], size: int) -> NDArray[np.int64]:
    whole = raw[: len(raw) // size * size].reshape(-1, size)[:, :_LENGTH]
    return np.ascontiguousarray(whole).view("<u4").ravel().astype(np.int64)


def _unfiltered(dataset: Any, first: int, count: int, size: int) -> NDArray[np.uint8]:
    """Return a chunk with its filters undone, by means of a file in memory."""
    import h5py

    mask, raw = dataset.id.read_direct_chunk((first,))
    filters = dataset.id.get_create_plist()
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((count,))
    for number in range(filters.get_nfilters()):
        if not mask >> number & 1:  # filters skipped for this chunk
            made.set_filter(*filters.get_filter(number)[:3])
    kind = h5py.h5t.create(h5py.h5t.OPAQUE, size)
    kind.set_tag(b"")
    found = np.zeros(count, f"V{size}")
    with h5py.File("cells", "w", driver="core", backing_store=False) as file:
        space = h5py.h5s.create_simple((count,))
        copy = h5py.h5d.create(file.id, b"cells", kind, space, made)
        copy.write_direct_chunk((0,), raw)
        copy.read(h5py.h5s.ALL, h5py.h5s.ALL, found)
    return found.view(np.uint8)


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

    def pieces(self, start: int, stop: int) -> Iterator[tuple[int, Any]]:
        for part, low, high, _ in self.spans(start, stop):
            for first, end, found in self._read(part, low, high):
                yield end - first, found

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

    def fill(self, part: Part, low: int, out: NDArray) -> dict[int, str]:
        bad = dict[int, str]()
        for first, end, found in self._read(part, low, low + len(out)):
            if isinstance(found, str):
                bad[first - low] = found
            else:
                out[first - low : end - low] = found
        return bad

    def facts(self) -> dict[str, Any]:
        return {"dataset": self.key, **super().facts()}


class Hdf5Images(Hdf5Rows, EncodedStore):
    @property
    def is_remote(self) -> bool:
        return self.parts[0].is_remote

    def blobs(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        while start < stop:
            end, size = self.small_run(start, stop)
            try:
                with FILES.take(size, _READING):
                    yield from self._cells(start, end)
            except SourceError as error:
                yield from [error] * (end - start)
            start = end

    def _cells(self, start: int, stop: int) -> Iterator[bytes | SourceError]:
        for count, found in self.pieces(start, stop):
            if isinstance(found, str):
                yield from [SourceError(found)] * count
            else:
                yield from (_bytes(found, at) for at in range(count))


def _bytes(cells: Any, at: int) -> bytes:
    """Return the bytes of a cell: an array, a byte string, or a block of fixed length."""
    if cells.dtype.kind == "V":  # avoids another copy
        return bytes(cells[at : at + 1].tobytes())
    return cells[at] if isinstance(cells[at], bytes) else bytes(np.asarray(cells[at]).tobytes())


def open_datasets(
    paths: Sequence[Path], label: str, key: str | None, as_: Kind | None
) -> tuple[FileStore | Hdf5Rows, str, str | None]:
    """Open a dataset that all files have; return the store, its key and that of its labels.

    The key of the labels is None if the files have no such dataset in common. Contiguous
    datasets are read in place, others through h5py.
    """
    listed = [{one.key: one for one in list_datasets(path)} for path in paths]
    wanted = None if key is None else key.strip("/")
    every = list(listed[0].values())
    fits = partial(_fits, as_=as_)
    chosen = choose_array(every, label, wanted, fits, "hdf5")
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
    kind = Hdf5Images if chosen.encoded else Hdf5Rows
    rows = kind(parts, chosen.key, chosen.dtype, chosen.shape[1:], chunk)
    refuse(
        rows.memory_need.least, ReadCache.most, f"reading a chunk of {label}, dataset {chosen.key},"
    )
    return rows, chosen.key, label_key


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
