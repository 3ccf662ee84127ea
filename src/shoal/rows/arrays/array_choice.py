"""One array among those that a file holds: the one that is asked for, or the only one that fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from shoal.errors import InputError
from shoal.rows.base import Kind


class Keyed(Protocol):
    """An array of a file, by its header."""

    @property
    def key(self) -> str:
        """What it is called there."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""


Array = TypeVar("Array", bound=Keyed)


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
    """Return the array called `key`, or the only one that fits.

    Parameters
    ----------
    arrays : sequence
        All that there are; as text, each says its key, shape and type.
    label : str
        What people call the file.
    key : str or None
        The one that is asked for.
    fits : callable
        Tells whether one can be meant when none is asked for.
    one, many : str
        What a key and arrays are called there: ``dataset``, ``datasets``.
    what : str
        What is looked for.

    Raises
    ------
    InputError
        When there is none of that name, or not exactly one that fits; lists them all.
    """
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


def can_be_rows(array: Keyed, as_: Kind | None) -> bool:
    """Return whether an array of numbers can be rows of images or vectors, as is asked for."""
    least = 3 if as_ == "images" else 2
    return array.dtype.kind in "buif" and len(array.shape) >= least and 0 not in array.shape
