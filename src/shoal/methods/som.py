"""Self-organising map: centres on a grid, of which neighbours stay alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import Method, Parameter, Partition, WeightedRows
from shoal.methods.rules import Rule

_UNITS_A_ROOT = 5.0  # units for the root of the rows (Vesanto and Alhoniemi 2000)
_MOST_UNITS = 100
_LAST = 0.5  # radius of the neighbourhood at the end, in steps of the grid


def fit(
    data: WeightedRows, seed: int, k: int | None, columns: int | None, iterations: int
) -> Partition:
    """Train a grid of `k` units by the batch rule; each unit with rows is a cluster.

    It begins on the plane of the first two principal components, so no chance enters. Own code, a
    page: minisom (MIT) goes row by row, which depends on their order and takes no weights.

    Kohonen, "Essentials of the self-organizing map", Neural Networks 2013.
    """
    rows, weights = data.as_float64, data.weights
    down, across = grid_shape(k, columns, len(rows))
    place = np.stack(np.unravel_index(np.arange(down * across), (down, across)), axis=1)
    steps = ((place[:, None, :] - place) ** 2).sum(axis=2).astype(np.float64)
    units = _plane(rows, weights, place, (down, across))
    first = max(down, across) / 2
    for t in range(iterations):
        radius = first * (_LAST / first) ** (t / max(iterations - 1, 1)) if first > _LAST else _LAST
        near = np.exp(-steps / (2 * radius**2))
        best = Rule("euclidean", units).assign(rows)
        sums = np.stack([np.bincount(best, weights * x, minlength=len(units)) for x in rows.T], 1)
        count = near @ np.bincount(best, weights, minlength=len(units))
        units = np.where(
            count[:, None] > 1e-300, near @ sums / np.maximum(count, 1e-300)[:, None], units
        )
    rule = Rule("euclidean", units)
    note = f"A grid of {down} × {across} units; those without rows are not clusters."
    return Partition(rule.assign(rows), rule=rule, notes=(note,), grid=place)


def grid_shape(k: int | None, columns: int | None, m: int) -> tuple[int, int]:
    """Return rows and columns of the grid of `k` units, as square as it can be.

    >>> grid_shape(12, None, 1000), grid_shape(12, 6, 1000), grid_shape(None, None, 1000)
    ((3, 4), (2, 6), (10, 10))
    """
    from shoal.errors import SettingError

    if k is None:
        side = max(1, round(min(_UNITS_A_ROOT * m**0.5, _MOST_UNITS, m) ** 0.5))
        return (side, side) if columns is None else (max(1, side * side // columns), columns)
    if columns is None:
        columns = k // next(n for n in range(int(k**0.5), 0, -1) if k % n == 0)
    if k % columns:
        raise SettingError(
            f"k {k} units do not fill {columns} columns: give a multiple of {columns}"
        )
    return k // columns, columns


def _plane(
    rows: NDArray[np.float64],
    weights: NDArray[np.float64],
    place: NDArray[np.int64],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Spread the units over the plane of the first two principal components."""
    middle = np.average(rows, axis=0, weights=weights)
    apart = rows - middle
    values, axes = np.linalg.eigh((weights * apart.T) @ apart / weights.sum())
    axes = axes[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0))
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1, 1)
    long = int(shape[1] >= shape[0])  # the longer side of the grid along the first component
    at = [
        2.0 * place[:, side] / max(shape[side] - 1, 1) - (shape[side] > 1)
        for side in (long, 1 - long)
    ]
    return middle + np.stack(at[: axes.shape[1]], axis=1) @ axes.T


METHOD = Method(
    "som",
    "centres",
    "Self-organising map: centres on a grid with similar neighbours.",
    fit,
    "time m·K·d a step, memory m·d",
    needs_k=False,
    predicts="nearest unit",
    parameters=(
        Parameter("columns", None, "Columns of the grid of K units.", 1, 1000, whole=True),
        Parameter("iterations", 50, "Steps.", 1, 10_000, whole=True),
    ),
    version=2,
    aliases=("self-organising-map", "self-organizing-map", "kohonen"),
)
