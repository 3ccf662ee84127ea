"""Open a source from a path or from memory, detecting its format."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.array import memory_store
from shoal.rows.arrays.hdf5 import MAGIC
from shoal.rows.arrays.idx import idx_store, is_idx
from shoal.rows.arrays.matlab import is_matlab, open_matlab
from shoal.rows.arrays.numpy_files import npy_store, npz_store
from shoal.rows.arrays.raw import open_raw, parse_dtype
from shoal.rows.base import Kind, Source
from shoal.rows.file_sets import (
    kind_of,
    open_images,
    open_matching,
    open_paths,
    open_shards,
)
from shoal.rows.folders import open_folder
from shoal.rows.handles import head_of, readable
from shoal.rows.images.containers import CONTAINERS, container_that_begins
from shoal.rows.images.formats import EXTENSIONS, is_image_name
from shoal.rows.images.image_table import under
from shoal.rows.images.listing import expand, has_wildcard, is_pattern, read_list
from shoal.rows.images.tiff_pictures import Pages
from shoal.rows.in_memory import FRAME, as_openable, is_frame, open_frame
from shoal.rows.kinds import OPTIONAL, is_pickle, kind_of_file, refuse_pickle
from shoal.rows.label_files import LabelFiles, labels_beside, with_labels_beside
from shoal.rows.options import SourceOptions
from shoal.rows.store import InflatedStore, Store
from shoal.rows.tables.csv_file import open_csv
from shoal.rows.tables.schema import Schema
from shoal.rows.tables.selection import NOTHING, Picked
from shoal.setting_kinds import parse_shape
from shoal.storage import as_place, is_remote, nearest_name

_TABLES = (".csv", ".tsv", ".txt")
_MENTIONED_BYTES = 1 << 28
# A list may name pictures that need an extra: without it they become rows with a reason.
_LISTED = EXTENSIONS.union(*(kind.extensions for kind in OPTIONAL))
_TAR_PACKED = (".tgz", ".tbz", ".tbz2", ".txz")
_FOREIGN = (".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")


def open_source(
    where: Any,
    *,
    as_: Kind | None = None,
    key: str | None = None,
    shape: str | Sequence[int] | None = None,
    dtype: str | None = None,
    image_size: int | tuple[int, int] | None = None,
    columns: Sequence[str] | None = None,
    leave_out: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
    schema: Schema | None = None,
    fitted: Sequence[str] | None = None,
    pages: Pages = "auto",
) -> Source:
    """Open images, vectors or a table from a path, an address or memory.

    Parameters
    ----------
    where : str, Path or array
        A folder of images, a list of their paths (text, CSV), a tar or zip archive of images,
        ``.npy``, ``.npz``, IDX, ``.mat``, raw binary, Parquet, HDF5, TFRecord or CSV; a folder,
        list or pattern (``shard-{000..010}.tar``) of such files; or an array or tensor, a list
        of arrays, pictures (PIL) or paths, a data set of torch or Hugging Face, an iterator of
        such items, a data frame, an Arrow table or records (dictionaries) in memory.
    as_, key, shape, dtype, columns, leave_out, categories, pages
        As for `shoal.fit`.
    image_size : int or (int, int), optional
        Height and width to scale images to; by default their own if it is at most 64 and common to
        nearly all, otherwise 64.
    schema : Schema, optional
        Schema of an earlier table, whose columns are then read by name in the same way.
    fitted : sequence of str, optional
        Columns of earlier vectors, empty if unnamed: if all exist, other columns are ignored.

    Raises
    ------
    SourceError
        When the source is missing, damaged or empty.
    InputError
        When the arguments do not match the source.

    Examples
    --------
    >>> import numpy as np
    >>> open_source(np.zeros((5, 28, 28), np.uint8)).description
    '5 grey images of 28×28 (array in memory)'
    """
    if as_ not in (None, "images", "vectors", "table"):
        raise InputError(f"--as must be images, vectors or table; got {as_}")
    picked = Picked(
        None if columns is None else tuple(columns), tuple(leave_out or ()), tuple(categories or ())
    )
    size, row = _checked_size(image_size), None if shape is None else parse_shape(shape)
    found = None if fitted is None else tuple(fitted)
    options = SourceOptions(as_, key, row, dtype, size, picked, schema, found, pages)
    source = _open(as_openable(where), options)
    if picked != Picked() and not _has_columns(source):
        raise InputError(f"--columns and similar options do not apply to {source.description}")
    return source


def _open(where: Any, options: SourceOptions) -> Source:
    if _is_path(where):
        path = _place(where)
        if is_pattern(str(path)):
            opens = open_matching if has_wildcard(str(path)) else open_paths
            return opens(expand(str(path)), path.name, options)
        _check_there(path)
        return open_folder(path, options) if path.is_dir() else _open_file(path, options)
    if _are_paths(where):
        paths = [_place(name).absolute() for name in where]
        return open_paths(paths, f"{len(paths):,} paths", options)
    what = f"a {FRAME}" if is_frame(where) else "an array in memory"
    options.refuse(what, key=None if is_frame(where) else options.key, dtype=options.dtype)
    if is_frame(where):
        return open_frame(where, options)
    if options.schema is not None:
        raise InputError(
            f"{type(where).__name__} has no column names: give a data frame, an Arrow table "
            "or records (dictionaries) with the columns that were fitted"
        )
    return options.array(memory_store(where), "array in memory")


def _place(where: Any) -> Path:
    path = as_place(where)
    return path if is_remote(path) else path.expanduser()


def _has_columns(source: Source) -> bool:
    array = source.as_array()
    if array is not None:
        return array.column_names != () or array.chosen != NOTHING
    return source.as_table() is not None


def _are_paths(where: Any) -> bool:
    return isinstance(where, (list, tuple)) and len(where) > 0 and all(map(_is_path, where))


def _is_path(where: Any) -> bool:
    return is_remote(where) or isinstance(where, (str, os.PathLike))


def _checked_size(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = (size, size) if isinstance(size, int) else tuple(int(side) for side in size)
    if len(sides) != 2 or not all(1 <= side <= 4096 for side in sides):
        raise InputError(f"--image-size must be one or two numbers from 1 to 4,096; got {size}")
    return sides[0], sides[1]


def _check_there(path: Path) -> None:
    if is_remote(path):
        if not (path.is_dir() or path.exists()):
            raise SourceError(f"{path} does not exist, or has no files in it")
        return
    with readable(path):
        if path.is_file() or path.is_dir():
            return
        if path.exists():
            raise SourceError(f"{path} is neither a file nor a folder")
        nearby = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    if not path.parent.is_dir():
        raise SourceError(f"{path} does not exist, and neither does the folder {path.parent}")
    near = nearest_name(path.name, nearby)
    hint = f": did you mean {path.with_name(near)}?" if near else ""
    raise SourceError(f"{path} does not exist{hint}")


def _open_file(path: Path, options: SourceOptions) -> Source:
    extension, magic = path.suffix.lower(), _magic(path)
    if is_image_name(path.name):
        return open_images(path.parent, [path.name], path.name, options)
    if magic.startswith(b"\x93NUMPY"):
        options.refuse(f"{path.name}, an .npy file", key=options.key, dtype=options.dtype)
        return with_labels_beside(options.array(npy_store([path]), path.name), path)
    if extension == ".npz" or (magic[:2] == b"PK" and _has_arrays(path)):
        return _open_npz(path, options)
    container = container_that_begins(magic)
    if container is not None:
        return open_shards(container.kind, [path], path.name, options)
    if magic.startswith(MAGIC) or kind_of(path.name) == "hdf5":
        return open_shards("hdf5", [path], path.name, options)
    if kind_of(path.name) == "tfrecord" and options.shape is None:
        return open_shards("tfrecord", [path], path.name, options)
    if is_matlab(path, magic):
        return open_matlab(path, options, magic)
    is_table = magic[:4] == b"PAR1" or extension in _TABLES
    options.refuse(path.name, key=None if is_table else options.key)
    if magic[:4] == b"PAR1":
        return open_shards("parquet", [path], path.name, options)
    if extension in _TABLES:
        return _open_text(path, options)
    if options.shape is None:
        _refuse_foreign(path, magic)
    _refuse(path, extension)
    return _open_binary(path, options)


def _open_npz(path: Path, options: SourceOptions) -> Source:
    options.refuse(f"{path.name}, an .npz file", dtype=options.dtype)
    store, key, label_key = npz_store(path, options.key, options.stored_as)
    labels = None if label_key is None else LabelFiles((path,), label_key)
    return options.array(store, f"{path.name}, key {key}{_memory(store)}", labels)


def _refuse(path: Path, extension: str) -> None:
    if extension in _TAR_PACKED or os.path.splitext(path.stem)[1].lower() == ".tar":
        raise SourceError(
            f"{path} is a compressed archive, which can only be read from its beginning: "
            "unpack it to a plain .tar once (images are compressed already) and give that"
        )
    if kind_of(path.name) == "archive":
        raise SourceError(f"{path} is not a {extension} archive, or damaged where it begins")
    if extension in _FOREIGN and not path.name.lower().endswith("ubyte.gz"):
        raise SourceError(
            f"{path} is an archive that cannot be read: unpack it and give the folder"
        )


def _refuse_foreign(path: Path, magic: bytes) -> None:
    """Raise for known kinds of files that are not read, with a way to convert them."""
    if is_pickle(path, magic):
        raise refuse_pickle(path)
    kind = kind_of_file(path.name, magic)
    if kind is not None:
        raise SourceError(f"{path} is {kind.what}, which is not read: {kind.way}")


def _memory(store: Store) -> str:
    size = store.n_rows * math.prod(store.row_shape) * store.dtype.itemsize
    much = isinstance(store, InflatedStore) and size >= _MENTIONED_BYTES
    return f", {size / 1e9:.1f} GB unpacked in memory" if much else ""


def _magic(path: Path) -> bytes:
    with readable(path):
        magic = head_of(path)
    if not magic:
        raise SourceError(f"{path} is empty")
    return magic


def _has_arrays(path: Path) -> bool:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _open_text(path: Path, options: SourceOptions) -> Source:
    if options.as_ in (None, "images") and options.schema is None:
        names = read_list(path, _LISTED.union(*(one.endings for one in CONTAINERS)))
        if names and not all(kind_of(name) == "image" for name in names):
            return open_paths([under(path.parent, name) for name in names], path.name, options)
        if names:
            images = open_images(path.parent, names, path.name, options)
            files = images.as_files()
            if files is not None and not is_remote(path):
                return replace(files, beside=labels_beside(files, {path.name: path}))
            return images
    options.refuse(f"{path.name}, a table", dtype=options.dtype)
    return open_csv(path, path.name, options)


def _open_binary(path: Path, options: SourceOptions) -> Source:
    if (options.shape is None or options.dtype is None) and is_idx(path):
        store = idx_store(path)
        return with_labels_beside(options.array(store, f"{path.name}{_memory(store)}"), path)
    parse_dtype(options.dtype)
    return open_raw([path], path.name, options)
