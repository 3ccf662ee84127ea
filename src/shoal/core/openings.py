"""Openings: new representatives for rows far from every code of a codebook.

The rule of streaming k-means (Shindler, Wong, Meyerson 2011): a row far from all codes opens a new
representative, and rows near an opening join it. If there are too many, those that save the most
squared distance are kept; the others go to their own code, or to an opening less than half as far.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Openings:
    """Weighted means of rows far from the codes.

    Attributes
    ----------
    mean, weight, within
        (e, d) means, (e,) rows, (e,) sums of squares about the mean.
    medoid, code
        (e,) the row that opened it, and the code nearest to that row.
    """

    mean: NDArray[np.float64]
    weight: NDArray[np.int64]
    within: NDArray[np.float64]
    medoid: NDArray[np.int64]
    code: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, rows: NDArray) -> "Openings":
        return Openings(*(field[rows] for field in _fields(self)))


def _fields(openings: Openings) -> tuple[NDArray, ...]:
    return (
        openings.mean,
        openings.weight,
        openings.within,
        openings.medoid,
        openings.code,
    )


def joined(parts: list[Openings]) -> Openings:
    return Openings(*(np.concatenate(fields) for fields in zip(*map(_fields, parts), strict=True)))


def open_rows(rows: NDArray, ids: NDArray, code: NDArray) -> Openings:
    """Return one opening per row."""
    n = len(rows)
    return Openings(
        rows.astype(np.float64),
        np.ones(n, np.int64),
        np.zeros(n),
        ids.astype(np.int64),
        code.astype(np.int64),
    )


@njit(inline="always")
def _square_below(a, i, b, k, limit):  # type: ignore[no-untyped-def]
    """Squared distance of two rows, or infinity as soon as it exceeds the limit."""
    total, width = 0.0, a.shape[1]
    for start in range(0, width, 8):
        for j in range(start, min(start + 8, width)):
            total += (a[i, j] - b[k, j]) * (a[i, j] - b[k, j])
        if total > limit:
            total = np.inf
            break
    return total


@njit(inline="always")
def _absorb(mean, weight, within, to, gone_mean, gone_weight, gone_within, i):  # type: ignore[no-untyped-def]
    """Add one weighted mean to another (Chan, Golub, LeVeque 1979)."""
    both = weight[to] + gone_weight[i]
    share = gone_weight[i] / both
    apart = 0.0
    for j in range(mean.shape[1]):
        step = gone_mean[i, j] - mean[to, j]
        apart += step * step
        mean[to, j] += share * step
    within[to] += gone_within[i] + apart * weight[to] * share
    weight[to] = both


@njit(cache=True, nogil=True)
def _lead(mean, weight, within, medoid, code, reach):  # type: ignore[no-untyped-def]
    """Merge each into the nearest earlier opening in reach, in order; return how many remain."""
    count = 0
    for i in range(len(weight)):
        best, nearest = -1, np.inf
        for other in range(count):
            limit = min(nearest, reach[code[other]] * (1.0 + 1.0 / weight[other]))
            square = _square_below(mean, i, mean, other, limit)
            if square <= limit and square < nearest:
                best, nearest = other, square
        if best >= 0:
            _absorb(mean, weight, within, best, mean, weight, within, i)
        else:
            for j in range(mean.shape[1]):
                mean[count, j] = mean[i, j]
            weight[count] = weight[i]
            within[count] = within[i]
            medoid[count] = medoid[i]
            code[count] = code[i]
            count += 1
    return count


@njit(cache=True, nogil=True)
def _fold(mean, weight, within, gone_mean, gone_weight, gone_within, away, to):  # type: ignore[no-untyped-def]
    """Merge each dropped one into the nearest kept one, if its code is twice as far; else −1."""
    for i in range(len(gone_weight)):
        nearest = away[i] / 4.0
        for other in range(len(weight)):
            square = _square_below(gone_mean, i, mean, other, nearest)
            if square < nearest:
                to[i], nearest = other, square
    for i in range(len(gone_weight)):
        if to[i] >= 0:
            _absorb(mean, weight, within, to[i], gone_mean, gone_weight, gone_within, i)


def lead(openings: Openings, reach: NDArray[np.float64]) -> Openings:
    """Merge openings within reach of each other, in order.

    `reach`, (c,), is the squared distance beyond which a row is far from each code. The expected
    squared distance of a row and the mean of w rows of one cloud is its variance times 1 + 1/w, so
    the squared reach of an opening's code is widened by that.
    """
    fields = [field.copy() for field in _fields(openings)]
    count = _lead(*fields, reach)
    return Openings(*(field[:count].copy() for field in fields))


def prune(openings: Openings, most: int, centres: NDArray[np.float32]) -> tuple[Openings, Openings]:
    """Keep at most `most` openings; return the kept ones and those that go to their code.

    Those are kept that save the most squared distance: weight times the squared distance to the
    code.
    """
    away = ((openings.mean - centres[openings.code]) ** 2).sum(axis=1)
    if len(openings) <= most:
        return openings, openings.take(np.arange(0))
    by_gain = np.argsort(-(openings.weight * away), kind="stable")
    stay, go = np.sort(by_gain[:most]), np.sort(by_gain[most:])
    kept, gone = openings.take(stay), openings.take(go)
    to, other = np.full(len(go), -1), (gone.mean, gone.weight, gone.within)
    _fold(kept.mean, kept.weight, kept.within, *other, away[go], to)
    return kept, gone.take(np.flatnonzero(to < 0))
