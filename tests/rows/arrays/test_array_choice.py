from dataclasses import dataclass

import numpy as np
import pytest

from shoal.errors import InputError
from shoal.rows.arrays.array_choice import can_be_rows, choose_array

UINT8 = np.dtype("uint8")


@dataclass(frozen=True)
class Array:
    key: str
    shape: tuple
    dtype: np.dtype = UINT8

    def __str__(self):
        return self.key


PICTURES, VECTORS, LABELS = Array("p", (9, 8, 8)), Array("v", (9, 4)), Array("l", (9,))


def choose(arrays, key=None, as_=None):
    fits = lambda array: can_be_rows(array, as_)  # noqa: E731
    return choose_array(arrays, "x.h5", key, fits, "hdf5")


def test_the_one_that_is_asked_for_or_the_only_one_that_fits():
    assert choose([PICTURES, VECTORS, LABELS], "l") is LABELS
    assert choose([PICTURES, LABELS]) is PICTURES
    assert choose([PICTURES, VECTORS], as_="images") is PICTURES


def test_what_cannot_be_told_is_listed():
    with pytest.raises(InputError, match=r"x\.h5 has no dataset y: it holds p, l"):
        choose([PICTURES, LABELS], "y")
    with pytest.raises(InputError, match=r"2 datasets .*: give --key p, or ano.* \(it has p, v\)"):
        choose([PICTURES, VECTORS])
    with pytest.raises(InputError, match=r"holds nothing that can be .* \(it has no datasets\)"):
        choose([])


@pytest.mark.parametrize(
    ("array", "fits"),
    [
        (PICTURES, True),
        (LABELS, False),
        (Array("e", (0, 4)), False),
        (Array("t", (9, 4), np.dtype("S3")), False),
    ],
)
def test_numbers_in_rows_fit(array, fits):
    assert can_be_rows(array, None) == fits
