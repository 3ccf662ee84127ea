"""CSV files: vectors of the numeric columns, or a table of mixed ones."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.core.plural import plural
from shoal.errors import SourceError
from shoal.rows.base import Batch, Kind, LabelValues, Source
from shoal.rows.options import SourceOptions
from shoal.rows.store import because, check_range
from shoal.rows.tables.column_labels import ColumnLabels
from shoal.rows.tables.csv_file import CsvFile, make_csv_file
from shoal.rows.tables.described import Cells, describe_columns
from shoal.rows.tables.mixed import make_fitted_source, make_table_source
from shoal.rows.tables.number_text import open_number_text
from shoal.rows.tables.pixel_columns import as_pictures, choose_pixels
from shoal.rows.tables.selection import NOTHING, Chosen, clean
from shoal.rows.tables.sniff import is_number, sniff, to_number


@dataclass(frozen=True, eq=False)
class CsvSource:
    """Rows of a CSV file as vectors.

    Attributes
    ----------
    file : CsvFile
        Where they lie.
    columns : tuple of int
        Positions of the columns that make the vectors.
    name_column : int or None
        Position of the column that names the rows.
    label : str
        What people call it.
    chosen : Chosen
        Which columns are left out, and why they are vectors.
    """

    file: CsvFile
    columns: tuple[int, ...]
    name_column: int | None
    label: str
    chosen: Chosen = NOTHING

    @property
    def kind(self) -> Kind:
        """``"vectors"``."""
        return "vectors"

    @property
    def n_rows(self) -> int:
        """How many rows there are below the header."""
        return self.file.n_rows

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
        size = plural(len(self.columns), "number")
        text = f"{plural(self.n_rows, 'vector')} of {size} ({self.label}"
        if self.name_column is not None:
            text += f", named by {self.file.names[self.name_column]}"
        return f"{text}{self.chosen.briefly})"

    @property
    def label_origin(self) -> str | None:
        """The column that looks like the answer; None without one."""
        return ColumnLabels(self.table, self.chosen.left_out).origin

    def labels(self, key: str | None = None) -> LabelValues | None:
        """Cells of a column, by default of the one that looks like the answer; None without."""
        return ColumnLabels(self.table, self.chosen.left_out).read(self, key)

    @property
    def table(self) -> Cells:
        """The cells of all columns."""
        return self.file

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why they are vectors, and which columns are left out."""
        return self.chosen.remarks

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that make the vectors."""
        return tuple(self.file.names[at] for at in self.columns)

    def fingerprint(self) -> dict[str, Any]:
        """Columns, and the file's name, size and time."""
        return {
            "kind": "vectors",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "columns": [self.file.names[at] for at in self.columns],
            **self.file.facts(),
        }

    def names(self, start: int, stop: int) -> list[str] | None:
        """Cells of the id column, if there is one."""
        check_range(start, stop, self.n_rows)
        if self.name_column is None:
            return None
        table, _ = self.file.cells(start, stop, [self.name_column])
        return [cell.strip() for cell in table.column(0).to_pylist()]

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop`` as float32; a row with a bad cell has a reason."""
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, len(self.columns)), np.float32)
        bad, at = dict[int, str](), 0
        for table, reasons in self.file.pieces(start, stop, self.columns):
            data[at : at + len(table)], wrong = self._vectors(table)
            bad |= {at + row: reason for row, reason in (wrong | reasons).items()}
            at += len(table)
        data[list(bad)] = 0
        return Batch(data, bad)

    def _vectors(self, table: Any) -> tuple[NDArray[np.float32], dict[int, str]]:
        """Parse cells of text as vectors, with a reason for each row with a bad one."""
        wrong: dict[int, str] = {}
        try:  # all columns at once: there may be thousands
            cells = pa.chunked_array([chunk for one in table.columns for chunk in one.chunks])
            matrix = _numbers(cells, self.file.decimal).reshape(len(self.columns), len(table)).T
        except pa.ArrowException:
            matrix = np.zeros((len(table), len(self.columns)))
            for at, column in enumerate(table.columns):
                for row, reason in self._parse(column, at, matrix).items():
                    wrong.setdefault(row, reason)
        vectors, unclean = clean(matrix, [self.file.said(at) for at in self.columns])
        return vectors, unclean | wrong

    def _parse(self, column: Any, at: int, matrix: NDArray[np.float64]) -> dict[int, str]:
        """Parse a column, cell by cell where one is not a number, with a reason for each such."""
        bad: dict[int, str] = {}
        with suppress(pa.ArrowException):
            matrix[:, at] = _numbers(column, self.file.decimal)
            return bad
        for row, cell in enumerate(column.to_pylist()):
            matrix[row, at] = to_number(cell, self.file.dialect)
            if not is_number(cell, self.file.dialect):
                said = self.file.said(self.columns[at])
                bad[row] = f"{said} is {cell.strip()!r:.40}, not a number"
        return bad


def _numbers(column: Any, decimal: str) -> NDArray[np.float64]:
    """Parse a column of text at once; raises where a cell is neither a number nor empty."""
    if decimal != ".":
        column = pc.replace_substring(column, decimal, ".")
    column = pc.if_else(pc.equal(column, ""), None, column)
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


def make_csv_source(path: Path, label: str, options: SourceOptions) -> Source:
    """Open a CSV file: delimiter, header and kinds of columns are found by looking.

    Raises
    ------
    SourceError
        When it cannot be read, or has no rows.
    InputError
        When the columns cannot be used.
    """
    try:
        dialect, columns = sniff(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {because(error)}") from None
    file = make_csv_file(path, dialect)
    if options.schema is not None:
        return make_fitted_source(file, label, options.schema)
    picked = options.picked.among(file.names, label)
    columns = describe_columns(file, columns, label)
    text = open_number_text(file, columns, label, options)
    if text is not None:
        return text
    chosen, shape = choose_pixels(columns, label, options, picked, fitted=options.fitted)
    if chosen.vectors is None:
        return make_table_source(file, label, picked, chosen)
    source = CsvSource(file, chosen.vectors, chosen.name, label, chosen)
    return source if shape is None else as_pictures(source, file, chosen, shape, options)
