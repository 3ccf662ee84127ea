"""Summarise any number of rows by weighted representatives in one pass.

A codebook is built from a sample (`seed_codebook`). Each block of rows is reduced to sufficient
statistics by code, with openings for rows far from all codes, and these are merged in a fixed order
(`core.summaries`). `represent` does all of this in memory.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from shoal.core.cells import checked, two_level_codes
from shoal.core.codebook import Codebook, codebook_of, find_codes, with_reach
from shoal.core.hashes import distinct_rows
from shoal.core.nearest import nearest_of
from shoal.core.products import in_threads
from shoal.core.summaries import PartialSummary, Summary, merge_summaries, summarise_coded
from shoal.errors import InputError

SAMPLE_PER_CODE = 20
_BLOCK = 32_768
# Share of m that are codes of k-means, and share with the openings of the sample: the rest is for
# rows that the sample missed.
_KMEANS_SHARE, _SEEDED_SHARE = 0.94, 0.97
# Of the squared distance, in the weight of rows by density: a quarter of the dimension, taken as
# ten; and the largest factor by which a row counts more or less than the median.
_LIFT_EXPONENT = 2.5
_MOST_LIFT = 8.0
_ROUNDS = 3  # of the sample through all codes


def represent(x: NDArray, m: int, seed: int = 0, workers: int = 1) -> Summary:
    """Summarise rows in memory by at most m representatives.

    With m ≥ n each distinct row, (n, d) float32, is one. The result has the same bytes for any
    number of threads, `workers`.
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
        Maximum number of representatives.

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
        return codebook_of(sample[first], m, workers=workers)
    distinct = sample if len(first) == len(sample) else sample[first]
    weights = counts * _density_weights(distinct, counts, m, seed, workers)
    centres = two_level_codes(distinct, weights, max(1, round(_KMEANS_SHARE * m)), seed, workers)
    del distinct, weights
    most = max(len(centres), round(_SEEDED_SHARE * m))
    for _ in range(_ROUNDS):
        rough, code, far = with_reach(centres, sample, most, workers)
        parts = _summarise_all(sample, code, far, rough, workers)
        centres = merge_summaries(parts, rough).mean.astype(np.float32)
    return with_reach(centres, sample, m, workers)[0]


def _density_weights(
    rows: NDArray[np.float32], counts: NDArray, m: int, seed: int, workers: int
) -> NDArray[np.float64]:
    """Weight rows by one over the root of their density, so that rare groups get more codes.

    With plain k-means a group gets codes in proportion to its rows: of 32,768 codes, three for one
    row in 10,000, too few to stand out from their surroundings (density-biased sampling, Palmer and
    Faloutsos 2000). The density is estimated with half as many codes: it is inversely proportional
    to the mean squared distance of a code's rows, to the power of half the dimension.
    """
    codes = two_level_codes(rows, counts, max(1, m // 2), seed, workers)
    book = codebook_of(codes, len(codes), workers=workers)
    code, distance = nearest_of(rows, codes, 1, workers, shortlists=book.shortlists)
    code, square = code[:, 0], distance[:, 0].astype(np.float64) ** 2
    weight = np.bincount(code, counts, len(codes))
    mean = np.bincount(code, counts * square, len(codes)) / np.maximum(weight - 1, 1)
    known = (weight > 1) & (mean > 0)
    if not known.any():
        return np.ones(len(rows))
    relative = np.where(known, mean, 1) / np.median(mean[known])
    lift = np.clip(relative**_LIFT_EXPONENT, 1 / _MOST_LIFT, _MOST_LIFT)
    return np.where(known, lift, 1.0)[code]
