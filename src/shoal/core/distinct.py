"""Distinct rows, by a hash of their bytes."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.cells import checked


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
