"""IDX files, plain or ``.gz``: the format that MNIST came in."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.handles import bare
from shoal.rows.store import FileStore, InflatedStore, Part, Store, byte_view
from shoal.storage import UrlPath

# http://yann.lecun.com/exdb/mnist: the third byte of the magic number.
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 8


@dataclass(frozen=True)
class LoadIdx:
    """Unpacks an ``.idx.gz`` file into memory."""

    path: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]

    def __call__(self) -> NDArray:
        """Return the whole array."""
        array = np.empty(self.shape, self.dtype)
        with self.path.open("rb") as packed, gzip.open(packed) as file:
            file.seek(self.offset)
            view = byte_view(array)
            while view and (got := file.readinto(view)):
                view = view[got:]
        if view:
            raise EOFError(f"{len(view):,} bytes are missing")
        return array


def is_idx(path: Path) -> bool:
    """Tell by its first bytes whether a file is IDX."""
    try:
        with _open(path) as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return (
        len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= _MOST_AXES
    )


def idx_header(path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of the array in an IDX file.

    Raises
    ------
    SourceError
        When the file is damaged.
    """
    try:
        with _open(path) as file:
            return _header(file)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise SourceError(f"{path} cannot be read as IDX: {because(error)}") from None


def idx_store(path: Path) -> Store:
    """Take the rows of an IDX file.

    Raises
    ------
    SourceError
        When the file is damaged, or holds labels.
    """
    dtype, shape = idx_header(path)
    stat = path.stat()
    if len(shape) == 1:
        raise SourceError(_labels(path, shape[0]))
    offset = 4 + 4 * len(shape)
    if path.suffix == ".gz":
        load = LoadIdx(bare(path), offset, dtype.str, shape)
        args = (dtype, shape[1:], shape[0], stat.st_size, stat.st_mtime_ns)
        return InflatedStore(bare(path), load, *args)
    needed = offset + int(np.prod(shape)) * dtype.itemsize
    if stat.st_size != needed:
        raise SourceError(
            f"{path} is damaged: its header promises {needed:,} bytes, but it has {stat.st_size:,}"
        )
    part = Part(bare(path), shape[0], offset, stat.st_size, stat.st_mtime_ns)
    return FileStore((part,), dtype, shape[1:])


def _open(path: Path) -> BinaryIO:
    if path.suffix != ".gz":
        return path.open("rb")
    return cast(BinaryIO, gzip.open(path.open("rb") if isinstance(path, UrlPath) else path))


def _header(file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise ValueError(f"it begins with {magic.hex(' ') or 'nothing'}, not with 00 00 08")
    if not 1 <= magic[3] <= _MOST_AXES:
        raise ValueError(f"it says that it has {magic[3]} axes")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError("it ends within the header")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    return np.dtype(_TYPES[magic[2]]), shape


def _labels(path: Path, count: int) -> str:
    text = f"{path} is a file of {count:,} labels, not of images"
    images = path.with_name(path.name.replace("labels", "images").replace("idx1", "idx3"))
    if images != path and images.exists():
        return f"{text}: give {images}"
    return f"{text}: give the images file (its name often has idx3)"
