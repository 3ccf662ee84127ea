"""Labels in a column of the table that the rows are of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shoal.errors import InputError
from shoal.rows.base import LabelValues, Source
from shoal.rows.tables.cells import plain, to_text
from shoal.rows.tables.columns import answers_in
from shoal.rows.tables.selection import listed
from shoal.rows.tables.table import Cells

_CELLS_AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class ColumnLabels:
    table: Cells  # the table, with the columns that are not used
    left_out: tuple[tuple[str, str], ...]  # columns that are not used, and why

    @property
    def origin(self) -> str | None:
        found = answers_in(self.left_out)
        return f"column {found[0]}" if found else None

    def read(self, source: Source, key: str | None = None) -> LabelValues | None:
        """Read a column of all rows of the table, by default the one that looks like the answer."""
        name = key or next(iter(answers_in(self.left_out)), None)
        if name is None:
            return None
        if name not in self.table.names:
            raise InputError(
                f"there is no column {name} beside the rows of {source.description}: there are "
                f"{listed(self.table.names)}"
            )
        found = [
            plain(self.table.cells(low, min(low + _CELLS_AT_ONCE, self.table.n_rows), [name])[0][0])
            for low in range(0, self.table.n_rows, _CELLS_AT_ONCE)
        ]
        if all(pa.types.is_integer(cells.type) and not cells.null_count for cells in found):
            return np.concatenate([np.asarray(cells) for cells in found])
        texts: list[Any] = []
        for cells in found:
            texts += to_text(cells).to_pylist()
        return texts
