"""IDX files, plain or ``.gz``: the format of MNIST and its labels."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.arrays.views import joined
from shoal.rows.base import Source
from shoal.rows.handles import both_ends, fresh_path, readable
from shoal.rows.options import SourceOptions
from shoal.rows.store import FileStore, Store, byte_view, inflated, part_of
from shoal.storage import is_remote

# http://yann.lecun.com/exdb/mnist: the third byte of the magic number.
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 8
_COMPARED = 1 << 16  # bytes at both ends that identify copies of a file


def load_idx(path: Path) -> NDArray:
    with _open(path) as file:
        dtype, shape = _header(file)
        array = np.empty(shape, dtype)
        view = byte_view(array)
        while view and (got := cast(Any, file).readinto(view)):
            view = view[got:]
    if view:
        raise EOFError(f"{len(view):,} bytes are missing")
    return array


def is_idx(path: Path) -> bool:
    try:
        with _open(path) as file:
            head = file.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return (
        len(head) == 4 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= _MOST_AXES
    )


def idx_header(path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    errors = (OSError, EOFError, ValueError, zlib.error)
    with readable(path, " as IDX", errors), _open(path) as file:
        return _header(file)


def idx_store(path: Path) -> Store:
    dtype, shape = idx_header(path)
    if len(shape) == 1:
        raise SourceError(_labels_message(path, shape[0]))
    offset = 4 + 4 * len(shape)
    if path.suffix == ".gz":
        return inflated(path, partial(load_idx, fresh_path(path)), dtype, shape)
    part, needed = part_of(path, shape[0], offset), offset + int(np.prod(shape)) * dtype.itemsize
    if part.size != needed:
        raise SourceError(
            f"{path} is damaged: its header promises {needed:,} bytes, but it has {part.size:,}"
        )
    return FileStore((part,), dtype, shape[1:])


def _open(path: Path) -> BinaryIO:
    if path.suffix != ".gz":
        return path.open("rb")
    return cast(BinaryIO, gzip.open(path.open("rb") if is_remote(path) else path))


def _header(file: BinaryIO) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise ValueError(f"it begins with {magic.hex(' ') or 'nothing'}, not with 00 00 08")
    if not 1 <= magic[3] <= _MOST_AXES:
        raise ValueError(f"its header claims {magic[3]} axes")
    sizes = file.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise ValueError("it ends within the header")
    shape = tuple(int(size) for size in np.frombuffer(sizes, ">u4"))
    return np.dtype(_TYPES[magic[2]]), shape


def _labels_message(path: Path, count: int) -> str:
    text = f"{path} is a file of {count:,} labels, not of images"
    images = path.with_name(path.name.replace("labels", "images").replace("idx1", "idx3"))
    if images != path and images.exists():
        return f"{text}: give {images}"
    return f"{text}: give the images file (its name often has idx3)"


def open_idx(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    """Open the IDX files that hold rows rather than labels, one after the other."""
    every = [path for path in paths if len(idx_header(path)[1]) > 1] or list(paths)
    # MNIST often has each file twice
    ends = {(path.stat().st_size, both_ends(path, _COMPARED)): path for path in reversed(every)}
    rows = list(ends.values())[::-1]
    stores = [idx_store(path) for path in rows]
    many = f", {len(rows):,} IDX files" if len(rows) > 1 else ""
    copies = f", {len(every) - len(rows):,} copies left out" if len(rows) < len(every) else ""
    return options.array(joined(stores, [path.name for path in rows]), label + many + copies)
