"""CSV files: vectors of the numeric columns, or a table of mixed ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.sources.base import Batch, Kind
from shoal.sources.csv_file import CsvFile, make_csv_file
from shoal.sources.mixed import TableSource, make_fitted_source, make_table_source
from shoal.sources.schema import Schema
from shoal.sources.sniff import is_number, sniff, to_number
from shoal.sources.store import because, check_range
from shoal.sources.table import Picked, choose_columns, clean


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
    """

    file: CsvFile
    columns: tuple[int, ...]
    name_column: int | None
    label: str

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
        text = f"{self.n_rows:,} vectors of {len(self.columns):,} numbers ({self.label}"
        if self.name_column is None:
            return f"{text})"
        return f"{text}, named by {self.file.names[self.name_column]})"

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
        table, bad = self.file.cells(start, stop, self.columns)
        matrix = np.zeros((stop - start, len(self.columns)))
        wrong: dict[int, str] = {}
        for at, column in enumerate(table.columns):
            try:
                matrix[:, at] = _numbers(column, self.file.decimal)
            except pa.ArrowException:
                for row, reason in self._slowly(column, at, matrix).items():
                    wrong.setdefault(row, reason)
        vectors, unclean = clean(matrix, [self.file.said(at) for at in self.columns])
        bad = unclean | wrong | bad
        vectors[list(bad)] = 0
        return Batch(vectors, bad)

    def _slowly(self, column: Any, at: int, matrix: NDArray[np.float64]) -> dict[int, str]:
        """Parse a column cell by cell, with a reason for each that is no number."""
        bad: dict[int, str] = {}
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


def make_csv_source(
    path: Path, label: str, as_: Kind | None, picked: Picked, schema: Schema | None = None
) -> CsvSource | TableSource:
    """Open a CSV file: delimiter, header and kinds of columns are found by looking.

    Parameters
    ----------
    path : Path
    label : str
        What people call it.
    as_ : {"vectors", "table"} or None
        What to take it for; None to look.
    picked : Picked
        Which columns to take.
    schema : Schema, optional
        That of a fit, to read the rows by.

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
    if schema is not None:
        return make_fitted_source(make_csv_file(path, dialect), label, schema)
    chosen = choose_columns(columns, label, as_, picked)
    file = make_csv_file(path, dialect)
    if chosen is None:
        return make_table_source(file, label, picked)
    return CsvSource(file, chosen.vectors, chosen.name, label)
