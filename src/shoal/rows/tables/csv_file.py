"""A CSV file as rows of cells, read by byte ranges.

pyarrow parses; an index of row positions is kept here, as neither pyarrow nor DuckDB can start in
the middle of a file. Converting to Parquet once would take 1.3 s of a core for 1,000,000 rows of 16
numbers (DuckDB; pyarrow 2.7 s), twice the disk space, and a copy that others must not see; parsing
in place takes 0.9 s per pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from shoal.errors import SourceError, because
from shoal.rows.base import Source
from shoal.rows.handles import Stamped, file_facts, fresh_path, readable
from shoal.rows.options import SourceOptions
from shoal.rows.store import READ_ERRORS, check_range
from shoal.rows.tables.columns import OpenedTable
from shoal.rows.tables.open_table import open_table
from shoal.rows.tables.sniff import Dialect, sniff
from shoal.rows.tables.table import Cells, Piece

PIECE_ROWS = 1024
PIECE_BYTES = 1 << 20
MOST_ROW_BYTES = 1 << 24
_READ_BYTES, _COLUMN_BYTES = 4 << 20, 1 << 10  # at a time, more where there are many columns
_CHUNK = 1 << 20
_NONE = np.zeros(0, np.int64)
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


@dataclass(frozen=True, eq=False)
class CsvCells(Stamped, Cells):
    path: Path
    dialect: Dialect
    # byte and row at which each piece begins, and the end. A piece has up to 1,024 rows of up to
    # about a MiB, or one longer row
    starts: NDArray[np.int64]
    firsts: NDArray[np.int64]
    quoted: bool  # false where quotes are not paired, and so are ordinary characters
    size: int
    mtime_ns: int

    @property
    def n_rows(self) -> int:
        return int(self.firsts[-1])

    @property
    def names(self) -> tuple[str, ...]:
        return self.dialect.names

    @property
    def decimal(self) -> str:
        return self.dialect.decimal

    def facts(self) -> dict[str, Any]:
        return file_facts([self])

    def pieces(self, start: int, stop: int, columns: Sequence[str]) -> Iterator[Piece]:
        check_range(start, stop, self.n_rows)
        names = list(columns)
        try:
            self.check_unchanged()
            with self.path.open("rb") as file:
                while start < stop:
                    first, end = self._pieces_from(start, stop)
                    high = min(stop, int(self.firsts[end]))
                    yield self._rows_of(file, first, end, start, high, names)
                    start = high
        except READ_ERRORS as error:
            reason = f"{self.path.name} cannot be read: {because(error)}"
            yield _blank(names, stop - start), dict.fromkeys(range(stop - start), reason)

    def _pieces_from(self, start: int, stop: int) -> tuple[int, int]:
        first = int(np.searchsorted(self.firsts, start, side="right")) - 1
        last = int(np.searchsorted(self.firsts, stop, side="left"))
        size = min(max(_READ_BYTES, _COLUMN_BYTES * len(self.names)), MOST_ROW_BYTES)
        most = int(np.searchsorted(self.starts, self.starts[first] + size, "right")) - 1
        return first, max(first + 1, min(last, most))

    def _rows_of(
        self, file: BinaryIO, first: int, end: int, start: int, stop: int, names: list[str]
    ) -> Piece:
        """Return rows of some pieces as a table of text, with reasons for bad rows."""
        count, skip = stop - start, start - int(self.firsts[first])
        length = int(self.starts[end] - self.starts[first])
        if length > MOST_ROW_BYTES:
            reason = f"the row has {length:,} bytes, more than {MOST_ROW_BYTES:,}"
            return _blank(names, count), dict.fromkeys(range(count), reason)
        file.seek(int(self.starts[first]))
        table, found = self._table(file.read(length), names)
        bad = {row - skip: reason for row, reason in found.items() if skip <= row < skip + count}
        table = table.slice(skip, count)
        if len(table) < count:
            bad |= dict.fromkeys(range(len(table), count), "the row is missing")
            table = pa.concat_tables([table, _blank(names, count - len(table))])
        return table, bad

    def _table(self, data: bytes, names: list[str]) -> Piece:
        """Split rows into cells; rows with too many or too few are null and have a reason."""
        bad = dict[int, str]()

        def skip(row: Any) -> str:
            had, width = row.actual_columns, row.expected_columns
            bad[row.number - 1] = f"the row has {had} cells, not {width}"
            return "skip"

        encoding = self.dialect.encoding.name
        try:
            table = self._parsed(data, encoding, names, skip)
        except (pa.ArrowException, UnicodeError):  # bytes that are not valid text
            bad.clear()
            table = self._parsed(data.decode(encoding, "replace").encode(), "utf-8", names, skip)
        if bad:
            rows = np.zeros(len(table) + len(bad), np.int64)
            gone = np.isin(np.arange(len(rows)), list(bad))
            rows[~gone] = np.arange(len(table))
            table = table.take(pa.array(rows, mask=gone))
        return table, bad

    def _parsed(
        self, data: bytes, encoding: str, names: list[str], skip: Callable[[Any], str]
    ) -> Any:
        return pa.csv.read_csv(
            pa.BufferReader(data),
            pa.csv.ReadOptions(
                column_names=self.names,
                use_threads=False,
                block_size=2 * len(data) + 1,  # in UTF-8, where two bytes can be three
                encoding=encoding,
            ),
            pa.csv.ParseOptions(
                delimiter=self.dialect.delimiter,
                quote_char='"' if self.quoted else False,
                newlines_in_values=True,
                invalid_row_handler=skip,
            ),
            pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), include_columns=names
            ),
        )


def open_csv(path: Path, label: str, options: SourceOptions) -> Source:
    with readable(path):
        dialect, columns = sniff(path)
        stat = path.stat()
        index = index_rows(path, dialect, quoted=True)
        quoted = len(index[0]) > 0
        starts, firsts = index if quoted else index_rows(path, dialect, quoted=False)
    if not firsts[-1]:
        raise SourceError(f"{path} has a header, but no rows")
    facts = stat.st_size, stat.st_mtime_ns
    cells = CsvCells(fresh_path(path), dialect, starts, firsts, quoted, *facts)
    return open_table(OpenedTable(cells, label, options, columns))


def _blank(names: Sequence[str], count: int) -> Any:
    return pa.table([pa.array([""] * count, pa.string()) for _ in names], names=list(names))


def index_rows(
    path: Path, dialect: Dialect, *, quoted: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find where the pieces of a file begin, and their first rows, in one pass over the bytes."""
    encoding = dialect.encoding
    unit = np.dtype(encoding.unit)
    pieces, parity, base, at_start = _Pieces(dialect.header), 0, encoding.bom_bytes, True
    with path.open("rb") as file:
        file.seek(base)
        while chunk := file.read(_CHUNK):
            codes = np.frombuffer(chunk, unit, len(chunk) // unit.itemsize)
            ends = np.flatnonzero(codes == _NEWLINE)
            if quoted and (parity or b'"' in chunk):
                quotes = np.cumsum(codes == _QUOTE, dtype=np.int32) + parity
                ends = ends[quotes[ends] % 2 == 0]
                parity = int(quotes[-1]) % 2
            starts = ends + 1
            if at_start:
                starts = np.concatenate([[0], starts])
            at_start = bool(len(ends)) and int(ends[-1]) == len(codes) - 1
            starts = starts[starts < len(codes)]
            first = codes[starts]
            starts = starts[(first != _NEWLINE) & (first != _RETURN)]
            pieces.add(base + unit.itemsize * starts)
            base += len(chunk)
    return (_NONE, _NONE) if parity else pieces.finish(base)


class _Pieces:
    """Groups rows into pieces; a row is added when the beginning of the next one is known."""

    def __init__(self, header: int) -> None:
        self._found: list[NDArray[np.int64]] = []
        self._next, self._last, self._bucket = -header, _NONE, -1

    def add(self, starts: NDArray[np.int64]) -> None:
        rows = np.concatenate([self._last, starts]).astype(np.int64)
        if not len(rows):
            return
        self._last, rows, length = rows[-1:], rows[:-1], np.diff(rows)
        numbers = self._next + np.arange(len(rows))
        buckets = rows // PIECE_BYTES
        is_new = np.diff(buckets, prepend=self._bucket) != 0
        is_new |= (numbers % PIECE_ROWS == 0) | (length > PIECE_BYTES)
        is_new &= numbers >= 0
        self._found.append(np.stack([rows[is_new], numbers[is_new]]))
        self._next += len(rows)
        self._bucket = int(buckets[-1]) if len(rows) else self._bucket

    def finish(self, end: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        self.add(np.array([end]))
        last = [[end], [max(self._next, 0)]]
        starts, firsts = np.concatenate([*self._found, last], axis=1).astype(np.int64)
        return starts, firsts
