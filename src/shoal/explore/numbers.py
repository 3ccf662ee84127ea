"""Rows without pictures: their numbers or cells, a scatter plot and histograms of the columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.export.base import spread_blocks
from shoal.rows import Source

if TYPE_CHECKING:
    from shoal.explore.explorer import Explorer
    from shoal.explore.params import Params

MOST = 64
"""Numbers that are shown of a row; of more, means of as many next to each other."""

_ROWS, _TOGETHER = 2000, 50  # read for the means, in blocks of so many
_PLOTTED, _PLOT_TOGETHER = 20_000, 100  # read for the plots, likewise
_POINTS = 4000  # more would only lie over each other in a drawing of that size
_BINS = 24
# What lies beyond a hundredth on either side would press all the rest into one bin.
_ENDS = (0.01, 0.99)
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
            return [_cell(cells.get(column.name)) for column in table.schema.columns]
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


def _cell(cell: Any) -> Any:
    if cell is None or isinstance(cell, bool | int):
        return cell
    return _short(cell) if isinstance(cell, float) else str(cell)[:_LONGEST]


def _short(value: float, digits: int = 5) -> float | None:
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None


def columns(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return some rows by two columns, and a histogram of the first for each cluster."""
    numbers = explorer.numbers
    if numbers is None or numbers.names is None:
        raise InputError("there are no named columns to draw, or too many of them")
    source, last = numbers.source, len(numbers.names) - 1
    plain = [at for at in range(last + 1) if _labels(source, at) is None] or [0]
    x = params.whole("x", 0, last, plain[max(0, len(plain) - 2)])
    y = params.whole("y", 0, last, plain[-1])
    rows, cells = explorer.kept("cells", lambda: read_cells(explorer))
    cut = explorer.cut(params.k(explorer))
    positions = explorer.atlas.positions[rows].astype(np.int64)
    rows, cells, positions = rows[positions >= 0], cells[positions >= 0], positions[positions >= 0]
    cluster = cut.ids[cut.labels(positions)]
    some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _POINTS)).astype(int))
    labels = [_labels(source, column) for column in (x, y)]
    return {
        "names": numbers.names,
        "x": x,
        "y": y,
        "labels": labels,
        "points": {
            "x": [_short(v, 6) for v in cells[some, x].tolist()],
            "y": [_short(v, 6) for v in cells[some, y].tolist()],
            "cluster": cluster[some].tolist(),
            "row": rows[some].tolist(),
        },
        "spread": _spread(cells[:, x], cluster, labels[0]),
        "rows": len(rows),
    }


def read_cells(explorer: Explorer) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Read all rows, or evenly spread blocks of many."""
    assert explorer.numbers is not None
    source = explorer.numbers.source
    blocks = spread_blocks(source.n_rows, _PLOT_TOGETHER, _PLOTTED // _PLOT_TOGETHER)
    data = [source.read(*block).data.reshape(block[1] - block[0], -1) for block in blocks]
    rows = np.concatenate([np.arange(*block) for block in blocks])
    return rows, np.concatenate(data).astype(np.float64)


def _labels(source: Any, column: int) -> list[str] | None:
    """Return the categories of a column, None where it holds numbers."""
    table = source.as_table()
    if table is None:
        return None
    labels = table.schema.columns[column].labels
    return list(labels) if len(labels) else None


def _spread(
    values: NDArray[np.float64], cluster: NDArray[np.int64], labels: list[str] | None
) -> dict[str, Any]:
    """Count the rows of each cluster in bins from ``low`` to ``high``, or by category."""
    known = np.isfinite(values) & ((values >= 0) if labels else True)
    values, cluster = values[known], cluster[known]
    if labels:
        low, high, count = -0.5, len(labels) - 0.5, len(labels)
    else:
        ends = np.quantile(values, _ENDS) if len(values) else np.zeros(2)
        low, high, count = float(ends[0]), float(ends[1]), _BINS
        high = high if high > low else low + 1
    clipped = np.clip(values, low, high)
    ids = np.unique(cluster)
    bins = {int(c): np.histogram(clipped[cluster == c], count, (low, high))[0] for c in ids}
    medians = {int(c): _short(np.median(values[cluster == c]), 4) for c in ids}
    return {
        "low": _short(low, 4),
        "high": _short(high, 4),
        "bins": {c: counts.tolist() for c, counts in bins.items()},
        "median": medians,
    }
