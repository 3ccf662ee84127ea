"""Summarise any number of rows by weighted representatives in one pass.

A codebook is built from a sample (`seed_codebook`). Each block of rows is reduced to sufficient
statistics by code (`summarise`), with openings for rows far from all codes, and the parts are
merged in a fixed order (`merge_partials`, `merge_summaries`). `represent` does all of this in
memory.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.cells import checked, two_level_codes
from shoal.core.distinct import distinct_rows
from shoal.core.nearest import nearest_of
from shoal.core.openings import Openings, joined, lead, open_rows, prune
from shoal.core.products import in_threads
from shoal.core.shortlists import Shortlists, build_shortlists
from shoal.errors import InputError

__all__ = [
    "Codebook",
    "PartialSummary",
    "Summary",
    "distinct_rows",
    "find_codes",
    "find_near",
    "merge_partials",
    "merge_summaries",
    "represent",
    "seed_codebook",
    "summarise",
    "summarise_coded",
]

SAMPLE_PER_CODE = 20
_BLOCK = 32_768
_FAR = 0.999  # of the sample lies within reach of its code
_PLANNED, _SEEDED = 0.94, 0.97  # of m come from k-means, and with openings of the sample
_SPARSE_POWER = 2.5  # of the squared distance: a quarter of the dimension, taken as ten
_SPARSE_MOST = 8.0  # times as many codes as by mass at most, and one part in so many at least
_ROUNDS = 3  # of the sample through all codes
_STATISTICS = ("weight", "total", "square", "medoid", "medoid_square")
_BATCH = 2_048  # far rows that are led at a time


@dataclass(frozen=True)
class Codebook:
    """The codes by which rows are summarised.

    Attributes
    ----------
    centres
        (c, d) float32 codes, all distinct.
    reach
        (c,) float64: a row is far if its squared distance to its nearest code exceeds this.
    size
        m, the maximum number of representatives of a summary; c ≤ m.
    shortlists
        The codes by coarse cell, for the search.
    """

    centres: NDArray[np.float32]
    reach: NDArray[np.float64]
    size: int
    shortlists: Shortlists

    def to_arrays(self) -> dict[str, NDArray]:
        """Return all arrays for `from_arrays`."""
        return {"centres": self.centres, "reach": self.reach, "size": np.array(self.size)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray]) -> "Codebook":
        """Inverse of `to_arrays`."""
        return _codebook(arrays["centres"], arrays["reach"], int(arrays["size"]))


@dataclass(frozen=True)
class PartialSummary:
    """Sufficient statistics of some rows by code, and their openings.

    Attributes
    ----------
    weight
        (c,) int64 rows of each code.
    total
        (c, d) float64 sums of rows minus the code.
    square
        (c,) float64 sums of squared distances to the code.
    medoid, medoid_square
        (c,) int64 row nearest to the code (−1: none) and float64 squared distance.
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
        """Return the summary of no rows."""
        c, width = codebook.centres.shape
        counts, medoids = np.zeros(c, np.int64), np.full(c, -1)
        sums = np.zeros((c, width)), np.zeros(c)
        return PartialSummary(counts, *sums, medoids, np.full(c, np.inf), _none(width), 0)

    def to_arrays(self) -> dict[str, NDArray]:
        """Everything needed to build it again, to be stored."""
        own = {name: value for name, value in vars(self).items() if name != "openings"}
        opened = {f"open_{name}": value for name, value in vars(self.openings).items()}
        return {**own, **opened, "far": np.array(self.far)}

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray]) -> "PartialSummary":
        """Build it from what `to_arrays` gave."""
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
        (m, d) float64 mean of the rows of each representative.
    weight
        (m,) int64 rows, at least 1; they sum to the number of rows.
    within
        (m,) float64 sum of squared distances of its rows to the mean.
    medoid
        (m,) int64 a real row near the mean.
    far
        Number of rows that were far from every code of the codebook.
    code
        (u,) int64 codes of the first u representatives; the others were opened by far rows.
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


def represent(x: NDArray, m: int, seed: int = 0, workers: int = 1) -> Summary:
    """Summarise rows in memory by at most m representatives.

    Parameters
    ----------
    x
        (n, d) float32, finite.
    m
        Maximum number of representatives; with m ≥ n each distinct row is one.
    seed
        Of the sample and the codes.
    workers
        Threads. The result has the same bytes for any number.
    """
    x = checked(x, "x")
    sample = x
    if len(x) > SAMPLE_PER_CODE * m:
        generator = np.random.default_rng(seed)
        sample = x[np.sort(generator.choice(len(x), SAMPLE_PER_CODE * m, replace=False))]
    codebook = seed_codebook(sample, m, seed, workers)
    code, far = find_codes(x, codebook, workers)
    return merge_summaries(_summarise_all(x, code, far, codebook, workers), codebook)


def _summarise_all(
    x: NDArray, code: NDArray, far: NDArray, codebook: Codebook, workers: int
) -> Iterator[PartialSummary]:
    """Partial summaries of fixed blocks of the rows, at most one per worker at a time."""
    parts = [slice(a, a + _BLOCK) for a in range(0, len(x), _BLOCK)]
    blocks = [(x[part], code[part], far[part], codebook, part.start) for part in parts]
    for a in range(0, len(blocks), workers):
        yield from in_threads(summarise_coded, blocks[a : a + workers], workers)


def seed_codebook(sample: NDArray, m: int, seed: int = 0, workers: int = 1) -> Codebook:
    """Choose codes from a sample: two-level k-means, then the openings of the sample itself.

    Most of m come from k-means, some from rows of the sample far from those, and the rest is
    reserved for rows that the sample missed.

    Parameters
    ----------
    sample
        (n, d) float32, finite; some `SAMPLE_PER_CODE` · m random rows, or all.
    m
        The most representatives.
    seed
        Of the first centres.
    workers
        Threads. The result does not depend on it.

    Raises
    ------
    InputError
        When the sample is empty or not finite, or m is less than 1.
    """
    sample = checked(sample, "sample")
    if m < 1 or not len(sample):
        raise InputError(f"{m} representatives of {len(sample)} rows: both must be at least 1")
    first, _, counts = distinct_rows(sample)
    if len(first) <= m:
        return _codebook(sample[first], np.zeros(len(first)), m, workers)
    distinct = sample if len(first) == len(sample) else sample[first]
    weights = counts * _sparseness(distinct, counts, m, seed, workers)
    centres = two_level_codes(distinct, weights, max(1, round(_PLANNED * m)), seed, workers)
    del distinct, weights
    most = max(len(centres), round(_SEEDED * m))
    for _ in range(_ROUNDS):
        rough, code, far = _with_reach(centres, sample, most, workers)
        parts = _summarise_all(sample, code, far, rough, workers)
        centres = merge_summaries(parts, rough).mean.astype(np.float32)
    return _with_reach(centres, sample, m, workers)[0]


def _sparseness(
    rows: NDArray[np.float32], counts: NDArray, m: int, seed: int, workers: int
) -> NDArray[np.float64]:
    """Weight rows by one over the root of their density, so that rare groups get more codes.

    With plain k-means a group gets codes in proportion to its rows: of 32,768 codes, three for one
    row in 10,000, too few to stand out from their surroundings (density-biased sampling, Palmer and
    Faloutsos 2000). The density is estimated with half as many codes: it is inversely proportional
    to the mean squared distance of a code's rows, to the power of half the dimension.
    """
    codes = two_level_codes(rows, counts, max(1, m // 2), seed, workers)
    book = _codebook(codes, np.zeros(len(codes)), len(codes), workers)
    code, distance = nearest_of(rows, codes, 1, workers, shortlists=book.shortlists)
    code, square = code[:, 0], distance[:, 0].astype(np.float64) ** 2
    weight = np.bincount(code, counts, len(codes))
    mean = np.bincount(code, counts * square, len(codes)) / np.maximum(weight - 1, 1)
    known = (weight > 1) & (mean > 0)
    if not known.any():
        return np.ones(len(rows))
    relative = np.where(known, mean, 1) / np.median(mean[known])
    lift = np.clip(relative**_SPARSE_POWER, 1 / _SPARSE_MOST, _SPARSE_MOST)
    return np.where(known, lift, 1.0)[code]


def _codebook(centres: NDArray, reach: NDArray, size: int, workers: int = 1) -> Codebook:
    """Group the codes for the search."""
    return Codebook(centres, reach, size, build_shortlists(centres, 0, workers))


def _with_reach(
    centres: NDArray, sample: NDArray, size: int, workers: int
) -> tuple[Codebook, NDArray[np.int32], NDArray[np.bool_]]:
    """Add the reach of each code: the distance within which nearly all of the sample are.

    Also returns the code of each row of the sample, and whether it is far, like `find_codes`.

    A code is the mean of its w sample rows and therefore near them: the squared distance of a new
    row is (w + 1)/(w − 1) of theirs. The scale is that of the coarse cell, so it follows local
    density.
    """
    book = _codebook(centres, np.zeros(len(centres)), size, workers)
    code, distance = nearest_of(sample, centres, 1, workers, shortlists=book.shortlists)
    code, apart = code[:, 0], distance[:, 0].astype(np.float64) ** 2
    weight = np.bincount(code, minlength=len(centres))
    several = weight[code] > 1
    if not several.any():
        return book, code, apart > 0
    square = np.where(several, apart * (weight[code] + 1) / np.maximum(weight[code] - 1, 1), 0)
    cells = book.shortlists.cells
    cell = np.empty(len(centres), np.int64)
    cell[cells.order] = np.repeat(np.arange(len(cells.centres)), np.diff(cells.start))
    rows = np.bincount(cell[code], several, minlength=len(cells.centres))
    scale = np.bincount(cell[code], square, minlength=len(rows)) / np.maximum(rows, 1)
    scale = np.maximum(scale, 0.01 * square.sum() / several.sum())[cell]
    ratio = np.quantile((square / np.where(scale > 0, scale, 1)[code])[several], _FAR)
    reach = ratio * scale
    return Codebook(centres, reach, size, book.shortlists), code, apart > reach[code]


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
    """Sufficient statistics of a block of rows: `summarise_coded` by the codes of `find_codes`.

    Parameters
    ----------
    block
        (b, d) float32, finite.
    codebook
        From `seed_codebook`.
    first_row
        Number of the block's first row, for the medoids.
    workers
        Threads. The result does not depend on it.
    """
    block = checked(block, "block")
    return summarise_coded(block, *find_codes(block, codebook, workers), codebook, first_row)


def find_codes(
    block: NDArray[np.float32], codebook: Codebook, workers: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Return the nearest code of each row, and whether the row is far from all codes."""
    near, _, far = find_near(block, codebook, 1, workers)
    return near[:, 0], far


def find_near(
    block: NDArray[np.float32], codebook: Codebook, most: int, workers: int = 1
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the nearest codes of each row, at most `most`, their distances, and which are far.

    Codes and distances (b, k) are sorted by distance; a row is far, (b,), as in `find_codes`.
    """
    most = min(most, len(codebook.centres))
    near, away = nearest_of(block, codebook.centres, most, workers, shortlists=codebook.shortlists)
    return near, away, away[:, 0].astype(np.float64) ** 2 > codebook.reach[near[:, 0]]


def summarise_coded(
    block: NDArray[np.float32],
    code: NDArray[np.int32],
    far: NDArray[np.bool_],
    codebook: Codebook,
    first_row: int = 0,
) -> PartialSummary:
    """Sufficient statistics of a block of rows whose codes are known.

    Parameters
    ----------
    block
        (b, d) float32, finite.
    code, far
        (b,) from `find_codes`.
    codebook
        From `seed_codebook`.
    first_row
        Number of the block's first row, for the medoids.
    """
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
    """Add a block of rows to a partial summary, whose arrays are changed.

    Parameters are as in `summarise_coded`; `numbers` are those of the rows, (b,).
    """
    _accumulate(
        block, code, far, codebook.centres, numbers, *(getattr(part, n) for n in _STATISTICS)
    )
    away = np.flatnonzero(far)
    part = replace(part, far=part.far + len(away))
    for a in range(0, len(away), _BATCH):
        rows = away[a : a + _BATCH]
        part = _opened(part, open_rows(block[rows], numbers[rows], code[rows]), codebook)
    return part


def _none(width: int) -> Openings:
    """No openings."""
    return open_rows(np.empty((0, width)), np.empty(0), np.empty(0))


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

    Parts may be merged in groups first; the result depends only on the order and the groups.

    Parameters
    ----------
    parts
        At least one, all of `codebook`.
    codebook
        The codebook of the parts.
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
    """Merge partial summaries, in the order given, into at most `codebook.size` representatives.

    Parameters
    ----------
    parts
        At least one, all of `codebook`.
    codebook
        The one that they were made with.
    """
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
