"""Members of ``.npz`` files: mapped where they lie when stored plainly, else unpacked."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.arrays.array import inflated, part_of, read_npy_header, refuse_columns
from shoal.rows.arrays.array_choice import Stored, can_be_rows, choose_array
from shoal.rows.base import Kind
from shoal.rows.handles import bare
from shoal.rows.store import FileStore, Store

_LOCAL_HEADER = 30


@dataclass(frozen=True)
class Member(Stored):
    """One array of an ``.npz`` file, by its header."""

    fortran: bool
    stored: bool
    header_at: int


def load_member(path: Path, key: str) -> NDArray:
    """Read a whole array."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return np.ascontiguousarray(arrays[key])


def list_members(path: Path) -> list[Member]:
    """Return the arrays of an ``.npz`` file without reading them.

    Raises
    ------
    SourceError
        When the file is not a whole ``.npz`` file.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            return [_member(archive, info) for info in infos]
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise SourceError(f"{path} cannot be read as .npz: {because(error)}") from None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    with archive.open(info) as file:
        shape, fortran, dtype = read_npy_header(file)
    key = info.filename.removesuffix(".npy")
    stored = info.compress_type == zipfile.ZIP_STORED
    return Member(key, shape, dtype, fortran, stored, info.header_offset)


def choose_member(path: Path, key: str | None, as_: Kind | None) -> Member:
    """Return the member called `key`, or the only one that can be images or vectors.

    Raises
    ------
    InputError
        When there is none of that name, or not exactly one that fits; lists them all.
    """
    return choose_array(
        list_members(path),
        path.name,
        key,
        lambda member: can_be_rows(member, as_),
        one="key",
        many="arrays",
    )


def member_store(path: Path, member: Member) -> Store:
    """Return a member's rows: read in place when stored plainly, else unpacked into memory."""
    shape = member.shape or (0,)
    if not member.stored:
        return inflated(path, partial(load_member, bare(path), member.key), member.dtype, shape)
    with path.open("rb") as file:
        file.seek(member.header_at)
        header = file.read(_LOCAL_HEADER)
        # https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT 4.3.7: lengths of the
        # name and of the extra field, which may differ from those in the directory.
        name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        file.seek(member.header_at + _LOCAL_HEADER + name + extra)
        read_npy_header(file)
        offset = file.tell()
    refuse_columns(path, member.fortran)
    part = part_of(path, shape[0], offset, member.fortran)
    return FileStore((part,), member.dtype, shape[1:])
