"""Requests for the columns of a table: a scatter plot of two, and one by cluster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.explore.explorer import Explorer
from shoal.explore.params import Params
from shoal.export.base import spread_blocks

_POINTS = 4000  # more would only lie over each other in a drawing of that size
_READ = 20_000
_TOGETHER = 100
_BINS = 24
# What lies beyond a hundredth on either side would press all the rest into one bin.
_ENDS = (0.01, 0.99)


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
            "x": _written(cells[some, x]),
            "y": _written(cells[some, y]),
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
    blocks = spread_blocks(source.n_rows, _TOGETHER, _READ // _TOGETHER)
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


def _written(values: NDArray[np.float64]) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]


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
    medians = {int(c): float(f"{np.median(values[cluster == c]):.4g}") for c in ids}
    return {
        "low": float(f"{low:.4g}"),
        "high": float(f"{high:.4g}"),
        "bins": {c: counts.tolist() for c, counts in bins.items()},
        "median": medians,
    }
