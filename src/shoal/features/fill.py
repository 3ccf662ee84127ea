"""Missing cells filled from the most similar full row: a hot deck."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 2048
"""Rows compared with all donors at once."""


def fill_from(
    rows: NDArray[np.float64],
    known: NDArray[np.bool_],
    placed: NDArray[np.float64],
    widths: NDArray[np.int64],
    donors: NDArray[np.float64],
    donors_known: NDArray[np.bool_],
    donors_placed: NDArray[np.float64],
    otherwise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Fill each unknown cell from the nearest donor that has it.

    Distances are mean squares over the columns known in both.

    Parameters
    ----------
    rows, known : ndarray, shape (n, columns)
        Cells, and which of them are known.
    placed : ndarray, shape (n, features)
        Their features for distances; 0 if unknown.
    widths : ndarray, shape (columns,)
        Number of features of each column.
    otherwise : ndarray, shape (columns,)
        Values for cells that no donor has.

    Returns
    -------
    ndarray, shape (n, columns), float64

    References
    ----------
    Chen, Shao: Nearest neighbor imputation for survey data. Journal of Official Statistics 16,
    2000.
    """
    filled = np.where(known, rows, otherwise)
    for start in range(0, len(rows), BLOCK):
        part = slice(start, start + BLOCK)
        away = _distances(
            placed[part], known[part], donors_placed, donors_known, widths.astype(np.int64)
        )
        _fill_block(filled[part], known[part], away, donors, donors_known)
    return filled


def _distances(
    a: NDArray[np.float64],
    a_known: NDArray[np.bool_],
    b: NDArray[np.float64],
    b_known: NDArray[np.bool_],
    widths: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Mean squared distance over the columns known in both, (n, m); infinite for none."""
    mine = np.repeat(a_known, widths, axis=1).astype(np.float64)
    theirs = np.repeat(b_known, widths, axis=1).astype(np.float64)
    total = a**2 @ theirs.T - 2 * (a @ b.T) + mine @ (b**2).T
    shared = a_known.astype(np.float64) @ b_known.T.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(shared > 0, total / shared, np.inf)


def _fill_block(
    filled: NDArray[np.float64],
    known: NDArray[np.bool_],
    away: NDArray[np.float64],
    donors: NDArray[np.float64],
    donors_known: NDArray[np.bool_],
) -> None:
    full = donors_known.all()
    nearest = away.argmin(axis=1) if full else None
    for column in np.flatnonzero(~known.all(axis=0)):
        lacking = np.flatnonzero(~known[:, column])
        if nearest is not None:
            filled[lacking, column] = donors[nearest[lacking], column]
            continue
        able = np.flatnonzero(donors_known[:, column])
        if len(able):
            best = able[away[lacking][:, able].argmin(axis=1)]
            filled[lacking, column] = donors[best, column]
