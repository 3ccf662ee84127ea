"""Argument checks."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from shoal.errors import InputError


def checked_whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return an integer within inclusive bounds, or raise.

    Raises
    ------
    InputError
        For anything else: a fraction, a truth value, a text.

    Examples
    --------
    >>> checked_whole("count", np.int64(3), 1)
    3
    """
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        number = index(value)
    except TypeError:
        number = low - 1
    if number < low or (high is not None and number > high):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} must be a whole number {bounds}; got {value!r}")
    return number
