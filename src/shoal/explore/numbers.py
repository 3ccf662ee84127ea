"""Rows without pictures, to be looked at: their numbers or cells, and how unusual each is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.rows import Source

MOST = 64
"""Numbers that are shown of a row; of more, means of as many next to each other."""

_ROWS = 2000
_TOGETHER = 50
_LONGEST = 60


@dataclass(frozen=True)
class Numbers:
    """The numbers of the rows of a source of vectors, or the cells of one of a table."""

    source: Source

    @cached_property
    def names(self) -> list[str] | None:
        """What the numbers are called, where they have names and are few."""
        table = self.source.as_table()
        if table is not None:
            names = [column.name for column in table.schema.columns]
        else:
            names = list(map(str, self.source.fingerprint().get("columns") or ()))
        return names if len(names) == self._width <= MOST else None

    @property
    def _width(self) -> int:
        return int(np.prod(self.source.shape))

    def row(self, row: int) -> dict[str, list[Any]]:
        """Return what is shown of a row, and how many deviations each lies above the mean."""
        values = self._read(row, row + 1)[0]
        mean, deviation = self._usual
        away = np.nan_to_num((values - mean) / deviation)
        return {"shown": self._shown(row, values), "away": away.clip(-9, 9).round(2).tolist()}

    def usual(self) -> dict[str, Any]:
        """Return the means of some rows from all over, and how many numbers there are."""
        mean = [None if np.isnan(v) else _short(v) for v in self._usual[0].tolist()]
        return {"mean": mean, "numbers": self._width}

    def _shown(self, row: int, values: NDArray[np.float64]) -> list[Any]:
        """Return the cells of a row as stored, or its numbers."""
        table = self.source.as_table()
        if table is not None:
            found = table.original(row, row + 1)
            cells = {name: found[name][0].as_py() for name in found.column_names}
            return [_said(cells.get(column.name)) for column in table.schema.columns]
        return [_short(value) for value in values.tolist()]

    @cached_property
    def _usual(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and deviation of the numbers of some rows; NaN for categories."""
        n = self.source.n_rows
        step = max(_TOGETHER, n * _TOGETHER // _ROWS)
        blocks = [self._read(at, min(at + _TOGETHER, n)) for at in range(0, n, step)]
        rows = np.concatenate(blocks)
        counts = np.maximum(np.isfinite(rows).sum(axis=0), 1)
        mean = np.nansum(rows, axis=0) / counts
        deviation = np.sqrt(np.nansum((rows - mean) ** 2, axis=0) / counts)
        table = self.source.as_table()
        if table is not None:
            roles = [column.role for column in table.schema.columns]
            mean = np.where(np.array(roles) == "number", mean, np.nan)
        return mean, np.where(deviation > 0, deviation, 1.0)

    def _read(self, start: int, stop: int) -> NDArray[np.float64]:
        rows = self.source.read(start, stop).data.reshape(stop - start, -1).astype(np.float64)
        if rows.shape[1] <= MOST:
            return rows
        bounds = np.linspace(0, rows.shape[1], MOST + 1).astype(np.int64)
        means: NDArray[np.float64] = np.add.reduceat(rows, bounds[:-1], axis=1)
        return means / np.diff(bounds)


def _said(cell: Any) -> Any:
    """Return a cell for people."""
    if cell is None or isinstance(cell, bool | int):
        return cell
    return _short(cell) if isinstance(cell, float) else str(cell)[:_LONGEST]


def _short(value: float) -> float | None:
    """Return a number in five digits, None for what is none."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
