"""What a setting is, and the kinds of values that settings take."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import index
from typing import Any

import numpy as np

from shoal.core.checked import check_word
from shoal.errors import SettingError

_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True)
class Setting:
    """One row of the table: options of commands, keywords and docstrings follow from it.

    `check` makes a good value of the name and what was given, or raises `SettingError`. None,
    where it is the default, stands for "chosen by Shoal".
    """

    name: str
    default: Any
    help: str
    rule: str  # What values are good, in words
    check: Callable[[str, Any], Any]
    metavar: str = ""  # What stands for the value in the help of a command
    kind: Any = str  # What a command takes
    choices: tuple[str, ...] = ()  # All values that are good, where these are few words

    def parse(self, value: Any) -> Any:
        """Return a good value, or raise `SettingError`."""
        return self.check(self.name, value)


def setting(default: Any, *row: Any, **more: Any) -> Any:
    """Return a dataclass field that carries its row of the table, but for the name."""
    return field(default=default, metadata={"setting": Setting("", default, *row, **more)})


def number(default: Any, text: str, low: float, high: float, metavar: str = "N") -> Any:
    """Return the field of a number from `low` to `high`; whole where `low` is an int."""
    whole = isinstance(low, int)
    bounds = f"of at least {low:,}" if high >= 2**40 else f"from {low:,} to {high:,}"
    rule = f"a {'whole ' if whole else ''}number {bounds}"

    def parse(name: str, value: Any) -> int | float:
        wrong = SettingError(f"{name} must be {rule}; got {value!r}")
        found = _whole(value, wrong) if whole else _real(value, wrong)
        if not low <= found <= high:
            raise wrong
        return found

    return setting(default, text, rule, parse, metavar, int if whole else float)


def choice(default: str | None, text: str, *choices: str) -> Any:
    rule = f"one of {', '.join(choices)}"

    def parse(name: str, value: Any) -> str:
        return check_word(name.strip("_"), value, choices)

    return setting(default, text, rule, parse, choices=choices)


def text(text: str, metavar: str) -> Any:
    """Return the field of a text, None by default."""
    return setting(None, text, "a text", _parse_text, metavar)


def names(text: str) -> Any:
    rule = 'names such as age,income; quote a name that has a comma: "a, b"'
    return setting(None, text, rule, _parse_names, "NAME[,NAME]")


def flag(text: str) -> Any:
    return setting(False, text, "true or false", _parse_flag, kind=bool)


def parse_memory(value: str | int) -> int:
    """Return an amount of memory in bytes.

    Parameters
    ----------
    value
        Bytes, or a number with a unit: ``4GiB`` and ``4G`` are 4 × 1024³, ``4GB`` is 4 × 1000³.

    Raises
    ------
    SettingError
        For anything else, and for nothing or less.

    Examples
    --------
    >>> parse_memory("4GiB"), parse_memory("1.5 kB"), parse_memory(100)
    (4294967296, 1500, 100)
    """
    wrong = SettingError(
        f"{value!r} is not an amount of memory: give a number and a unit, such as 4GiB or 500MB"
    )
    if isinstance(value, str):
        match = re.fullmatch(
            r"\s*([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([kmgt]?)(i?)(b?)\s*", value.lower()
        )
        if not match or (match[3] and not match[2]):
            raise wrong
        base = 1000 if match[4] and not match[3] else 1024
        amount = int(float(match[1]) * base ** _UNITS[match[2]])
    else:
        amount = _whole(value, wrong)
    if amount <= 0:
        raise wrong
    return amount


def parse_shape(value: str | Sequence[int]) -> tuple[int, ...]:
    """Return the shape of one row: one to three whole numbers, each at least 1.

    Raises
    ------
    SettingError
        For anything else.

    Examples
    --------
    >>> parse_shape("16,16,3"), parse_shape("28x28"), parse_shape((64,))
    ((16, 16, 3), (28, 28), (64,))
    """
    wrong = SettingError(
        f"{value!r} is not a shape: give height, width and channels, such as 16,16,3 "
        "(or the length of a vector, such as 64)"
    )
    shape = _numbers(value, r"[,x×]", wrong)
    if not 1 <= len(shape) <= 3 or min(shape) < 1:
        raise wrong
    return shape


def parse_layers(value: str | int | tuple[int, ...] | list[int]) -> str | tuple[int, ...]:
    """Return ``"auto"``, or the numbers of clusters of the layers, as given: the first is primary.

    Raises
    ------
    SettingError
        For anything else.

    Examples
    --------
    >>> parse_layers("auto"), parse_layers("10,50"), parse_layers(7)
    ('auto', (10, 50), (7,))
    """
    if value == "auto":
        return "auto"
    wrong = SettingError(
        f"layers {value!r}: give auto, or numbers of clusters such as 10 or 5,20,100"
    )
    numbers = _numbers([value] if isinstance(value, int) else value, ",", wrong)
    if not numbers or min(numbers) < 1:
        raise wrong
    return tuple(dict.fromkeys(numbers))


def _parse_text(name: str, value: Any) -> str:
    if isinstance(value, str | os.PathLike) and os.fspath(value):
        return str(value)
    raise SettingError(f"{name} must be a text; got {value!r}")


def _parse_names(name: str, value: Any) -> tuple[str, ...]:
    wrong = SettingError(f"{name} {value!r}: give names of columns, such as age,income")
    if isinstance(value, str):
        value = next(csv.reader([value], skipinitialspace=True), [])
    if not isinstance(value, list | tuple) or not value:
        raise wrong
    names = tuple(str(word).strip() for word in value)
    if not all(names) or len(set(names)) < len(names):
        raise wrong
    return names


def _parse_flag(name: str, value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise SettingError(f"{name} must be true or false; got {value!r}")


def parse_path(name: str, value: Any) -> str:
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise SettingError(f"{name} must be a path; got {value!r}")
    return absolute(str(value))


def absolute(path: str) -> str:
    """Return a path that does not depend on the current folder; addresses stay."""
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def parse_promise(name: str, value: Any) -> int:
    amount = parse_memory(value)
    if amount < 2**29:
        raise SettingError(f"{name} {value!r}: give at least 512MiB, Shoal's libraries take half")
    return amount


def parse_dtype(name: str, value: Any) -> str:
    try:
        dtype = np.dtype(value)
    except (TypeError, ValueError, SyntaxError):
        dtype = np.dtype(object)
    if dtype.kind not in "buif" or dtype.names:
        raise SettingError(f"{name} {value!r}: give a type of numbers such as uint8 or float32")
    return dtype.str.lstrip("|") if dtype.byteorder == ">" else dtype.name


def parse_k(value: Any) -> int | None:
    """Return a number of clusters, also from text; None for auto."""
    if isinstance(value, str) and value.strip() == "auto":
        return None
    wrong = SettingError(f"k must be a whole number of at least 1; got {value!r}")
    numbers = _numbers([value] if isinstance(value, int | np.integer) else value, ",", wrong)
    if len(numbers) > 1:
        raise SettingError(
            f"k must be one number; got {value!r}: for several layers give layers "
            f"{','.join(map(str, numbers))}, the first of them suggested"
        )
    if not numbers or numbers[0] < 1:
        raise wrong
    return numbers[0]


def _whole(value: Any, wrong: SettingError) -> int:
    if isinstance(value, bool | np.bool_):
        raise wrong
    try:
        return index(value)
    except TypeError:
        raise wrong from None


def _real(value: Any, wrong: SettingError) -> float:
    if isinstance(value, bool | np.bool_ | str):
        raise wrong
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise wrong from None


def _numbers(value: Any, separator: str, wrong: SettingError) -> tuple[int, ...]:
    if isinstance(value, str):
        words = re.split(separator, value.strip().strip("()[]"))
        if not all(re.fullmatch(r"\s*[0-9]{1,12}\s*", word) for word in words):
            raise wrong
        return tuple(int(word) for word in words)
    if not isinstance(value, list | tuple | np.ndarray):
        raise wrong
    return tuple(_whole(number, wrong) for number in value)
