"""Open HDF5 files, and the sizes of their cells; needs h5py, which reads with one thread.

A cell of variable length is stored as its length, the address of a heap, and a number in it
(https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html, "Variable-Length Types").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import clear_frames
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import MissingExtraError
from shoal.rows.memory_budget import ReadCache
from shoal.rows.store import Part
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
        """Read rows of a dataset, if the file is unchanged."""
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
    """Return the memory for reading each of the cells ``low..high``."""
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
