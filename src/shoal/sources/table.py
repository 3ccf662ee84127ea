"""Which columns of a table make the vectors, and which one names the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.sources.base import Kind

_ID = re.compile(r"(.*[_\s.-])?(id|uuid|index|key|row)|unnamed: 0", re.IGNORECASE)
_CAMEL_ID = re.compile(r".*[a-z](ID|Id)")
_NAMES = ("id", "name", "path", "file", "filename", "file_name", "uuid", "key", "image")
_SHOWN = 5


@dataclass(frozen=True)
class Column:
    """One column as its first rows show it.

    Attributes
    ----------
    name : str
        Its header, or ``column 3``.
    numeric : bool
        True for numbers.
    distinct : bool
        True when no value comes twice.
    whole : bool
        True for whole numbers.
    """

    name: str
    numeric: bool
    distinct: bool
    whole: bool = False


@dataclass(frozen=True)
class Chosen:
    """Positions of the columns that make the vectors, and of the one that names the rows."""

    vectors: tuple[int, ...]
    name: int | None


def choose_columns(columns: Sequence[Column], label: str, as_: Kind | None) -> Chosen:
    """Take the numeric columns for vectors and an id column for names.

    Raises
    ------
    InputError
        When there are no numbers, or when columns of text are left over and `as_` does not
        say ``"vectors"``.
    """
    if as_ == "images":
        raise InputError(f"{label} is a table of numbers: it cannot be read --as images")
    name = _name_column(columns)
    vectors = tuple(at for at, col in enumerate(columns) if col.numeric and at != name)
    text = [col.name for at, col in enumerate(columns) if not col.numeric and at != name]
    if not vectors:
        raise InputError(
            f"{label} has no numeric columns (it has {listed([column.name for column in columns])})"
        )
    if as_ == "vectors" or (not text and as_ is None):
        return Chosen(vectors, name)
    what = f"{label} has columns of mixed meaning" if text else f"{label} is asked for as a table"
    found = f"not numeric: {listed(text)}" if text else "all of its columns are numeric"
    raise InputError(
        f"{what} ({found}), and such tables are not clustered yet: give --as vectors to use "
        f"only the {len(vectors)} numeric columns, unscaled"
    )


def listed(names: Sequence[str]) -> str:
    """Write the first of some names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _name_column(columns: Sequence[Column]) -> int | None:
    """Find the column that names the rows: distinct text, or whole numbers under an id header."""
    for at, column in enumerate(columns):
        if column.numeric and column.whole and column.distinct and _is_id(column.name):
            return at
    text = [at for at, column in enumerate(columns) if not column.numeric and column.distinct]
    usual = [at for at in text if columns[at].name.lower() in _NAMES]
    return next(iter(usual or text), None)


def _is_id(name: str) -> bool:
    """Tell whether a header is one of those that ids have."""
    return bool(_ID.fullmatch(name) or _CAMEL_ID.fullmatch(name))


def clean(
    matrix: NDArray[Any], names: Sequence[str] | None = None
) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Give float32 rows, and reasons for those with a cell that is empty or not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(matrix, np.float32)
    finite = np.isfinite(vectors)
    bad: dict[int, str] = {}
    for row in np.flatnonzero(~finite.all(axis=1)):
        at = int(np.argmin(finite[row]))
        value = matrix[row, at]
        said = "empty or not a number" if np.isnan(value) else f"{value:g}, which is too large"
        bad[int(row)] = f"{names[at] if names else f'position {at}'} is {said}"
    if bad:
        vectors = vectors.copy() if vectors is matrix else vectors
        vectors[list(bad)] = 0
    return vectors, bad
