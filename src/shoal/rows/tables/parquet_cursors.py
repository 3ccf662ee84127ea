"""Cursors in row groups, from which rows are read: never a whole large row group at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoal.errors import SourceError
from shoal.rows.handles import LocalFile, ReadAt, Stamped
from shoal.rows.memory_budget import ReadCache
from shoal.rows.tables.parquet_pages import (
    decoded_bytes,
    largest_entry,
    leaves,
    page_sizes,
    reading_bytes,
    rows_within,
)
from shoal.storage import is_remote

_BATCH_BYTES = 4 << 20
_WINDOW_BYTES = 16 << 20
_PAGE_ROWS = 1024  # writers check a page's size after so many rows, however large they are
_MOST_ROWS = 1 << 14
_LEAST_ROWS, _REPEATED_BYTES = 16, 64 << 20  # of texts stored in a dictionary
_USUAL_PAGE = 1 << 20
_BUFFERS = 4 << 20  # bytes that are read ahead, for all columns
_LEAST_BUFFER, _MOST_BUFFER = 1 << 15, 1 << 20


@dataclass(frozen=True)
class TextForms:
    # columns that are read as dictionaries, because they are stored so. Arrow would
    # build dictionaries for others, too, and keep all values of the row group
    coded: tuple[str, ...] = ()
    # rows to read at once, even if the longest entry of a dictionary is repeated in all
    most_rows: int = _MOST_ROWS
    mixed: bool = False  # whether some columns are only partly stored in a dictionary


@contextmanager
def page_headers(path: Path) -> Iterator[ReadAt | None]:
    """Open a file for reading page headers; None for remote files, as each would be a request."""
    if is_remote(path):
        yield None
    else:
        with closing(LocalFile(path)) as opened:
            yield opened.read


@lru_cache(1024)
def text_forms(path: Path, mtime_ns: int, group: int, columns: tuple[str, ...]) -> TextForms:
    """Determine from page headers how columns of text are stored in a row group."""
    coded, largest = [], 1
    with parquet_file(path) as file, page_headers(path) as read:
        chunks = [c for c in leaves(file.metadata, group, columns) if c.has_dictionary_page]
        for chunk in chunks:
            entry = min(_USUAL_PAGE, chunk.total_uncompressed_size)
            largest = max(largest, entry if read is None else largest_entry(chunk, read))
            if read is None or page_sizes(chunk, read).coded:
                coded.append(chunk.path_in_schema)
    most = max(_LEAST_ROWS, min(_MOST_ROWS, _REPEATED_BYTES // largest))
    return TextForms(tuple(coded), most, len(coded) < len(chunks))


@dataclass(frozen=True)
class ParquetPart(Stamped):
    path: Path
    groups: tuple[int, ...]  # rows of each row group
    sizes: tuple[int, ...]  # the most bytes that each row group takes in memory
    size: int
    mtime_ns: int
    texts: tuple[str, ...] = ()  # the columns of text

    def open(self, columns: Sequence[str], texts: Sequence[str] = ()) -> Any:
        self.check_unchanged()
        return parquet_file(self.path, texts, buffer_bytes(self.path, len(columns)))

    def plain(self, table: Any) -> Any:
        for at, field in enumerate(table.schema):
            if field.name in self.texts and pa.types.is_dictionary(field.type):
                text = table.column(at).cast(field.type.value_type)
                table = table.set_column(at, field.name, text)
        return table


def parquet_file(path: Path, texts: Sequence[str] = (), buffer: int = _MOST_BUFFER) -> Any:
    """Open a local or remote Parquet file, to be read by one thread at a time."""
    # no read-ahead: it would read a whole row group, and Arrow's threads with a Python file
    # can outlive the interpreter
    return pq.ParquetFile(
        path.open("rb") if is_remote(path) else path,
        read_dictionary=list(texts) or None,
        buffer_size=buffer,
        pre_buffer=False,
    )


def buffer_bytes(path: Path, columns: int) -> int:
    """Choose how many bytes of each column are buffered: more if each read is a request."""
    if is_remote(path):
        return _MOST_BUFFER
    return max(_LEAST_BUFFER, min(_MOST_BUFFER, _BUFFERS // max(1, columns)))


class Cursor:
    """Reads columns of one row group sequentially, and keeps the most recent batches."""

    def __init__(
        self, file: Any, group: int, columns: Sequence[str], size: int, most_rows: int
    ) -> None:
        self.size, self._file = size, file
        chunks = leaves(file.metadata, group, columns)
        mean = max(1, decoded_bytes(chunks)) / max(file.metadata.row_group(group).num_rows, 1)
        self._batches: Iterator[Any] = file.iter_batches(
            max(1, min(int(_BATCH_BYTES / mean), most_rows)),
            [group],
            columns=list(columns),
            use_threads=False,
        )
        self._window: deque[tuple[int, Any]] = deque()
        self._bytes = 0
        self._next = 0

    @property
    def first(self) -> int:
        return self._window[0][0] if self._window else self._next

    def batch(self, row: int) -> tuple[int, Any]:
        for at, batch in self._window:
            if at <= row < at + len(batch):
                return at, batch
        while True:
            at, batch = self._next, next(self._batches, None)
            if batch is None:
                raise SourceError("a row group has fewer rows than the file's footer says")
            self._next += len(batch)
            self._keep(at, batch)
            if row < self._next:
                return at, batch

    def _keep(self, at: int, batch: Any) -> None:
        self._window.append((at, batch))
        self._bytes += batch.nbytes
        while self._bytes > _WINDOW_BYTES and len(self._window) > 1:
            self._bytes -= self._window.popleft()[1].nbytes

    def close(self) -> None:
        self._batches = iter(())
        self._window.clear()
        self._file.close()


@dataclass(frozen=True)
class RowGroup:
    part: ParquetPart
    number: int
    columns: tuple[str, ...]

    @property
    def forms(self) -> TextForms:
        part, texts = self.part, tuple(t for t in self.part.texts if t in self.columns)
        return text_forms(part.path, part.mtime_ns, self.number, texts) if texts else TextForms()

    def open(self) -> Any:
        """Open the file; repeated texts are read as dictionaries."""
        return self.part.open(self.columns, self.forms.coded)

    def reading_bytes(self, file: Any) -> int:
        chunks = leaves(file.metadata, self.number, self.columns)
        kept = min(decoded_bytes(chunks), _WINDOW_BYTES + 2 * _BATCH_BYTES)
        with page_headers(self.part.path) as read:
            return kept + reading_bytes(chunks, read, buffer_bytes(self.part.path, len(chunks)))

    def batch_at(self, cache: ReadCache, row: int) -> tuple[int, Any]:
        with self._cursor(cache, row, _PAGE_ROWS) as cursor:
            return cursor.batch(row)

    def batches(self, cache: ReadCache, low: int, high: int) -> Iterator[Any]:
        """Yield rows in batches; other threads that read them wait until this is done."""
        with self._cursor(cache, low, _MOST_ROWS) as cursor:
            while low < high:
                at, batch = cursor.batch(low)
                end = min(high, at + len(batch))
                yield self.part.plain(pa.Table.from_batches([batch.slice(low - at, end - low)]))
                low = end

    def whole(self, cache: ReadCache, size: int, most: int) -> Any:
        """Return the whole row group, from the cache or read; it takes `size` bytes."""
        with cache.lock:
            found = cache.take(self)
            if found is None:
                cache.make_room(2 * size, f"reading a row group of {self.part.path.name}", most)
                with self.open() as file:
                    found = file.read_row_group(
                        self.number, columns=list(self.columns), use_threads=False
                    )
            cache.keep(self, found, size)
            return found

    @contextmanager
    def _cursor(self, cache: ReadCache, row: int, most_rows: int) -> Iterator[Cursor]:
        """Use the cursor closest before a row, or a new one; keep it for the next read."""
        key = self, "cursor"
        with cache.lock:
            cursor = cache.take(key, lambda one: one.first if one.first <= row else -1)
            cursor = cursor or self._begin(cache, most_rows)
            try:
                yield cursor
            except BaseException:
                cursor.close()
                raise
            cache.keep(key, cursor, cursor.size)

    def _begin(self, cache: ReadCache, most_rows: int) -> Cursor:
        file = self.open()
        try:
            size, most_rows = self.reading_bytes(file), min(most_rows, self.forms.most_rows)
            with page_headers(self.part.path) as read:
                if read is not None:
                    chunks = leaves(file.metadata, self.number, self.columns)
                    most_rows = min(most_rows, rows_within(_BATCH_BYTES, chunks, read))
            cache.make_room(size, f"reading a row group of {self.part.path.name} page by page")
            return Cursor(file, self.number, self.columns, size, most_rows)
        except BaseException:
            file.close()
            raise
