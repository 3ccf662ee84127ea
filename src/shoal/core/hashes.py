"""Hashes of rows, which depend only on their values, and distinct rows."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.cells import checked


def row_hashes(rows: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return 64 bits for each row, (n, d) float32; 0 and −0 are the same.

    The probability of a collision among 100,000 different rows is 3 in 10¹⁰. The mixing is
    splitmix64's: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    >>> a, b, c = row_hashes(np.array([[1, 0], [0, 1], [1, -0.0]], np.float32))
    >>> bool(a == b), bool(a == c)
    (False, True)
    """
    words = np.ascontiguousarray(rows, np.float32) + np.float32(0)
    return _hashed(words.view(np.uint32))


def picture_hashes(pictures: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash images of equal size, (n, ...) uint8, to 64 bits each; like `row_hashes`."""
    rows = pictures.reshape(len(pictures), -1)
    padded = np.pad(rows, [(0, 0), (0, -rows.shape[1] % 4)])
    return _hashed(np.ascontiguousarray(padded).view(np.uint32))


def uniforms(hashes: NDArray[np.uint64], stream: int) -> NDArray[np.float64]:
    """Return a number from 0 to 1 (excluded) for each hash; streams are independent.

    >>> draws = uniforms(np.arange(100_000, dtype=np.uint64), 3)
    >>> round(float(draws.mean()), 2), round(float(draws.std() * 12**0.5), 2)
    (0.5, 1.0)
    """
    words = np.empty((len(hashes), 3), np.uint32)
    words[:, :2] = np.ascontiguousarray(hashes, np.uint64).view(np.uint32).reshape(-1, 2)
    words[:, 2] = stream
    return np.asarray((_hashed(words) >> np.uint64(11)) * 2.0**-53)


@njit(cache=True, nogil=True)
def _distinct(words, table, first, inverse):  # type: ignore[no-untyped-def]
    """Find the distinct rows by open addressing, and return how many there are.

    `table` holds −1 or the number of a value, and has a power of two places; `first` gets the
    first row of each value, `inverse` the number of each row.
    """
    mask = np.uint64(len(table) - 1)
    count = 0
    for i in range(len(words)):
        code = np.uint64(14695981039346656037)
        for j in range(words.shape[1]):
            code = (code ^ np.uint64(words[i, j])) * np.uint64(1099511628211)
            code ^= code >> np.uint64(29)
        place = code & mask
        while table[place] >= 0:
            known, j = first[table[place]], 0
            while j < words.shape[1] and words[known, j] == words[i, j]:
                j += 1
            if j == words.shape[1]:
                break
            place = (place + np.uint64(1)) & mask
        if table[place] < 0:
            table[place] = count
            first[count] = i
            count += 1
        inverse[i] = table[place]
    return count


def distinct_rows(x: NDArray) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return distinct rows in order of first occurrence.

    Rows, (n, d) float32, are hashed by their bytes and compared in full; −0 equals 0. Returns the
    first row of each value, the value number of each row and the count of each value;
    ``x[first][inverse]`` equals x.

    >>> first, inverse, counts = distinct_rows(np.array([[1.0], [2.0], [1.0]]))
    >>> first.tolist(), inverse.tolist(), counts.tolist()
    ([0, 1], [0, 1, 0], [2, 1])
    """
    words = (checked(x, "x") + np.float32(0)).view(np.uint32)
    table = np.full(1 << max(1, 2 * len(words)).bit_length(), -1, np.int64)
    first, inverse = np.empty((2, len(words)), np.int64)
    first = first[: _distinct(words, table, first, inverse)].copy()
    return first, inverse, np.bincount(inverse, minlength=len(first))


def distinct_hashes(
    hashes: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each hash, the number of each row's hash, and the count of each.

    Like `distinct_rows`, in order of first occurrence.
    """
    _, first, inverse, counts = np.unique(
        hashes, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse], counts[order]


def _hashed(words: NDArray[np.uint32]) -> NDArray[np.uint64]:
    hashes = np.empty(len(words), np.uint64)
    _mix(words, hashes)
    return hashes


@njit(cache=True, nogil=True)
def _mix(words, hashes):  # type: ignore[no-untyped-def]
    for i in range(len(words)):
        code = np.uint64(0x9E3779B97F4A7C15)
        for j in range(words.shape[1]):
            code = (code ^ np.uint64(words[i, j])) + np.uint64(0x9E3779B97F4A7C15)
            code = (code ^ (code >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            code = (code ^ (code >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            code ^= code >> np.uint64(31)
        hashes[i] = code
