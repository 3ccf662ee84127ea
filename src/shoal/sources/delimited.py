"""Vectors in CSV files: the numeric columns, read by byte ranges."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.sources.base import Batch, Kind
from shoal.sources.sniff import Dialect, is_number, sniff, to_number
from shoal.sources.store import because, check_range, file_facts
from shoal.sources.table import choose_columns, clean

BLOCK_ROWS = 1024
_CHUNK = 1 << 22
_NEWLINE, _RETURN, _QUOTE = b'\n\r"'


@dataclass(frozen=True, eq=False)
class CsvSource:
    """Rows of a CSV file as vectors.

    Attributes
    ----------
    path : Path
        The file.
    dialect : Dialect
        How it is written.
    columns : tuple of int
        Positions of the columns that make the vectors.
    name_column : int or None
        Position of the column that names the rows.
    n_rows : int
        How many rows there are below the header.
    starts : int64 array
        Byte at which every 1,024th row begins, and the end.
    size, mtime_ns : int
        Size and time of the file when it was looked at.
    label : str
        What people call it.
    """

    path: Path
    dialect: Dialect
    columns: tuple[int, ...]
    name_column: int | None
    n_rows: int
    starts: NDArray[np.int64]
    size: int
    mtime_ns: int
    label: str

    @property
    def kind(self) -> Kind:
        """``"vectors"``."""
        return "vectors"

    @property
    def shape(self) -> tuple[int, ...]:
        """``(D,)``."""
        return (len(self.columns),)

    @property
    def mixed_sizes(self) -> bool:
        """Vectors have one size."""
        return False

    @property
    def description(self) -> str:
        """One line for people."""
        text = f"{self.n_rows:,} vectors of {len(self.columns):,} numbers ({self.label}"
        if self.name_column is None:
            return f"{text})"
        return f"{text}, named by {self.dialect.names[self.name_column]})"

    def fingerprint(self) -> dict[str, Any]:
        """Columns, and the file's name, size and time."""
        return {
            "kind": "vectors",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "columns": [self.dialect.names[at] for at in self.columns],
            **file_facts([(self.path.name, self.size, self.mtime_ns)]),
        }

    def names(self, start: int, stop: int) -> list[str] | None:
        """Cells of the id column, if there is one."""
        check_range(start, stop, self.n_rows)
        if self.name_column is None:
            return None
        try:
            data, skip = self._bytes(start, stop)
            rows = _rows(data, self.dialect.delimiter)[skip : skip + stop - start]
        except (OSError, SourceError):
            return [""] * (stop - start)
        at = self.name_column
        names = [row[at].strip() if at < len(row) else "" for row in rows]
        return names + [""] * (stop - start - len(names))

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop`` as float32; a row with a bad cell has a reason."""
        check_range(start, stop, self.n_rows)
        count = stop - start
        matrix = np.zeros((count, len(self.columns)))
        if not count:
            return Batch(matrix.astype(np.float32))
        try:
            data, skip = self._bytes(start, stop)
            found, bad = self._parse(data)
        except (OSError, ValueError, MemoryError) as error:
            reason = f"{self.path.name} cannot be read: {because(error)}"
            return Batch(matrix.astype(np.float32), dict.fromkeys(range(count), reason))
        found = found[skip : skip + count]
        matrix[: len(found)] = found
        vectors, unclean = clean(matrix, [self._said(at) for at in self.columns])
        bad = {row - skip: reason for row, reason in bad.items() if skip <= row < skip + count}
        missing = dict.fromkeys(range(len(found), count), "the row is missing")
        return Batch(vectors, unclean | bad | missing)

    def _said(self, column: int) -> str:
        """Name a column in a sentence."""
        name = self.dialect.names[column]
        return name if not self.dialect.header else f"column {name}"

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

    def _parse(self, data: bytes) -> tuple[NDArray, dict[int, str]]:
        """Parse rows: all at once, or one by one when some are not as they should be."""
        keys = [str(at) for at in range(len(self.dialect.names))]
        wanted = [keys[at] for at in self.columns]
        try:
            table = pa.csv.read_csv(
                pa.BufferReader(data),
                pa.csv.ReadOptions(column_names=keys, use_threads=False, block_size=len(data) + 1),
                pa.csv.ParseOptions(delimiter=self.dialect.delimiter, newlines_in_values=True),
                pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(wanted, pa.float64()),
                    include_columns=wanted,
                    decimal_point=self.dialect.decimal,
                ),
            )
        except pa.ArrowException:
            return self._parse_slowly(data)
        columns = [table.column(key).to_numpy() for key in wanted]
        return np.stack(columns, axis=1), {}

    def _parse_slowly(self, data: bytes) -> tuple[NDArray, dict[int, str]]:
        """Parse row by row, with a reason for each that is not as it should be."""
        rows = _rows(data, self.dialect.delimiter)
        matrix, bad = np.zeros((len(rows), len(self.columns))), dict[int, str]()
        width = len(self.dialect.names)
        for at, row in enumerate(rows):
            if len(row) != width:
                bad[at] = f"the row has {len(row)} cells, not {width}"
                continue
            cells = [row[column].strip() for column in self.columns]
            wrong = [
                c for c, cell in enumerate(cells) if cell and not is_number(cell, self.dialect)
            ]
            if wrong:
                column = self._said(self.columns[wrong[0]])
                bad[at] = f"{column} is {cells[wrong[0]]!r:.40}, not a number"
                continue
            matrix[at] = [to_number(cell, self.dialect) for cell in cells]
        return matrix, bad


def _rows(data: bytes, delimiter: str) -> list[list[str]]:
    """Split bytes into rows of cells."""
    text = io.StringIO(data.decode("utf-8", "replace"), newline="")
    try:
        return [row for row in csv.reader(text, delimiter=delimiter) if row]
    except csv.Error as error:
        raise SourceError(str(error)) from None


def make_csv_source(path: Path, label: str, as_: Kind | None) -> CsvSource:
    """Open a CSV file: delimiter, header and kinds of columns are found by looking.

    Raises
    ------
    SourceError
        When it cannot be read, or has no rows.
    InputError
        When it has no numeric columns, or also columns of text and `as_` is not "vectors".
    """
    try:
        stat = path.stat()
        dialect, columns = sniff(path)
        chosen = choose_columns(columns, label, as_)
        n_rows, starts = index_rows(path, dialect, quoted=True)
        if n_rows < 0:
            n_rows, starts = index_rows(path, dialect, quoted=False)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {because(error)}") from None
    if n_rows == 0:
        raise SourceError(f"{path} has a header, but no rows")
    return CsvSource(
        path, dialect, chosen.vectors, chosen.name, n_rows, starts,
        stat.st_size, stat.st_mtime_ns, label,
    )  # fmt: skip


def index_rows(path: Path, dialect: Dialect, *, quoted: bool) -> tuple[int, NDArray[np.int64]]:
    """Count rows and find where every 1,024th begins, in one pass over the bytes.

    Empty lines are no rows. With `quoted`, line ends within quotes are none; -1 rows when
    the quotes do not pair off.
    """
    kept: list[NDArray[np.int64]] = []
    seen, parity, base, at_start = -int(dialect.header), 0, 3 * dialect.bom, True
    with path.open("rb") as file:
        file.seek(base)
        while chunk := file.read(_CHUNK):
            codes = np.frombuffer(chunk, np.uint8)
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
            kept.append(base + starts[(order >= 0) & (order % BLOCK_ROWS == 0)])
            seen, base = seen + len(starts), base + len(codes)
    found = np.concatenate([*kept, [base]]).astype(np.int64)
    return (-1 if parity else max(seen, 0)), found
