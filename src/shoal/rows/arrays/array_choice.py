"""The choice of an array in ``.npz``, HDF5 and MATLAB files, from the headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from shoal.errors import InputError
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Kind


@dataclass(frozen=True)
class Stored:
    """An array in a file: its name there, its shape and type."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def what(self) -> str:
        return str(self.dtype)

    @property
    def length(self) -> int | None:
        """Length of its only axis; None if it has several."""
        return self.shape[0] if len(self.shape) == 1 else None

    def __str__(self) -> str:
        return f"{self.key} ({show(self.shape) or 'a single value'} {self.what})"


Array = TypeVar("Array", bound=Stored)


def choose_array(
    arrays: Sequence[Array],
    label: str,
    key: str | None,
    fits: Callable[[Array], bool],
    *,
    one: str,
    many: str,
    what: str = "images or vectors",
) -> Array:
    """Return the array called `key`, or the only one that `fits`."""
    listed = ", ".join(map(str, arrays)) or f"no {many}"
    if key is not None:
        for array in arrays:
            if array.key == key:
                return array
        raise InputError(f"{label} has no {one} {key}: it holds {listed}")
    fitting = [array for array in arrays if fits(array)]
    if len(fitting) != 1:
        found = "nothing" if not fitting else f"{len(fitting)} {many}"
        hint = "" if not fitting else f": give --key {fitting[0].key}, or another"
        raise InputError(f"{label} holds {found} that can be {what}{hint} (it has {listed})")
    return fitting[0]


def lengths_of(arrays: Sequence[Stored]) -> dict[str, int]:
    return {one.key: one.length for one in arrays if one.length is not None}


def can_be_rows(array: Stored, as_: Kind | None) -> bool:
    """Return whether an array can be rows of images or vectors, as requested by `as_`."""
    least = 3 if as_ == "images" else 2
    return array.dtype.kind in "buif" and len(array.shape) >= least and 0 not in array.shape
