"""Sufficient statistics of rows by code, merged in a fixed order to weighted representatives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.cells import checked
from shoal.core.codebook import Codebook, find_codes
from shoal.core.openings import Openings, joined, lead, open_rows, prune

_STATISTICS = ("weight", "total", "square", "medoid", "medoid_square")
_BATCH = 2_048  # far rows that are merged into openings at a time


@dataclass(frozen=True)
class PartialSummary:
    """Sufficient statistics of some rows by code, and their openings.

    Attributes
    ----------
    weight
        (c,) rows of each code.
    total
        (c, d) sums of rows minus the code.
    square
        (c,) sums of squared distances to the code.
    medoid, medoid_square
        (c,) row nearest to the code (−1: none), and its squared distance.
    openings
        Openings of rows far from all codes.
    far
        Number of those rows.
    """

    weight: NDArray[np.int64]
    total: NDArray[np.float64]
    square: NDArray[np.float64]
    medoid: NDArray[np.int64]
    medoid_square: NDArray[np.float64]
    openings: Openings
    far: int

    @staticmethod
    def of_none(codebook: Codebook) -> "PartialSummary":
        c, width = codebook.centres.shape
        counts, medoids = np.zeros(c, np.int64), np.full(c, -1)
        sums = np.zeros((c, width)), np.zeros(c)
        none = open_rows(np.empty((0, width)), np.empty(0), np.empty(0))
        return PartialSummary(counts, *sums, medoids, np.full(c, np.inf), none, 0)

    def to_arrays(self) -> dict[str, NDArray]:
        own = {name: value for name, value in vars(self).items() if name != "openings"}
        opened = {f"open_{name}": value for name, value in vars(self.openings).items()}
        return {**own, **opened, "far": np.array(self.far)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray]) -> "PartialSummary":
        opened = ("mean", "weight", "within", "medoid", "code")
        openings = Openings(*(arrays[f"open_{name}"] for name in opened))
        own: dict[str, Any] = {name: arrays[name] for name in _STATISTICS}
        return PartialSummary(**own, openings=openings, far=int(arrays["far"]))


@dataclass(frozen=True)
class Summary:
    """Weighted representatives of all rows.

    Attributes
    ----------
    mean
        (m, d) mean of the rows of each representative.
    weight
        (m,) rows, at least 1; they sum to the number of rows.
    within
        (m,) sum of squared distances of its rows to the mean.
    medoid
        (m,) a real row near the mean.
    far
        Number of rows that were far from every code of the codebook.
    code
        (u,) codes of the first u representatives; the others were opened by far rows.
    """

    mean: NDArray[np.float64]
    weight: NDArray[np.int64]
    within: NDArray[np.float64]
    medoid: NDArray[np.int64]
    far: int
    code: NDArray[np.int64]

    @property
    def radius(self) -> NDArray[np.float64]:
        """Root mean squared distance of the rows to their mean, (m,) float64."""
        return np.sqrt(self.within / self.weight)


@njit(cache=True, nogil=True)
def _accumulate(  # type: ignore[no-untyped-def]
    rows, code, far, centres, numbers, weight, total, square, medoid, medoid_square
):
    """Add rows that are not far to the statistics of their codes, in order."""
    for i in range(len(rows)):
        if far[i]:
            continue
        c = code[i]
        apart = 0.0
        for j in range(rows.shape[1]):
            step = np.float64(rows[i, j]) - np.float64(centres[c, j])
            total[c, j] += step
            apart += step * step
        weight[c] += 1
        square[c] += apart
        if apart < medoid_square[c]:
            medoid[c], medoid_square[c] = numbers[i], apart


def summarise(
    block: NDArray, codebook: Codebook, first_row: int = 0, workers: int = 1
) -> PartialSummary:
    """Return the sufficient statistics of a block of rows, (b, d) float32, finite.

    `first_row` is the number of its first row, for the medoids. The result does not depend on the
    number of threads, `workers`.
    """
    block = checked(block, "block")
    return summarise_coded(block, *find_codes(block, codebook, workers), codebook, first_row)


def summarise_coded(
    block: NDArray[np.float32],
    code: NDArray[np.int32],
    far: NDArray[np.bool_],
    codebook: Codebook,
    first_row: int = 0,
) -> PartialSummary:
    """Like `summarise`, for rows whose `find_codes` are known."""
    numbers = np.arange(first_row, first_row + len(block))
    return add_coded(PartialSummary.of_none(codebook), block, code, far, codebook, numbers)


def add_coded(
    part: PartialSummary,
    block: NDArray[np.float32],
    code: NDArray[np.int32],
    far: NDArray[np.bool_],
    codebook: Codebook,
    numbers: NDArray[np.int64],
) -> PartialSummary:
    """Add a block of rows with their numbers to a partial summary, whose arrays are changed."""
    _accumulate(
        block, code, far, codebook.centres, numbers, *(getattr(part, n) for n in _STATISTICS)
    )
    away = np.flatnonzero(far)
    part = replace(part, far=part.far + len(away))
    for a in range(0, len(away), _BATCH):
        rows = away[a : a + _BATCH]
        part = _opened(part, open_rows(block[rows], numbers[rows], code[rows]), codebook)
    return part


def _opened(part: PartialSummary, more: Openings, codebook: Codebook) -> PartialSummary:
    """Add openings, up to the maximum; changes the arrays of `part`."""
    both = lead(joined([part.openings, more]), codebook.reach)
    return _pruned(part, both, max(256, codebook.size // 10), codebook)


def _pruned(
    part: PartialSummary, openings: Openings, most: int, codebook: Codebook
) -> PartialSummary:
    """Keep the best openings and add the others to their codes, in the arrays of `part`."""
    kept, gone = prune(openings, most, codebook.centres)
    step = gone.mean - codebook.centres[gone.code]
    apart = (step**2).sum(axis=1)
    np.add.at(part.weight, gone.code, gone.weight)
    np.add.at(part.total, gone.code, gone.weight[:, None] * step)
    np.add.at(part.square, gone.code, gone.within + gone.weight * apart)
    for i in np.flatnonzero(apart < part.medoid_square[gone.code]):
        if apart[i] < part.medoid_square[gone.code[i]]:
            part.medoid[gone.code[i]] = gone.medoid[i]
            part.medoid_square[gone.code[i]] = apart[i]
    return replace(part, openings=kept)


def merge_partials(parts: Iterable[PartialSummary], codebook: Codebook) -> PartialSummary:
    """Merge partial summaries, in the order given, into one of the same size.

    There is at least one, and all are of this codebook. They may be merged in groups first; the
    result depends only on the order and the groups.
    """
    parts = iter(parts)
    first = next(parts)
    merged = replace(first, **{name: getattr(first, name).copy() for name in _STATISTICS})
    for part in parts:
        np.add(merged.weight, part.weight, out=merged.weight)
        np.add(merged.total, part.total, out=merged.total)
        np.add(merged.square, part.square, out=merged.square)
        nearer = part.medoid_square < merged.medoid_square
        np.copyto(merged.medoid, part.medoid, where=nearer)
        np.copyto(merged.medoid_square, part.medoid_square, where=nearer)
        merged = replace(merged, far=merged.far + part.far)
        if len(part.openings):
            merged = _opened(merged, part.openings, codebook)
    return merged


def merge_summaries(parts: Iterable[PartialSummary], codebook: Codebook) -> Summary:
    """Merge partial summaries into at most `codebook.size` representatives."""
    part = merge_partials(parts, codebook)
    room = codebook.size - int((part.weight > 0).sum())
    part = _pruned(part, part.openings, max(room, 0), codebook)
    used = np.flatnonzero(part.weight)
    weight = part.weight[used]
    step = part.total[used] / weight[:, None]
    within = np.maximum(part.square[used] - weight * (step**2).sum(axis=1), 0)
    opened = part.openings
    return Summary(
        np.concatenate([codebook.centres[used] + step, opened.mean]),
        np.concatenate([weight, opened.weight]),
        np.concatenate([within, opened.within]),
        np.concatenate([part.medoid[used], opened.medoid]),
        part.far,
        used,
    )
