"""Places in row groups from which large values are read on: never a whole row group at once."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Any

from shoal.errors import SourceError
from shoal.sources.parquet_files import ParquetPart, parquet_file

_BATCH_BYTES = 4 << 20
_WINDOW_BYTES = 16 << 20
_HELD_BYTES = 192 << 20
_FEWEST_CURSORS, _MOST_CURSORS = 2, 16
_PAGE_ROWS = 1024  # writers end a page after so many rows at the latest, however large they are


class Cursor:
    """Reads a column of one row group on from its beginning, and keeps what it read last.

    Memory is that of a page of the file, of the batches kept, and no more.
    """

    def __init__(self, part: ParquetPart, group: int, column: str) -> None:
        self.key = (part.path, group, column)
        self._file = _open(part)
        meta = self._file.metadata.row_group(group)
        chunks = [meta.column(at) for at in range(meta.num_columns)]
        size = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema == column)
        mean = max(size, 1) / max(meta.num_rows, 1)
        self.held_bytes = min(size, int(_PAGE_ROWS * mean) + _WINDOW_BYTES)
        self._batches: Iterator[Any] = self._file.iter_batches(
            max(1, min(int(_BATCH_BYTES / mean), _PAGE_ROWS)),
            [group],
            columns=[column],
            use_threads=False,
        )
        self._window: deque[tuple[int, Any]] = deque()
        self._held = 0
        self._next = 0

    @property
    def first(self) -> int:
        """The first row that can be had."""
        return self._window[0][0] if self._window else 0

    def batch(self, row: int) -> tuple[int, Any]:
        """Give the batch with a row, and its first row; reads on until there."""
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
        """Keep a batch, and let go of the oldest ones that are too many."""
        self._window.append((at, batch))
        self._held += batch.nbytes
        while self._held > _WINDOW_BYTES and len(self._window) > 1:
            self._held -= self._window.popleft()[1].nbytes

    def close(self) -> None:
        """Close the file."""
        self._batches = iter(())
        self._file.close()


class Cursors:
    """The cursors that were used last, shared by threads; pickles empty."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cursors: deque[Cursor] = deque()

    def __reduce__(self) -> tuple[type[Cursors], tuple[()]]:
        return Cursors, ()

    def batch(self, part: ParquetPart, group: int, column: str, row: int) -> tuple[int, Any]:
        """Give the batch with a row of a row group, and the batch's first row.

        Raises
        ------
        SourceError, OSError, pyarrow.ArrowException
            When the file changed or cannot be read.
        """
        with self._lock:
            cursor = self._take(part, group, column, row)
            try:
                found = cursor.batch(row)
            except BaseException:
                cursor.close()
                raise
            self._cursors.append(cursor)
            while self._are_too_many():
                self._cursors.popleft().close()
            return found

    def _are_too_many(self) -> bool:
        """Tell whether the cursors hold too much, in bytes or in open files."""
        count = len(self._cursors)
        held = sum(cursor.held_bytes for cursor in self._cursors)
        return count > _MOST_CURSORS or (count > _FEWEST_CURSORS and held > _HELD_BYTES)

    def _take(self, part: ParquetPart, group: int, column: str, row: int) -> Cursor:
        """Take out the cursor that can reach a row soonest, or begin a new one."""
        key = (part.path, group, column)
        able = [cursor for cursor in self._cursors if cursor.key == key and cursor.first <= row]
        if not able:
            return Cursor(part, group, column)
        best = max(able, key=lambda cursor: cursor.first)
        self._cursors.remove(best)
        return best


def _open(part: ParquetPart) -> Any:
    """Open a file that is still the one that was looked at, to be read in small pieces."""
    stat = part.path.stat()
    if (stat.st_size, stat.st_mtime_ns) != (part.size, part.mtime_ns):
        raise SourceError("the file changed after it was looked at")
    return parquet_file(part.path, 1 << 20)
