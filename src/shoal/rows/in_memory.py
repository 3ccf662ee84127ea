"""Python objects as paths, an array or an Arrow table; and tables in memory as sources.

Lists of pictures (PIL, arrays of several sizes, bytes of image files), data sets with one item
after the other (torch, Hugging Face), and iterators. Arrays of one shape are spooled to a
temporary file; pictures of several sizes are stored as PNG, without loss.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from shoal.errors import InputError, StorageFullError, because
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Source
from shoal.rows.handles import digest_of
from shoal.rows.options import SourceOptions
from shoal.rows.store import check_range
from shoal.rows.tables.cell_arrays import is_list
from shoal.rows.tables.cells import plain_names
from shoal.rows.tables.columns import OpenedTable
from shoal.rows.tables.open_table import open_table
from shoal.rows.tables.sniff import unique
from shoal.rows.tables.table import Cells, Piece, selected

PICTURES = "image"
"""The column of pictures in the Arrow table."""

# Names of the picture of an item in the data sets of Hugging Face and torchvision.
_PICTURE_KEYS = ("image", "img", "pixel_values", "jpg", "png")
_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


def as_openable(where: Any) -> Any:
    """Return paths, an array or an Arrow table for a Python object, or the object itself."""
    if isinstance(where, str | os.PathLike | Source | Mapping):
        return where
    if isinstance(where, Image.Image):
        where = [where]
    if hasattr(where, "dataset") and hasattr(where, "batch_size"):  # torch's DataLoader
        where = where.dataset  # without shuffling, in the order of the labels
    if hasattr(where, "collect"):  # a lazy frame of polars
        where = where.collect()
    is_stored = hasattr(where, "__len__")  # not streamed
    if is_stored and hasattr(where, "with_format") and hasattr(where, "features"):  # Hugging Face
        return where.with_format("arrow")[:]
    if hasattr(where, "detach"):  # torch
        return _numbers(where)
    if isinstance(where, np.ndarray) or hasattr(where, "__array__") or _has_columns(where):
        return _texts(where)
    if isinstance(where, list | tuple):
        return _of_list(where)
    if hasattr(where, "__getitem__") and hasattr(where, "__len__"):
        return _of_items(where[at] for at in range(len(where)))
    return _of_items(iter(where)) if isinstance(where, Iterable) else where


def _has_columns(where: Any) -> bool:
    return any(hasattr(where, name) for name in ("__arrow_c_stream__", "__dataframe__", "columns"))


def _texts(where: Any) -> Any:
    if isinstance(where, pa.Array | pa.ChunkedArray):
        is_text = pa.types.is_string(where.type) or pa.types.is_large_string(where.type)
        return where.to_pylist() if is_text else where
    if len(getattr(where, "shape", ())) != 1 or not len(where) or hasattr(where, "columns"):
        return where
    first = np.asarray(where[:1])
    if first.dtype.kind in "UO" and isinstance(first[0], str | os.PathLike):
        return [p if isinstance(p, os.PathLike) else str(p) for p in where]
    if isinstance(where, np.ndarray):
        return where
    return _of_list(list(where)) if first.dtype.kind == "O" else np.asarray(where)  # a series


def _of_list(items: Sequence[Any]) -> Any:
    if items and isinstance(items[0], tuple):
        items = [_picture_of(item) for item in items]
    first = items[0] if items else None
    if isinstance(first, Image.Image | bytes | bytearray):
        return _pictures(items)
    if hasattr(first, "detach"):
        items = [_numbers(item) for item in items]
    are_pictures = len(getattr(first, "shape", ())) >= 2
    shapes = {getattr(item, "shape", ()) for item in items} if are_pictures else set()
    return _pictures(items) if len(shapes) > 1 else items


def _of_items(items: Iterator[Any]) -> Any:
    found = next(items, None)
    if found is None:
        raise InputError("there are no items: nothing to cluster")
    first, rest = _picture_of(found), map(_picture_of, items)
    every = chain([first], rest)
    if isinstance(first, str | os.PathLike | Mapping):
        return list(every)
    if isinstance(first, Image.Image | bytes | bytearray):
        return _pictures(every)
    return _spooled(every)


def _picture_of(item: Any) -> Any:
    if isinstance(item, Mapping):
        key = next((name for name in _PICTURE_KEYS if name in item), None)
        return item if key is None else item[key]
    is_pair = isinstance(item, tuple | list) and len(item) > 1
    if not is_pair:
        return item
    is_labelled = isinstance(item[0], Image.Image | bytes) or len(getattr(item[0], "shape", ())) > 0
    return item[0] if is_labelled else item


def _numbers(item: Any) -> NDArray[Any]:
    return np.asarray(item.detach().cpu() if hasattr(item, "detach") else item)


def _spooled(items: Iterator[Any]) -> Any:
    """Write arrays to a temporary file, and return them as one memory-mapped array."""
    first = _numbers(next(items))
    if first.ndim == 0 or first.dtype.kind not in "buif":
        raise InputError(
            f"{first!r:.60} is not a row: the items must be arrays, pictures, paths or records"
        )
    with tempfile.TemporaryFile() as file:
        n = 0
        for array in chain([first], map(_numbers, items)):
            if array.shape != first.shape:
                if first.ndim < 2:
                    raise InputError(
                        f"item {n:,} has {array.size} numbers, and those before it {first.size}"
                    )
                before = iter(_mapped(file, first, n))
                return _pictures(chain(before, [array], map(_numbers, items)))
            try:
                file.write(np.ascontiguousarray(array, first.dtype).tobytes())
            except OSError as error:
                raise StorageFullError(
                    f"{tempfile.gettempdir()} has no room for the items ({error.strerror}): set "
                    "TMPDIR to a folder on a larger disk"
                ) from error
            n += 1
        return _mapped(file, first, n)


def _mapped(file: Any, first: NDArray[Any], n: int) -> NDArray[Any]:
    file.flush()
    if not first.size:
        raise InputError("the items are empty arrays: nothing to cluster")
    return np.memmap(file, first.dtype, "r", shape=(n, *first.shape))


def _pictures(items: Iterable[Any]) -> Any:
    cells = [encoded_picture(item, number) for number, item in enumerate(items)]
    return pa.table({PICTURES: pa.array(cells, pa.large_binary())})


def encoded_picture(item: Any, number: int) -> bytes:
    if isinstance(item, bytes | bytearray):
        return bytes(item)
    if not isinstance(item, Image.Image):
        item = Image.fromarray(_pixels(_numbers(item), number))
    file = io.BytesIO()
    picture = item if item.mode in _MODES else item.convert("RGB")
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _pixels(array: NDArray[Any], number: int) -> NDArray[np.uint8]:
    if array.ndim == 3 and array.shape[0] in (1, 3, 4) and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1:
        array = np.rint(array * 255).astype(np.uint8)
    channels = array.shape[2:] in ((), (3,), (4,)) and array.ndim in (2, 3)
    if array.dtype not in (np.uint8, np.bool_) or not channels or not array.size:
        raise InputError(
            f"item {number:,} is {array.dtype} of {show(array.shape)}: pictures of several sizes "
            "must be uint8, or floats from 0 to 1, in grey or colour"
        )
    return np.ascontiguousarray(array, np.uint8)


_HASHED_ROWS = 1 << 16  # at a time, as their bytes are copied

_COLUMNS = (list, tuple, np.ndarray, pa.Array, pa.ChunkedArray)

FRAME = "table in memory"
"""The name of a table in memory, in messages."""


@dataclass(frozen=True, eq=False)
class FrameCells(Cells):
    table: Any

    @property
    def names(self) -> tuple[str, ...]:
        return plain_names(self.table.schema)

    @property
    def skipped(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.column_names if name not in self.names)

    @property
    def n_rows(self) -> int:
        return int(self.table.num_rows)

    def pieces(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Piece]:
        check_range(start, stop, self.n_rows)
        yield selected(self.table, columns).slice(start, stop - start), {}

    def only(self, columns: Sequence[str]) -> FrameCells:
        have = self.table.column_names
        tops = (name if name in have else name.partition(".")[0] for name in columns)
        return FrameCells(self.table.select(list(dict.fromkeys(tops))))

    def facts(self) -> dict[str, Any]:
        table = self.table.replace_schema_metadata(None)
        return {"content": digest_of(map(_stream, table.to_batches(max_chunksize=_HASHED_ROWS)))}


def _stream(batch: Any) -> Any:
    part = pa.BufferOutputStream()
    with pa.ipc.new_stream(part, batch.schema) as stream:
        stream.write_batch(batch)
    return part.getvalue()


def open_frame(where: Any, options: SourceOptions) -> Source:
    """Open a table in memory; paths in it are relative to the current folder."""
    table = to_frame(where)
    if not table.num_rows:
        raise InputError(f"the {FRAME} has no rows")
    leaves = tuple(leaf for field in table.schema for leaf in _leaves(field))
    return open_table(
        OpenedTable(
            FrameCells(table),
            FRAME,
            options,
            schema=table.schema,
            read_head=lambda: table,
            is_long=False,
            leaves=leaves,
            folders=(Path(os.getcwd()),),
            many=FRAME,
        )
    )


def _leaves(field: Any) -> list[str]:
    inner = field.type.value_type if is_list(field.type) else field.type
    parts = inner if pa.types.is_struct(inner) else ()
    return [field.name, *(f"{field.name}.{part.name}" for part in parts)]


def is_frame(where: Any) -> bool:
    """Return whether an object is a table: of Arrow, pandas, others with its interface; records."""
    if isinstance(where, pa.Table | pa.RecordBatch) or hasattr(where, "__arrow_c_stream__"):
        return not isinstance(where, pa.Array | pa.ChunkedArray)
    if isinstance(where, Mapping):
        return True
    is_list = isinstance(where, list | tuple) and len(where) > 0
    return is_list and all(isinstance(row, Mapping) for row in where)


def to_frame(where: Any) -> Any:
    parts = where if isinstance(where, Mapping) else {}
    if any(hasattr(v, "columns") or hasattr(v, "column_names") for v in parts.values()):
        several = ", ".join(map(str, parts))
        raise InputError(f"{type(where).__name__} has several tables ({several}): give one of them")
    try:
        if any(isinstance(v, _COLUMNS) or hasattr(v, "to_numpy") for v in parts.values()):
            return pa.table([_array(v) for v in where.values()], names=[str(n) for n in where])
        if isinstance(where, Mapping | list | tuple):
            return _from_records([where] if isinstance(where, Mapping) else where)
        if isinstance(where, pa.Table):
            table = where
        elif hasattr(where, "columns") and hasattr(where, "iloc"):
            # columns of mixed values become text; the index is left
            names = unique([str(name) for name in where.columns])
            cells = [_array(where.iloc[:, at]) for at in range(len(names))]
            table = pa.table(cells, names=list(names))
        else:
            table = pa.table(where)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"{type(where).__name__} cannot be read as a table: {because(error)}"
        ) from None
    plain = [_plain_type(kind) for kind in table.schema.types]
    if plain != table.schema.types:
        fields = [field.with_type(kind) for field, kind in zip(table.schema, plain, strict=True)]
        table = table.cast(pa.schema(fields, table.schema.metadata))
    names = unique(table.column_names)
    if names == tuple(table.column_names):
        return table  # with its metadata
    return table.rename_columns(list(names))


def _plain_type(kind: Any) -> Any:
    """Return the Parquet type for the view types in which polars stores text and bytes."""
    if kind == pa.string_view():
        return pa.large_string()
    if kind == pa.binary_view():
        return pa.large_binary()
    if isinstance(kind, pa.ExtensionType):  # of another library
        return _plain_type(kind.storage_type)
    if pa.types.is_struct(kind):
        return pa.struct([part.with_type(_plain_type(part.type)) for part in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        make = pa.list_ if pa.types.is_list(kind) else pa.large_list
        return make(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pa.types.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _plain_type(kind.value_type), kind.ordered)
    return kind


def _from_records(rows: Sequence[Mapping[str, Any]]) -> Any:
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    plain = [{str(name): value for name, value in row.items()} for row in rows]
    return pa.table(
        [_array([row.get(name) for row in plain]) for name in names] if names else [],
        names=names,
    )


def _array(values: Any) -> Any:
    """Return values as an Arrow array: PIL's pictures as bytes, mixed types as text."""
    first = next((value for value in values if not _is_none(value)), None)
    if isinstance(first, Image.Image):
        cells = [None if _is_none(v) else encoded_picture(v, at) for at, v in enumerate(values)]
        return pa.array(cells, pa.large_binary())
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        if any(isinstance(value, np.ndarray) for value in values):
            return _array([v.tolist() if isinstance(v, np.ndarray) else v for v in values])
        return pa.array([None if _is_none(value) else str(value) for value in values], pa.string())


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)
