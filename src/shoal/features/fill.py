"""Missing cells filled from the most similar full row: a hot deck."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 2048
"""Rows compared with all donors at once."""


class Cells(NamedTuple):
    """Rows of a table, and their features for distances."""

    values: NDArray[np.float64]  # (n, columns)
    known: NDArray[np.bool_]  # (n, columns)
    features: NDArray[np.float64]  # (n, features); 0 if unknown


def fill_from(
    rows: Cells, donors: Cells, widths: NDArray[np.int64], otherwise: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return values in which unknown cells come from the nearest donor that knows them.

    Distances are mean squares over the columns known in both.

    `widths`: (columns,), number of features of each column.
    `otherwise`: (columns,), values for cells that no donor knows.

    Chen, Shao: Nearest neighbor imputation for survey data. Journal of Official Statistics 16,
    2000.
    """
    filled = np.where(rows.known, rows.values, otherwise)
    for start in range(0, len(filled), BLOCK):
        block = slice(start, start + BLOCK)
        part = Cells(rows.values[block], rows.known[block], rows.features[block])
        _fill_block(filled[block], part.known, _distances(part, donors, widths), donors)
    return filled


def _distances(a: Cells, b: Cells, widths: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return mean squared distances over the columns known in both, (n, m); infinite for none."""
    mine, theirs = (np.repeat(cells.known, widths, axis=1).astype(np.float64) for cells in (a, b))
    total = a.features**2 @ theirs.T - 2 * (a.features @ b.features.T) + mine @ (b.features**2).T
    shared = a.known.astype(np.float64) @ b.known.T.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shared > 0, total / shared, np.inf)


def _fill_block(
    filled: NDArray[np.float64], known: NDArray[np.bool_], away: NDArray[np.float64], donors: Cells
) -> None:
    nearest = away.argmin(axis=1) if donors.known.all() else None
    for column in np.flatnonzero(~known.all(axis=0)):
        lacking = np.flatnonzero(~known[:, column])
        if nearest is not None:
            filled[lacking, column] = donors.values[nearest[lacking], column]
            continue
        able = np.flatnonzero(donors.known[:, column])
        if len(able):
            best = able[away[lacking][:, able].argmin(axis=1)]
            filled[lacking, column] = donors.values[best, column]
