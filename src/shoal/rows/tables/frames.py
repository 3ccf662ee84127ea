"""Tables in memory: Arrow, pandas and others with Arrow's interface; columns; records."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from shoal.errors import InputError, because
from shoal.rows.base import Source
from shoal.rows.handles import digest_of
from shoal.rows.in_memory import encoded_picture
from shoal.rows.options import SourceOptions
from shoal.rows.store import check_range
from shoal.rows.tables.cell_arrays import is_list
from shoal.rows.tables.cells import plain_names
from shoal.rows.tables.image_columns import open_typed
from shoal.rows.tables.opened import OpenedTable
from shoal.rows.tables.sniff import unique
from shoal.rows.tables.table import Cells, Piece, selected

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
    return open_typed(
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
    """Return a table in memory as an Arrow table with unique column names."""
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
