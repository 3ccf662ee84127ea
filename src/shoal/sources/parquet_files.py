"""Parquet files as one run of rows, read by row groups."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoal.errors import SourceError, UnlikeError
from shoal.sources.handles import bare
from shoal.sources.store import because, check_range, file_facts
from shoal.storage import UrlPath, many

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
        self._groups: OrderedDict[tuple[int, int, tuple[str, ...]], Any] = OrderedDict()

    def __reduce__(self) -> tuple[type[GroupCache], tuple[()]]:
        return GroupCache, ()

    def get(self, files: ParquetFiles, part: int, group: int, columns: tuple[str, ...]) -> Any:
        """Give a row group as an Arrow table, read if need be."""
        key = (part, group, columns)
        with self._lock:
            found = self._groups.pop(key, None)
            if found is None:
                while len(self._groups) >= _HELD_GROUPS:
                    self._groups.popitem(last=False)
                found = files.load(part, group, columns)
            self._groups[key] = found
            return found


@dataclass(frozen=True)
class ParquetFiles:
    """Some columns of one or several files whose columns are alike, in order.

    Attributes
    ----------
    parts : tuple of ParquetPart
        The files.
    columns : tuple of str
        The columns that are read.
    width : int
        How many numbers a row is at most, to know what can be held.
    """

    parts: tuple[ParquetPart, ...]
    columns: tuple[str, ...]
    width: int
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
    def n_rows(self) -> int:
        """How many rows all files have."""
        return int(self._starts[-1])

    def facts(self) -> dict[str, Any]:
        """Give the files' names, sizes and times."""
        return file_facts([(part.path.name, part.size, part.mtime_ns) for part in self.parts])

    def tables(
        self, start: int, stop: int, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[int, Any]]:
        """Give a range row group by row group: how many rows, and a table or why there is none.

        `columns` are some of those that are read, by default all.
        """
        check_range(start, stop, self.n_rows)
        wanted = self.columns if columns is None else tuple(columns)
        for group, low, high in self._spans(start, stop):
            try:
                yield high - low, self._table(group, low, high, wanted)
            except (OSError, EOFError, pa.ArrowException, SourceError, MemoryError) as error:
                part = self.parts[self._groups[group][0]]
                yield high - low, f"{part.path.name} cannot be read: {because(error)}"

    def names(self, start: int, stop: int, column: str | None) -> list[str] | None:
        """Give a column as text, empty where a cell is; None without a column."""
        if column is None:
            return None
        names: list[str] = []
        for count, table in self.tables(start, stop):
            values = [None] * count if isinstance(table, str) else table.column(column).to_pylist()
            names.extend("" if value is None else str(value) for value in values)
        return names

    def load(self, part: int, group: int, columns: tuple[str, ...]) -> Any:
        """Read one row group's columns as an Arrow table."""
        with self._open(part) as file:
            return file.read_row_group(group, columns=list(columns), use_threads=False)

    def _open(self, part: int) -> Any:
        """Open a file that is still the one that was looked at."""
        found = self.parts[part]
        stat = found.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (found.size, found.mtime_ns):
            raise SourceError("the file changed after it was looked at")
        return parquet_file(found.path)

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

    def _table(self, group: int, low: int, high: int, columns: tuple[str, ...]) -> Any:
        """Rows of one row group; groups too large to hold are passed through in batches."""
        part, number = self._groups[group]
        size = self.parts[part].groups[number] * self.width * 8
        if size <= _MOST_HELD_BYTES:
            return self.cache.get(self, part, number, columns).slice(low, high - low)
        kept, seen = [], 0
        with self._open(part) as file:
            batches = file.iter_batches(
                _BATCH_ROWS, [number], columns=list(columns), use_threads=False
            )
            for batch in batches:
                begin = max(low - seen, 0)
                kept.append(batch.slice(begin, max(min(high - seen, len(batch)) - begin, 0)))
                seen += len(batch)
                if seen >= high:
                    break
        return pa.Table.from_batches(kept)


def parquet_file(path: Path, buffer_size: int = 0) -> Any:
    """Open a Parquet file, wherever it lies, to be read by one thread at a time."""
    if isinstance(path, UrlPath):
        # nothing ahead: Arrow's threads that hold a Python file can outlive the interpreter
        file = path.open("rb")
        return pq.ParquetFile(file, buffer_size=buffer_size, pre_buffer=False)
    return pq.ParquetFile(path, buffer_size=buffer_size, pre_buffer=not buffer_size)


def look_at_all(paths: Sequence[Path]) -> tuple[ParquetPart, ...]:
    """Read the footers of files, and check that they have the same columns.

    Raises
    ------
    SourceError
        When one is damaged or unlike the first.
    """
    looked = many(paths[0], _look, paths)
    for path, (_, schema) in zip(paths, looked, strict=True):
        if not schema.equals(looked[0][1]):
            raise UnlikeError(f"{path.name} has other columns than {paths[0].name}")
    return tuple(part for part, _ in looked)


def _look(path: Path) -> tuple[ParquetPart, Any]:
    """Read a file's footer."""
    try:
        stat = path.stat()
        with parquet_file(path) as file:
            meta = file.metadata
            groups = tuple(meta.row_group(g).num_rows for g in range(meta.num_row_groups))
            return ParquetPart(
                bare(path), groups, stat.st_size, stat.st_mtime_ns
            ), file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {because(error)}") from None


def parquet_schema(path: Path) -> Any:
    """Read a file's Arrow schema, without what is noted in it.

    Raises
    ------
    SourceError
        When the file is damaged.
    """
    return _look(path)[1].remove_metadata()


def read_head(path: Path) -> Any:
    """Read the first rows of a file."""
    try:
        with parquet_file(path) as file:
            return pa.Table.from_batches([next(file.iter_batches(_TRIED_ROWS))])
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read as Parquet: {because(error)}") from None
