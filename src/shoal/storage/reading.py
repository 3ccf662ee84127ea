"""Reading of parts, without pickle; damage is reported in plain words."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import RunError, ShoalError
from shoal.storage.nofollow import open_file
from shoal.storage.places import is_remote

_HEADS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npy(path: Path, mmap: bool = False) -> NDArray:
    """Read an ``.npy`` part, or map it read-only into memory."""
    try:
        if is_remote(path):
            return _npy_of(path.read_bytes())
        with open(open_file(path), "rb") as file:
            return _npy_from(file, mmap)
    except ShoalError:
        raise
    # numpy passes on whatever its header parser met: syntax, type, token errors.
    except Exception as error:
        raise damaged(path, error) from error


def _npy_from(file: io.BufferedReader, mmap: bool) -> NDArray:
    """Read or map the array of an ``.npy`` file, after a check of its size."""
    version = np.lib.format.read_magic(file)
    shape, by_column, dtype = _HEADS[version](file)
    begin, size = file.tell(), math.prod(shape) * dtype.itemsize
    if dtype.hasobject or begin + size != os.fstat(file.fileno()).st_size:
        raise ValueError("not a single array")
    if mmap:
        return np.memmap(file, dtype, "r", begin, shape, "F" if by_column else "C")
    array = np.fromfile(file, dtype, math.prod(shape))
    return array.reshape(shape[::-1]).T if by_column else array.reshape(shape)


def _npy_of(data: bytes) -> NDArray:
    file = io.BytesIO(data)
    array = np.lib.format.read_array(file, allow_pickle=False)
    if file.tell() != len(data):
        raise ValueError("bytes after the array's end")
    return array


def read_table(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Read a Parquet part as a `pyarrow.Table`, all columns or only `columns`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = None if columns is None else list(columns)
    try:
        # Arrow's own file and this thread alone: its threads that hold a Python file can
        # outlive the interpreter, which then aborts.
        with _arrow_file(path) as file, pq.ParquetFile(file, pre_buffer=False) as parquet:
            missing = set(names or ()).difference(parquet.schema_arrow.names)
            if missing:
                raise pa.ArrowKeyError(f"no column {min(missing)}")
            return parquet.read(columns=names, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


def as_array(column: Any) -> NDArray:
    """Return a column of `write_columns`, a `pyarrow.ChunkedArray`, without importing pandas."""
    whole = column.combine_chunks()
    packed = str(whole.type) == "bool"  # bits, of which there is no view
    return whole.to_numpy(zero_copy_only=False) if packed else np.from_dlpack(whole)


def _arrow_file(path: Path) -> Any:
    import pyarrow as pa

    if is_remote(path):
        return pa.BufferReader(path.read_bytes())
    with open(open_file(path), "rb", 0) as file:
        again = f"/dev/fd/{file.fileno()}"
        return pa.OSFile(again) if os.path.exists(again) else pa.BufferReader(file.read())


def read_json(path: Path, depth: int | None = None) -> Any:
    """Read a JSON part; see `open_file` for `depth`."""
    try:
        return json.loads(read_bytes(path, depth))
    except ShoalError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def read_bytes(path: Path, depth: int | None = None) -> bytes:
    """Read a file, without following the links that `open_file` refuses."""
    if is_remote(path):
        return path.read_bytes()
    with open(open_file(path, depth=depth), "rb", 0) as file:
        return file.read()


def damaged(path: Path, error: BaseException) -> RunError:
    """Return the error for an unusable part, with advice."""
    if isinstance(error, FileNotFoundError):
        what = "is missing"
    elif isinstance(error, OSError) and error.strerror:
        what = f"cannot be read ({error.strerror})"
    else:
        what = "is damaged"
    return RunError(f"{path} {what}: {_repair_hint(path)}")


@contextmanager
def damage_errors(path: Path) -> Iterator[None]:
    """Convert Python's errors for unexpected content of a part to "is damaged"."""
    try:
        yield
    except ShoalError:
        raise
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise damaged(path, error) from error


def _repair_hint(path: Path) -> str:
    for folder in path.parents:
        if (folder / "run.toml").exists():
            stage = folder / path.relative_to(folder).parts[0]
            return f"delete the folder {stage} and run shoal fit again"
    return "run shoal fit again"
