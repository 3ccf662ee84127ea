"""A table that is being opened: its columns, before its rows are interpreted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from shoal.core.plural import listed
from shoal.errors import InputError, SourceError
from shoal.rows.options import SourceOptions
from shoal.rows.tables.cells import is_text_type, one_array
from shoal.rows.tables.columns import Column, ColumnLabels, by_type, describe_columns, find_answers
from shoal.rows.tables.selection import Picked
from shoal.rows.tables.table import Cells

_TRIED = 50  # sampled cells of a column


@dataclass(frozen=True, eq=False)
class OpenedTable:
    """Columns of a table: those of an Arrow schema, or those detected in a CSV file."""

    cells: Cells  # its columns of plain values
    label: str  # in messages
    options: SourceOptions
    found: Sequence[Column] = ()  # columns without a schema
    schema: Any = None
    read_head: Callable[[], Any] = lambda: None  # reads the first rows of a typed table
    is_long: bool = True  # whether reading more than these rows is slow
    leaves: tuple[str, ...] = ()  # leaf columns: ``image.bytes``, ``image.path``
    folders: tuple[Path, ...] = ()  # folder of each file, to which paths in it are relative
    many: str = ""  # its files, in messages

    @cached_property
    def head(self) -> Any:
        return self.read_head()

    @cached_property
    def columns(self) -> list[Column]:
        kinds = self.found or [by_type(field) for field in self.schema]
        head = self.head if self.is_long else None
        return describe_columns(self.cells, kinds, self.label, head)

    @property
    def names(self) -> Sequence[str]:
        """All columns, including those of lists and bytes."""
        return self.cells.names if self.schema is None else tuple(self.schema.names)

    @cached_property
    def picked(self) -> Picked:
        return self.options.picked.among(self.names, self.label)

    def first(self, leaf: str, count: int = _TRIED) -> Any:
        """Return the first cells of a column: at most `count`, fewer if they are large."""
        count = min(count, self.cells.n_rows)
        table, bad = next(self.cells.only((leaf,)).batches(0, count, leaf))
        if bad:
            raise SourceError(bad[0])
        return one_array(table.column(0))

    def one_of(self, found: Sequence[str], what: str) -> str | None:
        """Return the requested column, or the only one found; None without one."""
        key = self.options.key
        if key is not None and key not in found:
            raise InputError(
                f"{self.label} has no column of {what} called {key}: it has {listed(self.names)}"
            )
        if key is None and len(found) > 1:
            raise InputError(
                f"{self.label} has {len(found)} columns of {what}: give --key {found[0]} or "
                f"another ({listed(found)})"
            )
        return key or next(iter(found), None)

    def name_and_labels(self) -> tuple[str | None, ColumnLabels]:
        """Find the column with the names of rows, and those with labels."""
        kinds = {field.name: field.type for field in self.schema}
        can_name = (
            c.name
            for c in self.columns
            if c.distinct and (is_text_type(kinds[c.name]) or pa.types.is_integer(kinds[c.name]))
        )
        name = next(can_name, None)
        answers = find_answers([c for c in self.columns if c.name != name], aside=True)
        return name, ColumnLabels(self.cells, tuple(answers.items()))
