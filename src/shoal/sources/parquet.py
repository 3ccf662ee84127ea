"""Vectors in Parquet files: numeric columns, or one column of lists."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.sources.base import Batch, Kind
from shoal.sources.store import because, check_range, file_facts
from shoal.sources.table import Column, choose_columns, clean, listed

_TRIED_ROWS = 1000
_HELD_GROUPS = 2
_MOST_HELD_BYTES = 1 << 29
_BATCH_ROWS = 1 << 14


@dataclass(frozen=True)
class ParquetPart:
    """One file: how many rows its row groups have, and what it was when looked at."""

    path: Path
    groups: tuple[int, ...]
    size: int
    mtime_ns: int


class GroupCache:
    """The row groups that were read last, at most two; pickles empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int], Any] = OrderedDict()

    def __reduce__(self) -> tuple[type[GroupCache], tuple[()]]:
        return GroupCache, ()

    def get(self, source: ParquetSource, part: int, group: int) -> Any:
        """Give a row group as an Arrow table, read if need be."""
        with self._lock:
            found = self._groups.pop((part, group), None)
            if found is None:
                while len(self._groups) >= _HELD_GROUPS:
                    self._groups.popitem(last=False)
                found = source.load(part, group)
            self._groups[part, group] = found
            return found


@dataclass(frozen=True)
class ParquetSource:
    """Rows of one or several Parquet files as vectors, read by row groups.

    Attributes
    ----------
    parts : tuple of ParquetPart
        The files in order.
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
    """

    parts: tuple[ParquetPart, ...]
    columns: tuple[str, ...]
    is_list: bool
    name_column: str | None
    n_columns: int
    label: str
    cache: GroupCache = field(default_factory=GroupCache, compare=False, repr=False)

    @cached_property
    def _groups(self) -> list[tuple[int, int]]:
        """All row groups: part and number within it."""
        return [(p, g) for p, part in enumerate(self.parts) for g in range(len(part.groups))]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """First row of each row group, and the end."""
        return np.cumsum([0, *(n for part in self.parts for n in part.groups)], dtype=np.int64)

    @property
    def kind(self) -> Kind:
        """``"vectors"``."""
        return "vectors"

    @property
    def n_rows(self) -> int:
        """How many rows all files have."""
        return int(self._starts[-1])

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
            **file_facts([(part.path.name, part.size, part.mtime_ns) for part in self.parts]),
        }

    def names(self, start: int, stop: int) -> list[str] | None:
        """Values of the id column, if there is one."""
        check_range(start, stop, self.n_rows)
        if self.name_column is None:
            return None
        names: list[str] = []
        for group, low, high in self._spans(start, stop):
            try:
                values = self._table(group, low, high).column(self.name_column).to_pylist()
            except (OSError, pa.ArrowException, SourceError):
                values = [None] * (high - low)
            names.extend("" if value is None else str(value) for value in values)
        return names

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop`` as float32; a row with an empty cell has a reason."""
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, self.n_columns), np.float32)
        bad: dict[int, str] = {}
        at = 0
        for group, low, high in self._spans(start, stop):
            part = self.parts[self._groups[group][0]]
            try:
                rows, reasons = self._vectors(self._table(group, low, high))
                data[at : at + len(rows)] = rows
            except (OSError, pa.ArrowException, SourceError, MemoryError) as error:
                reason = f"{part.path.name} cannot be read: {because(error)}"
                reasons = dict.fromkeys(range(high - low), reason)
            bad.update({at + row: reason for row, reason in reasons.items()})
            at += high - low
        return Batch(data, bad)

    def load(self, part: int, group: int) -> Any:
        """Read one row group's columns as an Arrow table."""
        with self._open(part) as file:
            return file.read_row_group(group, columns=self._read_columns, use_threads=False)

    @property
    def _read_columns(self) -> list[str]:
        """The columns that are read."""
        return [*self.columns, *([self.name_column] if self.name_column else [])]

    def _open(self, part: int) -> Any:
        """Open a file that is still the one that was looked at."""
        found = self.parts[part]
        stat = found.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (found.size, found.mtime_ns):
            raise SourceError("the file changed after it was looked at")
        return pq.ParquetFile(found.path)

    def _spans(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Which rows of which row groups make up a range: group, low, high."""
        starts = self._starts
        first = int(np.searchsorted(starts, start, side="right")) - 1
        last = int(np.searchsorted(starts, stop, side="left"))
        spans = [
            (g, max(start - int(starts[g]), 0), min(stop, int(starts[g + 1])) - int(starts[g]))
            for g in range(first, min(last, len(starts) - 1))
        ]
        return [span for span in spans if span[1] < span[2]]

    def _table(self, group: int, low: int, high: int) -> Any:
        """Rows of one row group; groups too large to hold are passed through in batches."""
        part, number = self._groups[group]
        size = self.parts[part].groups[number] * self.n_columns * 8
        if size <= _MOST_HELD_BYTES:
            return self.cache.get(self, part, number).slice(low, high - low)
        kept, seen = [], 0
        with self._open(part) as file:
            batches = file.iter_batches(
                _BATCH_ROWS, [number], columns=self._read_columns, use_threads=False
            )
            for batch in batches:
                begin = max(low - seen, 0)
                kept.append(batch.slice(begin, max(min(high - seen, len(batch)) - begin, 0)))
                seen += len(batch)
                if seen >= high:
                    break
        return pa.Table.from_batches(kept)

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
    paths: Sequence[Path], label: str, as_: Kind | None, key: str | None
) -> ParquetSource:
    """Open Parquet files whose columns are alike.

    Raises
    ------
    SourceError
        When a file is damaged, empty or unlike the first.
    InputError
        When the columns make no vectors, or `key` is no column of lists.
    """
    parts = _look_at_all(paths)
    first = next((part for part in parts if sum(part.groups)), None)
    if first is None:
        raise SourceError(f"{label} has no rows")
    head = _head(first.path)
    column = _list_column(head, label, key)
    described = [_describe(head, name) for name in head.column_names]
    if column is None:
        chosen = choose_columns(described, label, as_)
        columns = tuple(head.column_names[at] for at in chosen.vectors)
        name = None if chosen.name is None else head.column_names[chosen.name]
        return ParquetSource(parts, columns, False, name, len(columns), label)
    if as_ in ("images", "table"):
        raise InputError(f"{label} holds vectors (column {column}): it cannot be read --as {as_}")
    name = next((col.name for col in described if _is_name(head, col)), None)
    length = next((len(value) for value in head.column(column).to_pylist() if value), 0)
    if not length:
        raise SourceError(f"{label}: the lists of column {column} are empty")
    return ParquetSource(parts, (column,), True, name, length, label)


def _look_at_all(paths: Sequence[Path]) -> tuple[ParquetPart, ...]:
    """Read the footers of files, and check that they have the same columns."""
    looked = [_look(path) for path in paths]
    for path, (_, schema) in zip(paths, looked, strict=True):
        if not schema.equals(looked[0][1]):
            raise SourceError(f"{path.name} has other columns than {paths[0].name}")
    return tuple(part for part, _ in looked)


def _look(path: Path) -> tuple[ParquetPart, Any]:
    """Read a file's footer."""
    try:
        stat = path.stat()
        with pq.ParquetFile(path) as file:
            meta = file.metadata
            groups = tuple(meta.row_group(g).num_rows for g in range(meta.num_row_groups))
            return ParquetPart(path, groups, stat.st_size, stat.st_mtime_ns), file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {because(error)}") from None


def _head(path: Path) -> Any:
    """Read the first rows."""
    try:
        with pq.ParquetFile(path) as file:
            return pa.Table.from_batches([next(file.iter_batches(_TRIED_ROWS))])
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {because(error)}") from None


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
    return lists_ and _is_number(kind.value_type)


def _is_number(kind: Any) -> bool:
    """Tell whether an Arrow type is one of numbers."""
    types = pa.types
    return any(
        test(kind)
        for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    )


def _describe(head: Any, name: str) -> Column:
    """Describe a column by its first rows."""
    kind, values = head.schema.field(name).type, head.column(name)
    if pa.types.is_nested(kind):
        return Column(name, False, False)
    distinct = len(values.unique()) == len(values) > 1
    return Column(name, _is_number(kind), distinct, pa.types.is_integer(kind))


def _is_name(head: Any, column: Column) -> bool:
    """Tell whether a column beside one of lists can name the rows."""
    kind = head.schema.field(column.name).type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return column.distinct and (text or column.whole)
