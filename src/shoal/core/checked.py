"""Argument checks."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from operator import index
from typing import Any

import numpy as np

from shoal.errors import InputError, SettingError


def checked_whole(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Return an integer within inclusive bounds, or raise InputError.

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
        if low == high:
            raise InputError(f"{name} must be {low}, the only one; got {value!r}")
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} must be a whole number {bounds}; got {value!r}")
    return number


def check_count(name: str, value: int, most: int, counted: str) -> None:
    """Raise SettingError if a number is not from 1 to `most`, the number of what is counted."""
    if not 1 <= value <= most:
        raise SettingError(
            f"{name} must be from 1 to {most:,}, the number of {counted}; got {value:,}"
        )


def check_word(what: str, value: Any, choices: Sequence[str], rule: str = "") -> str:
    """Return one of several words, or raise SettingError with the choices and the closest one.

    >>> check_word("engine", "beam", ("local", "beam"))
    'beam'
    """
    if value in choices:
        return str(value)
    close = get_close_matches(str(value), choices, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    words = " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    given = "no" if value is None else "unknown"
    shown = "" if value is None else f" {value!r:.60}"
    raise SettingError(f"{given} {what}{shown}: choose {rule or words}{hint}")
