"""Parquet files: vectors of numeric columns or of one column of lists, or a mixed table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from shoal.core.plural import plural
from shoal.errors import InputError, SourceError
from shoal.rows.base import Batch, Kind, LabelValues, Source
from shoal.rows.label_names import words_of
from shoal.rows.options import SourceOptions
from shoal.rows.store import because, check_range
from shoal.rows.tables.cells import is_plain_type
from shoal.rows.tables.column import Column
from shoal.rows.tables.column_labels import ColumnLabels
from shoal.rows.tables.described import describe_columns
from shoal.rows.tables.frames import ParquetCells, kind_of_column
from shoal.rows.tables.label_columns import find_answers
from shoal.rows.tables.mixed import make_fitted_source, make_table_source
from shoal.rows.tables.nested import array_store, array_type, find_arrays, is_list
from shoal.rows.tables.number_text import open_number_text
from shoal.rows.tables.parquet_files import (
    ParquetFiles,
    ParquetPart,
    look_at,
    look_at_all,
    read_head,
)
from shoal.rows.tables.pixel_columns import VectorStore, as_pictures, choose_pixels
from shoal.rows.tables.selection import NOTHING, Chosen, clean, listed

EMBEDDINGS = frozenset(
    ("embedding", "embeddings", "embed", "emb", "vector", "vectors", "feature", "features")
)
"""Words in the names of columns that hold what a network makes of an image."""

_FILES_TRIED, _ROWS_TRIED = 16, 1 << 12


@dataclass(frozen=True)
class ParquetSource:
    """Rows of one or several Parquet files as vectors, read by row groups.

    Attributes
    ----------
    files : ParquetFiles
        Where they lie: `columns`, and that which names the rows.
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
    left_out : mapping
        How many files beside its own are left out, by their extensions.
    chosen : Chosen
        Which columns are left out, and why they are vectors.
    plain : tuple of str
        All columns of plain values.
    answers : tuple of (str, str)
        Columns that look like answers, and why.
    """

    files: ParquetFiles
    columns: tuple[str, ...]
    is_list: bool
    name_column: str | None
    n_columns: int
    label: str
    left_out: Mapping[str, int] = field(default_factory=dict)
    chosen: Chosen = NOTHING
    plain: tuple[str, ...] = ()
    answers: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> Kind:
        """``"vectors"``."""
        return "vectors"

    @property
    def n_rows(self) -> int:
        """How many rows all files have."""
        return self.files.n_rows

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
        text = f"{plural(self.n_rows, 'vector')} of {plural(self.n_columns, 'number')}"
        return f"{text} ({self.label}, {what}{names}{self.chosen.briefly})"

    @property
    def remarks(self) -> tuple[str, ...]:
        """Why they are vectors, and which columns are left out."""
        return self.chosen.remarks

    @property
    def column_names(self) -> tuple[str, ...]:
        """The columns that make the vectors."""
        return () if self.is_list else self.columns

    @property
    def table(self) -> ParquetCells:
        """The cells of all columns of plain values."""
        files = ParquetFiles(self.files.parts, self.plain, 3 * len(self.plain))
        return ParquetCells(files, ())

    @property
    def label_origin(self) -> str | None:
        """The column that looks like the answer; None without one."""
        return ColumnLabels(self.table, self.answers).origin

    def labels(self, key: str | None = None) -> LabelValues | None:
        """Cells of a column, by default of the one that looks like the answer; None without."""
        return ColumnLabels(self.table, self.answers).read(self, key)

    def fingerprint(self) -> dict[str, Any]:
        """Columns, and the files' names, sizes and times."""
        return {
            "kind": "vectors",
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "columns": list(self.columns),
            **self.files.facts(),
        }

    def names(self, start: int, stop: int) -> list[str] | None:
        """Values of the id column, if there is one."""
        check_range(start, stop, self.n_rows)
        return self.files.names(start, stop, self.name_column)

    def read(self, start: int, stop: int) -> Batch:
        """Rows ``start..stop`` as float32; a row with an empty cell has a reason."""
        check_range(start, stop, self.n_rows)
        data = np.zeros((stop - start, self.n_columns), np.float32)
        bad: dict[int, str] = {}
        at = 0
        for count, table in self.files.tables(start, stop, self.columns):
            if isinstance(table, str):
                reasons = dict.fromkeys(range(count), table)
            else:
                try:
                    data[at : at + count], reasons = self._vectors(table)
                except (pa.ArrowException, MemoryError) as error:
                    reasons = dict.fromkeys(range(count), f"cannot be read: {because(error)}")
            bad.update({at + row: reason for row, reason in reasons.items()})
            at += count
        return Batch(data, bad)

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
    """Return a column of lists as a matrix, and reasons for the rows of another length."""
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


def find_embedding(paths: Sequence[Path]) -> str | None:
    """Find the one column of lists of fractions that is called as embeddings are; None without.

    The name decides: boxes, poses and scores are lists too.
    """
    with look_at(paths[0]).open(()) as file:
        schema = file.schema_arrow
    found = [
        field.name
        for field in schema
        if is_list(field.type)
        and pa.types.is_floating(field.type.value_type)
        and not EMBEDDINGS.isdisjoint(words_of(field.name))
    ]
    return found[0] if len(found) == 1 else None


def make_parquet_source(paths: Sequence[Path], label: str, options: SourceOptions) -> Source:
    """Open Parquet files whose columns are alike.

    Raises
    ------
    SourceError
        When a file is damaged, empty or unlike the first.
    InputError
        When the columns make no vectors and no table.
    """
    parts = look_at_all(paths)
    first = next((part for part in parts if sum(part.groups)), None)
    if first is None:
        raise SourceError(f"{label} has no rows")
    head = read_head(first.path)
    cells = plain_cells(parts, head)
    if options.schema is not None:
        return make_fitted_source(cells, label, options.schema)
    picked = options.picked.among(head.column_names, label)
    is_table = options.as_ == "table" and options.key is None
    lists_ = None if is_table else find_arrays(head, label, options.key, picked)
    if lists_ is not None and array_type(head.schema.field(lists_).type)[0] > 1:
        return _of_arrays(cells, head, lists_, label, options)
    if lists_ is not None:
        vectors = _of_lists(cells, head, lists_, label, options)
        return vectors if options.shape is None else _shaped(vectors, cells, options)
    if not cells.names:
        raise InputError(
            f"{label} has no column of numbers, text or dates ({_types(head)}): make columns of "
            "what lists, maps and structs hold; pictures are bytes or arrays of one shape"
        )
    kinds = [kind_of_column(field) for field in head.schema]
    columns = describe_columns(cells, kinds, label, head)
    text = open_number_text(cells, columns, label, options, head)
    if text is not None:
        return text
    more = {"fixed": constant_columns(cells, columns), "fitted": options.fitted}
    chosen, shape = choose_pixels(columns, label, options, picked, **more)
    if chosen.vectors is None:
        return make_table_source(cells, label, picked, chosen)
    used = tuple(head.column_names[at] for at in chosen.vectors)
    name = None if chosen.name is None else head.column_names[chosen.name]
    files = _files(parts, used, name, len(used))
    source = ParquetSource(
        files, used, False, name, len(used), label,
        chosen=chosen, plain=cells.names, answers=chosen.left_out,
    )  # fmt: skip
    return source if shape is None else as_pictures(source, cells, chosen, shape, options)


def _shaped(vectors: ParquetSource, cells: ParquetCells, options: SourceOptions) -> Source:
    """Take a column of lists for pictures of the shape that is asked for."""
    label = f"{vectors.label}, column {vectors.columns[0]}"
    return options.array(VectorStore(vectors), label, ColumnLabels(cells, vectors.answers))


def _of_lists(
    cells: ParquetCells, head: Any, column: str, label: str, options: SourceOptions
) -> ParquetSource:
    """Take a column of lists for vectors; the other columns name and label them."""
    if options.as_ == "table" or (options.as_ == "images" and options.shape is None):
        hint = " without their shape, as in --shape 28,28" if options.as_ == "images" else ""
        raise InputError(
            f"{label} holds vectors (column {column}): it cannot be read --as {options.as_}{hint}"
        )
    length = next((len(value) for value in head.column(column).to_pylist() if value), 0)
    if not length:
        raise SourceError(f"{label}: the lists of column {column} are empty")
    name, answers = names_and_answers(cells, head, label)
    files = _files(cells.files.parts, (column,), name, length)
    plain = cells.names
    return ParquetSource(files, (column,), True, name, length, label, plain=plain, answers=answers)


def _of_arrays(
    cells: ParquetCells, head: Any, column: str, label: str, options: SourceOptions
) -> Source:
    """Take a column of nested lists for pictures, or for vectors where that is asked for."""
    name, answers = names_and_answers(cells, head, label)
    files = _files(cells.files.parts, (column,), name, 0)
    store = array_store(ParquetCells(files, ()), head, column, name, label)
    return options.array(store, f"{label}, column {column}", ColumnLabels(cells, answers))


def names_and_answers(
    cells: ParquetCells, head: Any, label: str
) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """Find the column that names the rows of another one, and those that label them."""
    kinds = [kind_of_column(field) for field in head.schema]
    described = describe_columns(cells, kinds, label, head)
    name = next((one.name for one in described if _is_name(head, one)), None)
    answers = find_answers([one for one in described if one.name != name], aside=True)
    return name, tuple(answers.items())


def constant_columns(cells: ParquetCells, columns: Sequence[Column]) -> dict[str, str]:
    """Find columns that differ from file to file but never within one, such as its number."""
    parts = [part for part in cells.files.parts if sum(part.groups) > 1]
    few = [c for c in columns if c.name in cells.names and 1 < c.values <= len(parts)]
    if len(parts) < 2 or not few:
        return {}
    ends = np.cumsum([sum(part.groups) for part in cells.files.parts])
    places = [cells.names.index(column.name) for column in few]
    constant = {column.name: True for column in few}
    for at in np.linspace(0, len(cells.files.parts) - 1, _FILES_TRIED).astype(int):
        low, high = int(ends[at - 1]) if at else 0, int(ends[at])
        table, _ = cells.cells(low, min(high, low + _ROWS_TRIED), places)
        for name, column in zip(constant, table.columns, strict=True):
            constant[name] &= len(column.unique()) <= 1
    return {name: "the same in all rows of a file" for name, is_one in constant.items() if is_one}


def plain_cells(parts: tuple[ParquetPart, ...], head: Any) -> ParquetCells:
    """Return the columns that hold plain values."""
    plain = tuple(field.name for field in head.schema if is_plain_type(field.type))
    skipped = tuple(name for name in head.column_names if name not in plain)
    return ParquetCells(ParquetFiles(parts, plain, 3 * len(plain)), skipped)


def _files(
    parts: tuple[ParquetPart, ...], columns: tuple[str, ...], name: str | None, width: int
) -> ParquetFiles:
    """Return files of which these columns are read, and the one that names the rows."""
    return ParquetFiles(parts, (*columns, *([name] if name else [])), width)


def _is_name(head: Any, column: Column) -> bool:
    """Return whether a column beside one of lists can name the rows."""
    kind = head.schema.field(column.name).type
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return column.distinct and (text or pa.types.is_integer(kind))


def _types(head: Any) -> str:
    """Say what columns there are, and of which types."""
    return f"it has {listed([f'{field.name}: {field.type}' for field in head.schema])}"
