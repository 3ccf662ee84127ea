"""A CSV file as rows of cells, read by byte ranges."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.sources.handles import bare
from shoal.sources.sniff import Dialect
from shoal.sources.store import because, check_range, file_facts

BLOCK_ROWS = 1024
_CHUNK = 1 << 22
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


@dataclass(frozen=True, eq=False)
class CsvFile:
    """Rows of cells, as text.

    Attributes
    ----------
    path : Path
        The file.
    dialect : Dialect
        How it is written.
    n_rows : int
        How many rows there are below the header.
    starts : int64 array
        Byte at which every 1,024th row begins, and the end.
    quoted : bool
        False where quotes do not pair off, and so are characters like others.
    size, mtime_ns : int
        Size and time of the file when it was looked at.
    """

    path: Path
    dialect: Dialect
    n_rows: int
    starts: NDArray[np.int64]
    quoted: bool
    size: int
    mtime_ns: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.dialect.names

    @property
    def skipped(self) -> tuple[str, ...]:
        """None: all cells are plain."""
        return ()

    @property
    def decimal(self) -> str:
        """Decimal sign of numbers."""
        return self.dialect.decimal

    def facts(self) -> dict[str, Any]:
        """Give the file's name, size and time."""
        return file_facts([(self.path.name, self.size, self.mtime_ns)])

    def cells(
        self, start: int, stop: int, columns: Sequence[int], *, whole: bool = False
    ) -> tuple[Any, dict[int, str]]:
        """Give columns of rows ``start..stop``, by position, as an Arrow table of text.

        Cells of a row that cannot be used are empty, and its place in the range has a reason.
        """
        check_range(start, stop, self.n_rows)
        keys = [self._keys[at] for at in columns]
        count = stop - start
        bad: dict[int, str] = {}
        try:
            data, skip = self._bytes(start, stop) if count else (b"", 0)
            table, found = self._table(data, keys) if count else (_blank(keys, 0), {})
        except (OSError, EOFError, ValueError, MemoryError) as error:
            reason = f"{self.path.name} cannot be read: {because(error)}"
            return _blank(keys, count), dict.fromkeys(range(count), reason)
        bad = {row - skip: reason for row, reason in found.items() if skip <= row < skip + count}
        table = table.slice(skip, count)
        if len(table) < count:
            bad |= dict.fromkeys(range(len(table), count), "the row is missing")
            table = pa.concat_tables([table, _blank(keys, count - len(table))])
        return table, bad

    def said(self, column: int) -> str:
        """Name a column in a sentence."""
        name = self.dialect.names[column]
        return name if not self.dialect.header else f"column {name}"

    @cached_property
    def _keys(self) -> list[str]:
        """Names that no two columns share."""
        return [str(at) for at in range(len(self.dialect.names))]

    def _bytes(self, start: int, stop: int) -> tuple[bytes, int]:
        """Read the blocks that hold a range, and say how many rows come before it."""
        stat = self.path.stat()
        if (stat.st_size, stat.st_mtime_ns) != (self.size, self.mtime_ns):
            raise SourceError("the file changed after it was looked at")
        first, last = start // BLOCK_ROWS, -(-stop // BLOCK_ROWS)
        begin, end = int(self.starts[first]), int(self.starts[max(last, first)])
        with self.path.open("rb") as file:
            file.seek(begin)
            return file.read(end - begin), start - first * BLOCK_ROWS

    def _table(self, data: bytes, keys: list[str]) -> tuple[Any, dict[int, str]]:
        """Split rows into cells: all at once, or one by one when some are not as they should be."""
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(data),
                pa.csv.ReadOptions(
                    column_names=self._keys,
                    use_threads=False,
                    block_size=2 * len(data) + 1,  # in UTF-8, where two bytes can be three
                    encoding=self.dialect.encoding.name,
                ),
                pa.csv.ParseOptions(
                    delimiter=self.dialect.delimiter,
                    quote_char='"' if self.quoted else False,
                    newlines_in_values=True,
                ),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(keys, pa.string()), include_columns=keys
                ),
            )
        except (pa.ArrowException, UnicodeError):
            return self._table_by_rows(data, keys)
        return table, {}

    def _table_by_rows(self, data: bytes, keys: list[str]) -> tuple[Any, dict[int, str]]:
        """Split row by row, with a reason for each that is not as it should be."""
        rows, bad = self._rows(data), dict[int, str]()
        width = len(self._keys)
        for at, row in enumerate(rows):
            if len(row) != width:
                bad[at] = f"the row has {len(row)} cells, not {width}"
                rows[at] = [""] * width
        columns = [pa.array([row[int(key)] for row in rows], pa.string()) for key in keys]
        return pa.table(columns, names=keys), bad

    def _rows(self, data: bytes) -> list[list[str]]:
        """Split bytes into rows of cells."""
        text = io.StringIO(data.decode(self.dialect.encoding.name, "replace"), newline="")
        try:
            reader = csv.reader(
                text,
                delimiter=self.dialect.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
            )
            return [row for row in reader if row]
        except csv.Error as error:
            raise SourceError(str(error)) from None


def make_csv_file(path: Path, dialect: Dialect) -> CsvFile:
    """Find the rows of a CSV file, in one pass over its bytes.

    Raises
    ------
    SourceError
        When it cannot be read, or has no rows.
    """
    try:
        stat, quoted = path.stat(), True
        n_rows, starts = index_rows(path, dialect, quoted=True)
        if n_rows < 0:
            quoted = False
            n_rows, starts = index_rows(path, dialect, quoted=False)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {because(error)}") from None
    if n_rows == 0:
        raise SourceError(f"{path} has a header, but no rows")
    return CsvFile(bare(path), dialect, n_rows, starts, quoted, stat.st_size, stat.st_mtime_ns)


def _blank(keys: Sequence[str], count: int) -> Any:
    """Give empty cells."""
    return pa.table([pa.array([""] * count, pa.string()) for _ in keys], names=list(keys))


def index_rows(path: Path, dialect: Dialect, *, quoted: bool) -> tuple[int, NDArray[np.int64]]:
    """Count rows and find where every 1,024th begins, in one pass over the bytes.

    Empty lines are no rows. With `quoted`, line ends within quotes are none; -1 rows when
    the quotes do not pair off.
    """
    kept: list[NDArray[np.int64]] = []
    encoding = dialect.encoding
    unit = np.dtype(encoding.unit)
    seen, parity, base, at_start = -dialect.header, 0, encoding.bom_bytes, True
    with path.open("rb") as file:
        file.seek(base)
        while chunk := file.read(_CHUNK):
            codes = np.frombuffer(chunk, unit, len(chunk) // unit.itemsize)
            ends = np.flatnonzero(codes == _NEWLINE)
            if quoted and (parity or b'"' in chunk):
                quotes = np.cumsum(codes == _QUOTE) + parity
                ends = ends[quotes[ends] % 2 == 0]
                parity = int(quotes[-1]) % 2
            starts = ends + 1
            if at_start:
                starts = np.concatenate([[0], starts])
            at_start = bool(len(ends)) and int(ends[-1]) == len(codes) - 1
            starts = starts[starts < len(codes)]
            first = codes[starts]
            starts = starts[(first != _NEWLINE) & (first != _RETURN)]
            order = seen + np.arange(len(starts))
            wanted = starts[(order >= 0) & (order % BLOCK_ROWS == 0)]
            kept.append(base + unit.itemsize * wanted)
            seen, base = seen + len(starts), base + len(chunk)
    found = np.concatenate([*kept, [base]]).astype(np.int64)
    return (-1 if parity else max(seen, 0)), found
