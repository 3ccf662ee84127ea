"""Parts: single files, written atomically.

A part is written to a temporary file beside it, flushed and renamed, so that a kill or a full disk
leaves the old file or the new one. No pickle.
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import PlaceError, StorageFullError, because
from shoal.storage.fingerprints import canonical_json
from shoal.storage.nofollow import depth_of, open_file, open_folder
from shoal.storage.places import is_remote
from shoal.storage.reading import damaged

TEMPORARY = r"\..+\.[0-9a-f]{12}\.tmp"
"""Pattern of the names of unfinished files."""

_PIECE = 4 << 20
# Columns whose values hardly ever repeat within a part, so that a dictionary does not pay
_WITHOUT_DICTIONARY = ("row", "name", "representative", "second", "distance")
_ENCODINGS = {
    "string": "DELTA_BYTE_ARRAY",
    "int64": "DELTA_BINARY_PACKED",
    "int32": "DELTA_BINARY_PACKED",
    "float": "BYTE_STREAM_SPLIT",
}
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to the file `path`, atomically; create its folder."""
    write_pieces(path, [memoryview(data)], len(data))


def write_json(path: Path, obj: Any) -> None:
    write_bytes(path, (canonical_json(obj, indent=1) + "\n").encode())


def write_npy(path: Path, array: NDArray) -> None:
    """Write `array` as ``.npy`` in row order, without a second copy in memory."""
    if array.dtype.hasobject:
        raise TypeError(f"{path.name}: an array of Python objects cannot be stored")
    array = np.asarray(array, order="C")
    head = _head(np.lib.format.header_data_from_array_1_0(array))
    write_pieces(path, [head, array.reshape(-1).view(np.uint8).data], head.nbytes + array.nbytes)


def write_npy_blocks(
    path: Path, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[NDArray]
) -> None:
    """Write an array as ``.npy`` from blocks of its first axis; see `write_bytes`."""
    head = _head(
        {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    )
    left = shape[0]

    def pieces() -> Iterator[memoryview]:
        nonlocal left
        yield head
        for block in blocks:
            left -= len(block)
            if block.shape[1:] != shape[1:]:
                raise ValueError(f"a block of shape {block.shape} for an array of {shape}")
            yield np.ascontiguousarray(block, dtype).reshape(-1).view(np.uint8).data
        if left:
            raise ValueError(f"blocks of {shape[0] - left:,} rows for an array of {shape[0]:,}")

    write_pieces(path, pieces(), head.nbytes + int(np.prod(shape)) * dtype.itemsize)


def _head(facts: dict[str, Any]) -> memoryview:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, facts)
    return head.getbuffer()


def write_table(path: Path, table: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **parquet_options(table.schema))
    data = memoryview(sink.getvalue())
    write_pieces(path, [data], data.nbytes)


def write_columns(path: Path, columns: Mapping[str, NDArray]) -> None:
    """Write arrays of numbers as the columns of a table.

    By their buffers: `pyarrow.array` imports pandas, where it is installed, for 0.15 s.
    """
    import pyarrow as pa

    def column(array: NDArray) -> Any:
        kind = pa.from_numpy_dtype(array.dtype)
        if array.dtype == np.bool_:  # Arrow packs them into bits
            array = np.packbits(array, bitorder="little")
        cells = pa.py_buffer(np.ascontiguousarray(array))
        return pa.Array.from_buffers(kind, rows, [None, cells])

    rows = len(next(iter(columns.values())))
    write_table(path, pa.table({name: column(array) for name, array in columns.items()}))


def parquet_options(schema: Any) -> dict[str, Any]:
    """Return options for writing a table: dictionaries only where values repeat.

    Other columns are delta-encoded or split by bytes: the labels of a million tiles take 1.1 MB
    instead of 5.6.
    """
    plain = {
        field.name: _ENCODINGS[str(field.type)]
        for field in schema
        if field.name in _WITHOUT_DICTIONARY and str(field.type) in _ENCODINGS
    }
    others = [name for name in schema.names if name not in plain]
    return {"compression": "zstd", "use_dictionary": others, "column_encoding": plain or None}


def link_file(source: Path, path: Path) -> None:
    """Link an immutable file to another path, or copy it if it cannot be linked."""
    if is_remote(path) or is_remote(source):
        return _copy(source, path)
    try:
        with (
            open_folder(source.parent, depth_of(source) - 1) as there,
            _temporary(path) as (folder, temporary),
        ):
            if not _linked(source.name, there, temporary, folder):
                _write_new(folder, temporary, _read_pieces(source))
    except FileNotFoundError as error:
        raise damaged(source, error) from error
    except OSError as error:
        raise unwritable(path, 0, error) from error


def _linked(name: str, there: int, new: str, folder: int) -> bool:
    """Link a file from one open folder to another; False if impossible, or if it is a symlink."""
    try:
        os.link(name, new, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except OSError:  # another disk, or one without links
        return False
    if stat.S_ISREG(os.stat(new, dir_fd=folder, follow_symlinks=False).st_mode):
        return True
    os.unlink(new, dir_fd=folder)
    return False


def _copy(source: Path, path: Path) -> None:
    try:
        if is_remote(path) and is_remote(source) and path.can_copy(source):
            path.copy_from(source)
        else:
            write_bytes(path, source.read_bytes())
    except FileNotFoundError as error:
        raise damaged(source, error) from error


def unwritable(path: Path, needed: int, error: OSError) -> StorageFullError:
    """Return the error for a failed write of `needed` bytes, with advice."""
    again = "run the same command again and it continues where it stopped"
    if error.errno in _FULL:
        free = f"{_free_bytes(path):,} bytes free there"
        room = "make room (or raise the limit on file sizes)"
        return StorageFullError(f"{path} needs {needed:,} bytes, {free}: {room}, then {again}")
    return StorageFullError(
        f"{path} cannot be written ({because(error)}): "
        f"make its folder writable or choose another, then {again}"
    )


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, which is renamed to `path` on success."""
    if is_remote(path):
        with tempfile.TemporaryDirectory(prefix="shoal-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            write_pieces(path, _read_pieces(temporary), temporary.stat().st_size)
        return
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, 0, error) from error


def _read_pieces(path: Path) -> Iterator[memoryview]:
    with open(open_file(path), "rb", 0) as file:
        while piece := file.read(_PIECE):
            yield memoryview(piece)


def write_pieces(path: Path, pieces: Iterable[memoryview], size: int) -> None:
    """Write `pieces`, `size` bytes in all, as a file; see `write_bytes`."""
    try:
        if is_remote(path):
            path.write(pieces, size)
        else:
            with _temporary(path) as (folder, temporary):
                _write_new(folder, temporary, pieces)
    except PlaceError as error:
        raise StorageFullError(str(error)) from error
    except OSError as error:
        raise unwritable(path, size, error) from error


@contextmanager
def _temporary(path: Path) -> Iterator[tuple[int, str]]:
    """Yield an open folder and a temporary name in it, which is renamed to `path` on success."""
    temporary = f".{path.name}.{secrets.token_hex(6)}.tmp"
    with open_folder(path.parent, depth_of(path) - 1, make=True) as folder:
        try:
            yield folder, temporary
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise


def _write_new(folder: int, name: str, pieces: Iterable[memoryview]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(name, flags, 0o666, dir_fd=folder), "wb", buffering=0) as file:
        for piece in pieces:
            _write_all(file, piece)
        os.fsync(file.fileno())


def _write_all(file: io.FileIO, piece: memoryview) -> None:
    """Write all of `piece`: one call takes at most 2 GiB."""
    while piece.nbytes:
        piece = piece[file.write(piece) :]


def _free_bytes(path: Path) -> int:
    if is_remote(path):
        return 0
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    return shutil.disk_usage(folder).free
