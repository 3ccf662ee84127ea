"""What distinguishes the clusters of a table: medians and shares, compared with all rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shoal.export.base import spread_blocks
from shoal.rows.tables.mixed import TableSource
from shoal.rows.tables.schema import TableColumn

_BLOCK = 1024
_MOST_ROWS = 200_000
_MOST_CELLS = 1 << 23
_QUARTILES = (0.25, 0.5, 0.75)
_ENDS = (0.05, 0.95)
NORMAL_QUARTILES = 1.349  # distance of the quartiles of a normal distribution, in deviations
_SHIFT = 0.383  # share of a normal law that a shift by one deviation moves out of its place
_MOST_TELLING = 9.99


@dataclass(frozen=True)
class Traits:
    """Medians and shares of each cluster; the last one along the first axis is all rows."""

    columns: tuple[TableColumn, ...]  # Those of the table, in order
    rows: int  # How many rows were read
    # (K + 1, columns, 3) Of numbers and dates; NaN for categories and where no cell is known
    quartiles: NDArray[np.float64]
    ends: NDArray[np.float64]  # (columns, 2) Between which nine of ten cells of all rows lie
    # For each column of categories, shape (K + 1, labels): parts of the known cells
    shares: tuple[NDArray[np.float64] | None, ...]
    gaps: NDArray[np.float64]  # (K + 1, columns) Part of the cells that are missing
    # (K, columns) How far a column sets a cluster apart, in standard deviations of a number;
    # categories by the part of the rows that have another one than in all, which is .38 for one
    # deviation
    telling: NDArray[np.float64]

    def phrases(self, cluster: int, count: int) -> list[str]:
        """Describe what distinguishes a cluster by at least half a deviation, in short phrases."""
        order = np.argsort(-self.telling[cluster], kind="stable")[:count]
        return [self._phrase(cluster, int(at)) for at in order if self.telling[cluster, at] >= 0.5]

    def _phrase(self, cluster: int, at: int) -> str:
        column, shares = self.columns[at], self.shares[at]
        if shares is None:
            mine, all_ = self.quartiles[cluster, at, 1], self.quartiles[-1, at, 1]
            return f"{column.name} {self.figure(mine, at)} (all: {self.figure(all_, at)})"
        label = int(np.argmax(shares[cluster] - shares[-1]))
        mine, all_ = shares[cluster, label], shares[-1, label]
        return f"{column.name} {column.labels[label]} {mine:.0%} (all: {all_:.0%})"

    def axis(self, cluster: int, at: int) -> tuple[float, float]:
        """Return the range of a column's axis: 90% of all rows, and the cluster's middle half.

        A small cluster may lie beyond the 90%; only its own axis is then longer.
        """
        marks = np.append(self.quartiles[cluster, at], self.ends[at])
        known = marks[np.isfinite(marks)]
        return (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)

    def figure(self, value: float, at: int) -> str:
        spread = float(self.ends[at, 1] - self.ends[at, 0])
        if self.columns[at].role == "date":
            return day(value, spread)
        return figure(value, spread)


def gather_traits(source: TableSource, clusters: NDArray[np.int64], k: int) -> Traits:
    """Read a table, or evenly spread blocks of a large one, and summarise each cluster.

    `clusters`: (n,), position 0 .. k − 1 of each row's cluster, negative for rows without one.
    """
    data, at = _read(source, clusters)
    columns = source.schema.columns
    groups = [np.flatnonzero(at == cluster) for cluster in range(k)]
    groups.append(np.arange(len(data)))
    number = np.array([column.role != "category" for column in columns])
    quartiles = np.full((k + 1, len(columns), 3), np.nan)
    gaps = np.zeros((k + 1, len(columns)))
    for cluster, rows in enumerate(groups):
        quartiles[cluster][number] = column_quantiles(data[rows][:, number], _QUARTILES)
        gaps[cluster] = (~np.isfinite(data[rows])).mean(axis=0) if len(rows) else 0.0
    ends = np.full((len(columns), 2), np.nan)
    ends[number] = column_quantiles(data[:, number], _ENDS)
    shares = tuple(
        None if number[c] else _shares(data[:, c], at, k, len(column.labels))
        for c, column in enumerate(columns)
    )
    telling = np.stack([_telling(c, quartiles, ends, shares) for c in range(len(columns))], axis=1)
    return Traits(columns, len(data), quartiles, ends, shares, gaps, telling)


def column_quantiles(
    matrix: NDArray[np.float64], probabilities: Sequence[float]
) -> NDArray[np.float64]:
    """Return quantiles of the finite cells of each column, (columns, probabilities); NaN for none.

    Examples
    --------
    >>> cells = np.array([[1, np.nan], [3, np.nan], [np.nan, np.inf]])
    >>> column_quantiles(cells, [0.5]).ravel()
    array([ 2., nan])
    """
    known = np.sort(np.where(np.isfinite(matrix), matrix, np.nan), axis=0)
    counts = np.isfinite(known).sum(axis=0)
    found = np.full((matrix.shape[1], len(probabilities)), np.nan)
    some = np.flatnonzero(counts)
    for i, p in enumerate(probabilities):
        place = p * (counts[some] - 1)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, counts[some] - 1)
        a, b = known[low, some], known[high, some]
        found[some, i] = a + (b - a) * (place - low)
    return found


def figure(value: float, spread: float) -> str:
    """Format a number with the digits that matter for values of this spread.

    >>> figure(12345.678, 1000), figure(0.012345, 0.1), figure(2008.0, 5), figure(float("nan"), 1)
    ('12,346', '0.012', '2008', '–')
    """
    if not math.isfinite(value):
        return "–"
    size = spread if spread > 0 and math.isfinite(spread) else abs(value) or 1.0
    digits = min(max(0, 2 - math.floor(math.log10(size))), 12)
    text = f"{value:,.{digits}f}" if abs(value) < 1e15 else f"{value:.3g}"
    text = text.replace(",", "") if abs(value) < 9999.5 else text  # it may be a year
    return text.rstrip("0").rstrip(".") if "." in text else text


def day(value: float, spread: float) -> str:
    """Format days since 1970 as a date, with the time if values spread over few days.

    >>> day(19723.5, 400), day(19723.5, 1), day(float("nan"), 1), day(1e12, 1)
    ('2024-01-01', '2024-01-01 12:00', '–', '–')
    """
    try:
        found = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=value)
    except (OverflowError, ValueError):
        return "–"
    return f"{found:%Y-%m-%d}" if spread > 3 else f"{found:%Y-%m-%d %H:%M}"


def _read(
    source: TableSource, clusters: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    most = max(1, min(_MOST_ROWS, _MOST_CELLS // source.shape[0]) // _BLOCK)
    blocks, found = [], []
    for start, stop in spread_blocks(source.n_rows, _BLOCK, most):
        known = np.flatnonzero(clusters[start:stop] >= 0)
        blocks.append(source.read(start, stop).data[known])
        found.append(clusters[start:stop][known])
    return np.concatenate(blocks), np.concatenate(found)


def _shares(
    cells: NDArray[np.float64], at: NDArray[np.int64], k: int, labels: int
) -> NDArray[np.float64]:
    """Return the share of each label in the known cells of each cluster, and of all rows."""
    known = np.isfinite(cells) & (cells >= 0)
    codes = cells[known].astype(np.int64)
    counts = np.bincount(at[known] * labels + codes, minlength=k * labels).reshape(k, labels)
    counts = np.concatenate([counts, counts.sum(axis=0, keepdims=True)])
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _telling(
    column: int,
    quartiles: NDArray[np.float64],
    ends: NDArray[np.float64],
    shares: tuple[NDArray[np.float64] | None, ...],
) -> NDArray[np.float64]:
    mine = shares[column]
    if mine is not None:
        return np.abs(mine[:-1] - mine[-1]).sum(axis=1) / (2 * _SHIFT)
    low, middle, high = quartiles[-1, column]
    spread = (high - low) / NORMAL_QUARTILES or (ends[column, 1] - ends[column, 0]) / 3.29
    if not spread > 0:
        return np.zeros(len(quartiles) - 1)
    away = np.abs(quartiles[:-1, column, 1] - middle) / spread
    return np.minimum(np.nan_to_num(away), _MOST_TELLING)
