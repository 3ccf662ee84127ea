"""Open HDF5 files, which h5py reads one thread at a time; needs h5py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from traceback import clear_frames
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import MissingExtraError
from shoal.rows.arrays.hdf5_cells import cell_bytes
from shoal.rows.memory_budget import Kept
from shoal.rows.store import Part
from shoal.storage import UrlPath

CACHE_BYTES = 32 << 20
"""Bytes of chunks that the library keeps of each file."""

MOST_OPEN = 8
ERRORS = (OSError, KeyError, ValueError, RuntimeError, MemoryError)

Value = TypeVar("Value")


@dataclass(frozen=True)
class _Handle:
    file: Any
    below: Any

    def close(self) -> None:
        self.file.close()


class Handles:
    """The files that were read last, open, shared by threads; pickles empty."""

    def __init__(self) -> None:
        self._kept = Kept()

    def __reduce__(self) -> tuple[type[Handles], tuple[()]]:
        return Handles, ()

    def read(self, part: Part, key: str, low: int, high: int, chunk: int = 0) -> Any:
        """Read rows of a dataset, of a file that is still the one that was looked at.

        `chunk` are the bytes that reading one takes beside the rows.
        """
        return self.use(part, chunk, lambda handle: handle.file[key][low:high])

    def cell_bytes(self, part: Part, key: str, low: int, high: int) -> NDArray[np.int64]:
        def count(handle: _Handle) -> NDArray[np.int64]:
            if handle.below is not None:
                return cell_bytes(handle.file[key], low, high, handle.below)
            with part.path.open("rb") as stream:
                return cell_bytes(handle.file[key], low, high, stream)

        return self.use(part, 0, count)

    def use(self, part: Part, chunk: int, do: Callable[[_Handle], Value]) -> Value:
        """Open a file, if need be, and do something with it, one thread at a time."""
        with self._kept.lock:
            handle = self._kept.take(part.path)
            if handle is None or not isinstance(part.path, UrlPath):  # a network is asked once
                stat = part.path.stat()
                if (stat.st_size, stat.st_mtime_ns) != (part.size, part.mtime_ns):
                    raise OSError("the file changed after it was opened")
            what = f"reading a chunk of {part.path.name}"
            self._kept.make_room(CACHE_BYTES + chunk, what, MOST_OPEN)
            handle = handle or _Handle(*open_hdf5(part.path))
            try:
                found = do(handle)
            except Exception as error:
                if handle.below is not None:
                    _let_go(error)
                    handle.close()
                    raise_trouble(handle.below)
                self._kept.keep(part.path, handle, CACHE_BYTES)
                raise
            self._kept.keep(part.path, handle, CACHE_BYTES)
            return found


def open_hdf5(path: Path) -> tuple[Any, Any]:
    """Open a file for reading; also give the file below it, where it lies in a store."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(
            f"{path.name} is an HDF5 file, and reading those needs h5py: pip install 'shoal[hdf5]'"
        ) from None
    if isinstance(path, UrlPath):
        below = path.open("rb")
        try:
            return h5py.File(below, "r", rdcc_nbytes=CACHE_BYTES), below
        except Exception as error:
            _let_go(error)
            raise_trouble(below)
            raise
    return h5py.File(path, "r", locking=False, rdcc_nbytes=CACHE_BYTES), None


def raise_trouble(below: Any) -> None:
    """Raise why a file of a store could not be read, which h5py puts an error of its own over."""
    if below is not None and below.raw.trouble is not None:
        raise below.raw.trouble


def _let_go(error: Exception) -> None:
    """Clear h5py's frames, in which HDF5 holds a Python file as long as any traceback lives.

    Where that is until the process ends, HDF5 calls Python after its end, and crashes.
    """
    clear_frames(error.__traceback__)
