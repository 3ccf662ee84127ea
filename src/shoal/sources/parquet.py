"""Parquet files: vectors of numeric columns or of one column of lists, or a mixed table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.sources.base import Batch, Kind
from shoal.sources.frames import ParquetCells, describe, is_number
from shoal.sources.mixed import TableSource, make_fitted_source, make_table_source
from shoal.sources.parquet_files import ParquetFiles, ParquetPart, look_at_all, read_head
from shoal.sources.schema import Schema
from shoal.sources.store import because, check_range
from shoal.sources.table import Column, Picked, choose_columns, clean, listed


@dataclass(frozen=True)
class ParquetSource:
    """Rows of one or several Parquet files as vectors, read by row groups.

    Attributes
    ----------
    files : ParquetFiles
        Where they lie: `columns`, and that which names the rows.
    columns : tuple of str
        The numeric columns, or the one column of lists.
    is_list : bool
        True for a column of lists.
    name_column : str or None
        The column that names the rows.
    n_columns : int
        Length of a vector.
    label : str
        What people call it.
    left_out : mapping
        How many files beside its own are left out, by their extensions.
    """

    files: ParquetFiles
    columns: tuple[str, ...]
    is_list: bool
    name_column: str | None
    n_columns: int
    label: str
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """``"vectors"``."""
        return "vectors"

    @property
    def n_rows(self) -> int:
        """How many rows all files have."""
        return self.files.n_rows

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D,)``."""
        return (self.n_columns,)

    @property
    def mixed_sizes(self) -> bool:
        """Vectors have one size."""
        return False

    @property
    def description(self) -> str:
        """One line for people."""
        what = f"column {self.columns[0]}" if self.is_list else f"{len(self.columns)} columns"
        names = f", named by {self.name_column}" if self.name_column else ""
        text = f"{self.n_rows:,} vectors of {self.n_columns:,} numbers"
        return f"{text} ({self.label}, {what}{names})"

    def fingerprint(self) -> dict[str, Any]:
        """Columns, and the files' names, sizes and times."""
        return {
            "kind": "vectors",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "columns": list(self.columns),
            **self.files.facts(),
        }

    def names(self, start: int, stop: int) -> list[str] | None:
        """Values of the id column, if there is one."""
        check_range(start, stop, self.n_rows)
        return self.files.names(start, stop, self.name_column)

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop`` as float32; a row with an empty cell has a reason."""
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, self.n_columns), np.float32)
        bad: dict[int, str] = {}
        at = 0
        for count, table in self.files.tables(start, stop):
            if isinstance(table, str):
                reasons = dict.fromkeys(range(count), table)
            else:
                try:
                    data[at : at + count], reasons = self._vectors(table)
                except (pa.ArrowException, MemoryError) as error:
                    reasons = dict.fromkeys(range(count), f"cannot be read: {because(error)}")
            bad.update({at + row: reason for row, reason in reasons.items()})
            at += count
        return Batch(data, bad)

    def _vectors(self, table: Any) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Make vectors of an Arrow table."""
        if self.is_list:
            matrix, bad = lists(table.column(self.columns[0]), self.n_columns)
            vectors, unclean = clean(matrix)
            return vectors, unclean | bad
        matrix = np.empty((len(table), len(self.columns)), np.float64)
        for at, column in enumerate(self.columns):
            matrix[:, at] = table.column(column).cast(pa.float64(), safe=False).to_numpy()
        return clean(matrix, [f"column {name}" for name in self.columns])


def lists(column: Any, length: int) -> tuple[NDArray, dict[int, str]]:
    """Give a column of lists as a matrix, and reasons for the rows of another length."""
    bad: dict[int, str] = {}
    blocks: list[NDArray] = []
    for chunk in column.chunks:
        lengths = chunk.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
        lengths = np.where(chunk.is_null().to_numpy(zero_copy_only=False), -1, lengths)
        fits = lengths == length
        rows = sum(len(block) for block in blocks)
        for row in np.flatnonzero(~fits):
            had = "is empty" if lengths[row] < 0 else f"has {lengths[row]} numbers"
            bad[rows + int(row)] = f"the list {had}, not {length}"
        kept = chunk.filter(pa.array(fits)) if not fits.all() else chunk
        values = kept.flatten()
        wide = pa.float64() if values.type == pa.float64() else pa.float32()
        flat = values.cast(wide, safe=False).to_numpy(zero_copy_only=False)
        block = np.zeros((len(chunk), length), flat.dtype)
        block[fits] = flat.reshape(-1, length)
        blocks.append(block)
    return np.concatenate(blocks) if blocks else np.zeros((0, length), np.float32), bad


def make_parquet_source(
    paths: Sequence[Path],
    label: str,
    as_: Kind | None,
    key: str | None,
    picked: Picked,
    schema: Schema | None = None,
) -> ParquetSource | TableSource:
    """Open Parquet files whose columns are alike.

    Parameters
    ----------
    paths : sequence of Path
    label : str
        What people call them.
    as_ : {"vectors", "table"} or None
        What to take them for; None to look.
    key : str or None
        The column of lists to take.
    picked : Picked
        Which other columns to take.
    schema : Schema, optional
        That of a fit, to read the rows by.

    Raises
    ------
    SourceError
        When a file is damaged, empty or unlike the first.
    InputError
        When the columns make no vectors, or `key` is no column of lists.
    """
    parts = look_at_all(paths)
    first = next((part for part in parts if sum(part.groups)), None)
    if first is None:
        raise SourceError(f"{label} has no rows")
    head = read_head(first.path)
    if schema is not None:
        return make_fitted_source(_cells(parts, head), label, schema)
    column = None if as_ == "table" and key is None else _list_column(head, label, key)
    described = [describe(head, name) for name in head.column_names]
    if column is None:
        chosen = choose_columns(described, label, as_, picked)
        if chosen is None:
            return make_table_source(_cells(parts, head), label, picked)
        columns = tuple(head.column_names[at] for at in chosen.vectors)
        name = None if chosen.name is None else head.column_names[chosen.name]
        files = _files(parts, columns, name, len(columns))
        return ParquetSource(files, columns, False, name, len(columns), label)
    if as_ in ("images", "table"):
        raise InputError(f"{label} holds vectors (column {column}): it cannot be read --as {as_}")
    name = next((col.name for col in described if _is_name(head, col)), None)
    length = next((len(value) for value in head.column(column).to_pylist() if value), 0)
    if not length:
        raise SourceError(f"{label}: the lists of column {column} are empty")
    files = _files(parts, (column,), name, length)
    return ParquetSource(files, (column,), True, name, length, label)


def _cells(parts: tuple[ParquetPart, ...], head: Any) -> ParquetCells:
    """Give the columns that hold plain values."""
    types = pa.types
    plain = tuple(
        field.name
        for field in head.schema
        if not (types.is_nested(field.type) or types.is_binary(field.type))
    )
    skipped = tuple(name for name in head.column_names if name not in plain)
    return ParquetCells(ParquetFiles(parts, plain, 3 * len(plain)), skipped)


def _files(
    parts: tuple[ParquetPart, ...], columns: tuple[str, ...], name: str | None, width: int
) -> ParquetFiles:
    """Give files of which these columns are read, and the one that names the rows."""
    return ParquetFiles(parts, (*columns, *([name] if name else [])), width)


def _list_column(head: Any, label: str, key: str | None) -> str | None:
    """Find the column of lists of numbers, if there is one."""
    found = [field.name for field in head.schema if _is_list(field.type)]
    if key is not None and key not in found:
        raise InputError(
            f"{label} has no column of lists called {key}: it has {listed(head.column_names)}"
        )
    if key is None and len(found) > 1:
        raise InputError(
            f"{label} has {len(found)} columns of lists: give --key {found[0]} or "
            f"another ({listed(found)})"
        )
    return key or next(iter(found), None)


def _is_list(kind: Any) -> bool:
    """Tell whether an Arrow type is one of lists of numbers."""
    types = pa.types
    lists_ = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return lists_ and is_number(kind.value_type)


def _is_name(head: Any, column: Column) -> bool:
    """Tell whether a column beside one of lists can name the rows."""
    kind = head.schema.field(column.name).type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return column.distinct and (text or column.whole)
