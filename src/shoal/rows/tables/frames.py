"""Tables in memory and in Parquet files, as cells of mixed columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from shoal.errors import InputError
from shoal.rows.arrays.array import make_array_source, memory_store
from shoal.rows.base import Kind, Source
from shoal.rows.in_memory import encoded_picture
from shoal.rows.options import SourceOptions
from shoal.rows.store import because, check_range
from shoal.rows.tables.cells import is_plain_type, shortened, to_numbers
from shoal.rows.tables.column import Column
from shoal.rows.tables.column_labels import ColumnLabels
from shoal.rows.tables.described import describe_columns
from shoal.rows.tables.label_columns import find_answers
from shoal.rows.tables.mixed import make_fitted_source, make_table_source
from shoal.rows.tables.nested import array_store, array_type, find_arrays
from shoal.rows.tables.number_text import open_number_text
from shoal.rows.tables.parquet_files import ParquetFiles
from shoal.rows.tables.pixel_columns import choose_pixels
from shoal.rows.tables.sniff import unique

FRAME = "table in memory"
"""What people are told that a table in memory is."""


@dataclass(frozen=True, eq=False)
class FrameCells:
    """An Arrow table in memory (pickling it copies the table)."""

    table: Any

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.table.column_names)

    @property
    def skipped(self) -> tuple[str, ...]:
        """None: what holds lists is told by its cells."""
        return ()

    @property
    def decimal(self) -> str:
        """Return the point."""
        return "."

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return int(self.table.num_rows)

    def cells(
        self, start: int, stop: int, columns: Sequence[int], *, whole: bool = False
    ) -> tuple[Any, dict[int, str]]:
        """Return columns of rows ``start..stop``, by position."""
        check_range(start, stop, self.n_rows)
        table = self.table.select(list(columns)).slice(start, stop - start)
        return table if whole else shortened(table), {}

    def facts(self) -> dict[str, Any]:
        """Return a hash of all cells."""
        digest = _Digest()
        with pa.ipc.new_stream(pa.PythonFile(digest, "w"), self.table.schema) as stream:
            stream.write_table(self.table)
        return {"content": digest.hash.hexdigest()}


class _Digest:
    """A file that only hashes what is written."""

    def __init__(self) -> None:
        self.hash = hashlib.blake2b(digest_size=16)
        self.closed = False

    def write(self, data: Any) -> int:
        """Hash bytes."""
        self.hash.update(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Nothing is open."""
        self.closed = True


@dataclass(frozen=True)
class ParquetCells:
    """The plain columns of Parquet files."""

    files: ParquetFiles
    skipped: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.files.columns

    @property
    def decimal(self) -> str:
        """Return the point."""
        return "."

    @property
    def n_rows(self) -> int:
        """How many rows all files have."""
        return self.files.n_rows

    def cells(
        self, start: int, stop: int, columns: Sequence[int], *, whole: bool = False
    ) -> tuple[Any, dict[int, str]]:
        """Return columns by position, nulls where a row group cannot be read, and then a reason."""
        names = [self.names[at] for at in columns]
        found, bad, at = [], dict[int, str](), 0
        for count, table in self.files.tables(start, stop, names):
            if isinstance(table, str):
                bad.update(dict.fromkeys(range(at, at + count), table))
                table = pa.table([pa.nulls(count)] * len(names), names=names)
            table = table.select(names)
            found.append(table if whole else shortened(table))
            at += count
        if not found:
            return pa.table([pa.nulls(0)] * len(names), names=names), {}
        return pa.concat_tables(found, promote_options="permissive"), bad

    def facts(self) -> dict[str, Any]:
        """Return the files' names, sizes and times."""
        return self.files.facts()


def open_frame(where: Any, options: SourceOptions) -> Source:
    """Open a table in memory: as vectors if its columns are numbers on one scale, else as a table.

    Raises
    ------
    InputError
        When it cannot be read as what was asked for.
    """
    table = to_frame(where)
    if not table.num_rows:
        raise InputError(f"the {FRAME} has no rows")
    if options.schema is not None:
        return make_fitted_source(FrameCells(table), FRAME, options.schema)
    cells = FrameCells(table)
    picked = options.picked.among(cells.names, f"the {FRAME}")
    kinds = [kind_of_column(table.schema.field(name)) for name in cells.names]
    columns = describe_columns(cells, kinds, FRAME)
    of_arrays = (
        options.key not in cells.names or array_type(table.schema.field(options.key).type)[0]
    )
    is_table = options.as_ == "table" or not of_arrays
    arrays = None if is_table else find_arrays(table, f"the {FRAME}", options.key, picked)
    if arrays is not None:
        answers = tuple(find_answers(columns, aside=True).items())
        store = array_store(cells, table, arrays, None, f"the {FRAME}")
        return options.array(store, f"{FRAME}, column {arrays}", ColumnLabels(cells, answers))
    text = open_number_text(cells, columns, FRAME, options, table)
    if text is not None:
        return text
    chosen, shape = choose_pixels(columns, f"the {FRAME}", options, picked, fitted=options.fitted)
    if chosen.vectors is None:
        return make_table_source(cells, FRAME, picked, chosen)
    numbers = np.stack([to_numbers(table.column(at)) for at in chosen.vectors], 1)
    kind: Kind = "images" if shape and len(shape) > 1 else "vectors"
    source = make_array_source(memory_store(numbers), FRAME, as_=kind, shape=shape)
    names = tuple(cells.names[at] for at in chosen.vectors)
    beside = ColumnLabels(cells, chosen.left_out)
    return replace(source, beside=beside, chosen=chosen, column_names=names)


def is_frame(where: Any) -> bool:
    """Tell tables in memory: of Arrow, pandas or others that speak with Arrow; records."""
    if isinstance(where, pa.Table | pa.RecordBatch) or hasattr(where, "__arrow_c_stream__"):
        return not isinstance(where, pa.Array | pa.ChunkedArray)
    if isinstance(where, Mapping):
        return True
    is_list = isinstance(where, list | tuple) and len(where) > 0
    return is_list and all(isinstance(row, Mapping) for row in where)


def to_frame(where: Any) -> Any:
    """Return a table in memory as an Arrow table with a name of its own for each column.

    Parameters
    ----------
    where
        An Arrow table, a data frame, columns by name, a record or a list of records (cells by
        column).

    Raises
    ------
    InputError
        When it cannot be read as one.
    """
    try:
        if isinstance(where, Mapping) and any(map(_is_column, where.values())):
            return pa.table([_array(v) for v in where.values()], names=[str(n) for n in where])
        if isinstance(where, Mapping | list | tuple):
            return _from_records([where] if isinstance(where, Mapping) else where)
        if isinstance(where, pa.Table):
            table = where
        elif hasattr(where, "columns") and hasattr(where, "iloc"):
            table = _from_pandas(where)
        else:
            table = pa.table(where)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(
            f"{type(where).__name__} cannot be read as a table: {because(error)}"
        ) from None
    return table.rename_columns(list(unique(table.column_names)))


def _from_pandas(frame: Any) -> Any:
    """Take a data frame of pandas: columns of mixed values become text; the index is left."""
    names = unique([str(name) for name in frame.columns])
    return pa.table([_array(frame.iloc[:, at]) for at in range(len(names))], names=list(names))


def _from_records(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Take records: their keys are the columns, in the order in which they first come."""
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    plain = [{str(name): value for name, value in row.items()} for row in rows]
    return pa.table(
        [_array([row.get(name) for row in plain]) for name in names] if names else [],
        names=names,
    )


def _array(values: Any) -> Any:
    """Return values as an Arrow array: PIL's pictures as bytes, several types as text."""
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
    """Return what stands for nothing: None and NaN."""
    return value is None or (isinstance(value, float) and value != value)


def _is_column(value: Any) -> bool:
    """Return what holds many cells."""
    return isinstance(value, list | tuple | np.ndarray | pa.Array | pa.ChunkedArray)


def is_number(kind: Any) -> bool:
    """Return whether an Arrow type is one of numbers."""
    types = pa.types
    return any(
        test(kind)
        for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    )


def kind_of_column(field: Any) -> Column:
    """Tell by its type whether a column can be numbers."""
    return Column(field.name, is_plain_type(field.type) and is_number(field.type), False)
