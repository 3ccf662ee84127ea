"""Parquet files as one sequence of rows, read by row groups."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.errors import SourceError, UnlikeError, because
from shoal.rows.base import Source
from shoal.rows.handles import file_facts, fresh_path, readable
from shoal.rows.memory_budget import MemoryNeed, ReadCache
from shoal.rows.options import SourceOptions
from shoal.rows.store import check_range, cut_range, numbered_names
from shoal.rows.tables.cells import is_text_type, plain_names, shortened
from shoal.rows.tables.columns import OpenedTable
from shoal.rows.tables.open_table import open_table
from shoal.rows.tables.parquet_cursors import ParquetPart as ParquetPart
from shoal.rows.tables.parquet_cursors import RowGroup, parquet_file
from shoal.rows.tables.parquet_pages import group_bytes, leaves
from shoal.rows.tables.table import Cells, Piece, selected, unread
from shoal.storage import map_requests

_ERRORS = (OSError, EOFError, pa.ArrowException, SourceError, MemoryError)
_AS_PARQUET = " as Parquet", (OSError, pa.ArrowException)
_RUNS = 16  # sampled runs of rows
_PARTS_TRIED = 16
_TRIED_ROWS = 1000
_TRIED_BYTES = 16 << 20
_CACHED_GROUPS = 2  # whole row groups kept besides the one being read
_SHARE = 4  # a row group is kept whole if it takes at most this fraction (1/4) of the cache
_SMALL = 16 << 20
_PIECE_BYTES = 4 << 20
_LOOKED_GROUPS = 4  # largest row groups whose pages are examined: writers make all alike


@dataclass(frozen=True)
class ParquetCells(Cells):
    """Some columns of one or several files with the same columns, read by row groups."""

    parts: tuple[ParquetPart, ...]
    columns: tuple[str, ...]  # that are read
    others: tuple[str, ...] = ()  # columns of lists or bytes
    cache: ReadCache = field(default_factory=ReadCache, compare=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return self.columns

    @property
    def skipped(self) -> tuple[str, ...]:
        return self.others

    @cached_property
    def file_ends(self) -> tuple[int, ...]:
        return tuple(np.cumsum([sum(part.groups) for part in self.parts]).tolist())

    def only(self, columns: Sequence[str]) -> ParquetCells:
        return ParquetCells(self.parts, tuple(columns))

    @cached_property
    def _groups(self) -> list[tuple[ParquetPart, int]]:
        return [(part, number) for part in self.parts for number in range(len(part.groups))]

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(n for part in self.parts for n in part.groups)], dtype=np.int64)

    @property
    def n_rows(self) -> int:
        return int(self._starts[-1])

    def facts(self) -> dict[str, Any]:
        return file_facts(self.parts)

    def pieces(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Piece]:
        yield from self._each(start, stop, tuple(columns), self._tables)

    def batches(self, start: int, stop: int, column: str) -> Iterator[Piece]:
        yield from self._each(start, stop, (column,), self._batches)

    def _each(
        self, start: int, stop: int, names: tuple[str, ...], read: Callable[..., Iterator[Any]]
    ) -> Iterator[Piece]:
        check_range(start, stop, self.n_rows)
        for at, low, high, _ in cut_range(self._starts, start, stop):
            group = RowGroup(*self._groups[at], names)
            try:
                for table in read(group, low, high):
                    yield selected(table, names), {}
                    low += len(table)
            except _ERRORS as error:
                reason = f"{group.part.path.name} cannot be read: {because(error)}"
                yield unread(names, high - low), dict.fromkeys(range(high - low), reason)

    def _batches(self, group: RowGroup, low: int, high: int) -> Iterator[Any]:
        while low < high:
            at, batch = group.batch_at(self.cache, low)
            part = batch.slice(low - at, high - low)
            yield pa.Table.from_batches([part])
            low += len(part)

    def _tables(self, group: RowGroup, low: int, high: int) -> Iterator[Any]:
        """Yield rows of one row group: from the cache, or by a cursor if it is too large."""
        part, size, forms = group.part, group.part.sizes[group.number], group.forms
        if size > self.cache.most // _SHARE or forms.mixed:
            yield from group.batches(self.cache, low, high)
            return
        whole = group.whole(self.cache, size, _CACHED_GROUPS)
        step = max(1, _PIECE_BYTES * part.groups[group.number] // max(1, size))
        step = min(step, forms.most_rows) if forms.coded else step
        for at in range(low, high, step):
            yield part.plain(whole.slice(at, min(step, high - at)))

    @property
    def is_remote(self) -> bool:
        return self.parts[0].is_remote

    def places(self, start: int, stop: int) -> list[str] | None:
        if len(self.parts) == 1:
            return None
        starts = np.array([0, *self.file_ends])
        return numbered_names(starts, lambda at: self.parts[at].path.name, start, stop)

    def some(self, count: int) -> NDArray[np.int64]:
        filled = np.flatnonzero(np.diff(self._starts))
        runs = min(_RUNS, len(filled), count)
        length = max(1, count // max(runs, 1))
        chosen = filled[np.linspace(0, len(filled) - 1, runs).astype(int)]
        lows, highs = self._starts[chosen], self._starts[chosen + 1]
        pairs = zip(lows, np.minimum(lows + length, highs), strict=True)
        return np.concatenate([np.arange(low, high) for low, high in pairs]).astype(np.int64)

    def count_values(self, column: str) -> int:
        count = self.n_rows
        for part in self.parts[:_PARTS_TRIED]:
            with part.open(()) as file:
                for group, rows in enumerate(part.groups):
                    count -= rows
                    count += sum(c.num_values for c in leaves(file.metadata, group, [column]))
        return count

    @cached_property
    def memory_need(self) -> MemoryNeed:
        return reading_need(self.parts, self.columns)


def reading_need(parts: Sequence[ParquetPart], columns: Sequence[str]) -> MemoryNeed:
    sizes = [(size, p, g) for p, part in enumerate(parts) for g, size in enumerate(part.sizes)]
    largest = heapq.nlargest(_LOOKED_GROUPS, sizes)
    best = _SHARE * largest[0][0] if largest else 0
    if best <= _SMALL:
        return MemoryNeed(best, best)
    least = 0
    for _, number, group in largest:
        with parts[number].open(columns) as file:
            needed = RowGroup(parts[number], group, tuple(columns)).reading_bytes(file)
            least = max(least, needed)
    return MemoryNeed(min(least, best), best)


def inspect_parquet(paths: Sequence[Path]) -> tuple[ParquetPart, ...]:
    looked = map_requests(_look, paths)
    for path, (_, schema) in zip(paths, looked, strict=True):
        if not schema.equals(looked[0][1]):
            raise UnlikeError(f"{path.name} has other columns than {paths[0].name}")
    return tuple(part for part, _ in looked)


def _look(path: Path) -> tuple[ParquetPart, Any]:
    with readable(path, *_AS_PARQUET), parquet_file(path) as file:
        stat, meta, schema = path.stat(), file.metadata, file.schema_arrow
        rows = tuple(meta.row_group(g).num_rows for g in range(meta.num_row_groups))
        facts = group_bytes(meta), stat.st_size, stat.st_mtime_ns
        texts = tuple(field.name for field in schema if is_text_type(field.type))
        return ParquetPart(fresh_path(path), rows, *facts, texts), schema


def parquet_schema(path: Path) -> Any:
    return _look(path)[1].remove_metadata()


def read_head(path: Path, columns: Sequence[str] | None = None) -> Any:
    part, schema = _look(path)
    names = tuple(schema.names if columns is None else columns)
    found, left, size = list[Any](), _TRIED_ROWS, 0
    with readable(path, *_AS_PARQUET):
        for group, rows in enumerate(part.groups):
            for table in RowGroup(part, group, names).batches(ReadCache(), 0, min(rows, left)):
                found.append(shortened(table) if table.nbytes > _TRIED_BYTES else table)
                left, size = left - len(table), size + table.nbytes
                if size > _TRIED_BYTES:
                    return pa.concat_tables(found)
        return pa.concat_tables(found) if found else schema.empty_table()


def open_parquet(paths: Sequence[Path], label: str, many: str, options: SourceOptions) -> Source:
    options.refuse("Parquet files", dtype=options.dtype)
    parts = inspect_parquet(paths)
    first = next((part for part in parts if sum(part.groups)), None)
    if first is None:
        raise SourceError(f"{label} has no rows")
    with first.open(()) as file:
        schema, leaves = file.schema_arrow, tuple(column.path for column in file.schema)
    names = plain_names(schema)
    cells = ParquetCells(parts, names, tuple(n for n in schema.names if n not in names))
    return open_table(
        OpenedTable(
            cells,
            label,
            options,
            schema=schema,
            read_head=partial(read_head, first.path),
            leaves=leaves,
            folders=tuple(path.parent for path in paths),
            many=many,
        )
    )
