"""NumPy's files: ``.npy``, and the arrays of ``.npz``, read in place unless compressed."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.arrays.array_choice import (
    Stored,
    can_be_rows,
    choose_array,
    find_labels,
    lengths_of,
)
from shoal.rows.arrays.views import check_alike
from shoal.rows.base import Kind
from shoal.rows.handles import fresh_path, readable
from shoal.rows.images.zips import LOCAL_HEADER, header_bytes
from shoal.rows.store import FileStore, Part, Store, inflated, part_of
from shoal.storage import is_remote, map_requests


def npy_store(paths: Sequence[Path], *, named: bool = False) -> FileStore:
    if not paths:
        raise SourceError("no .npy files were given")
    found = map_requests(_npy_part, paths)
    check_alike([(dtype, shape) for _, dtype, shape in found], [path.name for path in paths])
    _, dtype, row_shape = found[0]
    return FileStore(tuple(part for part, *_ in found), dtype, row_shape, named)


def npy_header(path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    shape, _, dtype, _ = _header(path)
    return dtype, shape


def _header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    with readable(path, " as .npy", (OSError, ValueError)), path.open("rb") as file:
        return (*read_npy_header(file), file.tell())


def _npy_part(path: Path) -> tuple[Part, np.dtype[Any], tuple[int, ...]]:
    shape, fortran, dtype, offset = _header(path)
    part = part_of(path, shape[0] if shape else 0, offset, fortran)
    needed = offset + int(np.prod(shape)) * dtype.itemsize
    if part.size < needed and dtype.kind != "O":
        raise SourceError(
            f"{path} is cut off: its header promises {needed:,} bytes, but it has {part.size:,}"
        )
    refuse_columns(path, fortran)
    return part, dtype, shape[1:]


def refuse_columns(path: Path, fortran: bool) -> None:
    if fortran and is_remote(path):
        raise SourceError(
            f"{path} is stored by columns, so that no row is in one piece: save it by rows "
            "(np.ascontiguousarray), or copy it to a disk"
        )


def read_npy_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read shape, Fortran order and dtype; `file` is then at the first number."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


@dataclass(frozen=True)
class Member(Stored):
    fortran: bool
    stored: bool
    header_at: int


def load_member(path: Path, key: str) -> NDArray:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return np.ascontiguousarray(arrays[key])


def list_members(path: Path) -> list[Member]:
    errors = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile)
    members = []
    with readable(path, " as .npz", errors), path.open("rb") as outer:
        archive = zipfile.ZipFile(outer)
        for info in archive.infolist():
            if info.filename.endswith(".npy"):
                with archive.open(info) as file:
                    shape, fortran, dtype = read_npy_header(file)
                key, stored = info.filename[:-4], info.compress_type == zipfile.ZIP_STORED
                members.append(Member(key, shape, dtype, fortran, stored, info.header_offset))
    return members


def npz_store(path: Path, key: str | None, as_: Kind | None) -> tuple[Store, str, str | None]:
    """Open an array of an ``.npz`` file; return the store, its key and that of its labels.

    It is read in place unless it is compressed: then it is decompressed into memory.
    """
    members = list_members(path)
    member = choose_array(members, path.name, key, lambda one: can_be_rows(one, as_), "npz")
    shape = member.shape or (0,)
    labels = find_labels(member.key, shape[0], lengths_of(members))
    if not member.stored:
        load = partial(load_member, fresh_path(path), member.key)
        return inflated(path, load, member.dtype, shape), member.key, labels
    with path.open("rb") as file:
        file.seek(member.header_at)
        file.seek(member.header_at + header_bytes(file.read(LOCAL_HEADER)))
        read_npy_header(file)
        part = part_of(path, shape[0], file.tell(), member.fortran)
    refuse_columns(path, member.fortran)
    return FileStore((part,), member.dtype, shape[1:]), member.key, labels
