"""Which columns of a table make the vectors, and which one names the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.sources.base import Kind

_ID = re.compile(r"(.*[_\s.-])?(id|uuid|index|key|row)|unnamed: 0", re.IGNORECASE)
_CAMEL_ID = re.compile(r".*[a-z](ID|Id)")
NAMES = ("id", "name", "path", "file", "filename", "file_name", "uuid", "key", "image")
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
class Picked:
    """What the caller said about columns, by name.

    Attributes
    ----------
    columns : tuple of str or None
        The only ones to use; None for all that can be.
    leave_out : tuple of str
        Those not to use.
    categories : tuple of str
        Those whose numbers are codes: to be used as categories.
    """

    columns: tuple[str, ...] | None = None
    leave_out: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def check(self, names: Sequence[str], label: str) -> None:
        """Raise for names of no column."""
        options = ("--columns", "--leave-out", "--categories")
        given = (self.columns or (), self.leave_out, self.categories)
        for option, wanted in zip(options, given, strict=True):
            for name in wanted:
                if name not in names:
                    near = get_close_matches(name, names, 1)
                    hint = f"did you mean {near[0]}?" if near else f"it has {listed(names)}"
                    raise InputError(f"{option} {name}: {label} has no such column: {hint}")

    def takes(self, name: str) -> bool:
        """Tell whether a column may be used."""
        return name not in self.leave_out and (self.columns is None or name in self.columns)

    def names_row(self, name: str) -> bool:
        """Tell whether a column may name the rows: those asked for by name are used instead."""
        return name not in (self.columns or ()) and name not in self.categories


@dataclass(frozen=True)
class Chosen:
    """Positions of the columns that make the vectors, and of the one that names the rows."""

    vectors: tuple[int, ...]
    name: int | None


def choose_columns(
    columns: Sequence[Column], label: str, as_: Kind | None, picked: Picked
) -> Chosen | None:
    """Take the numeric columns for vectors and an id column for names.

    None where it is a table: it was asked for as such, or has columns of text, too, and was not
    asked for as vectors.

    Raises
    ------
    InputError
        When there are no numbers in what was asked for as vectors, or it was asked for as images.
    """
    if as_ == "images":
        raise InputError(f"{label} is a table: it cannot be read --as images")
    picked.check([column.name for column in columns], label)
    if as_ == "vectors" and picked.categories:
        raise InputError(
            f"--categories {listed(picked.categories)} means nothing with --as vectors"
        )
    name = _name_column([c if picked.names_row(c.name) else None for c in columns])
    taken = [at for at, c in enumerate(columns) if at != name and picked.takes(c.name)]
    vectors = tuple(at for at in taken if columns[at].numeric)
    if as_ == "vectors" and not vectors:
        raise InputError(
            f"{label} has no numeric columns (it has {listed([column.name for column in columns])})"
        )
    if as_ == "table" or picked.categories or len(vectors) < len(taken) or not taken:
        return None if as_ != "vectors" else Chosen(vectors, name)
    return Chosen(vectors, name)


def listed(names: Sequence[str]) -> str:
    """Write the first of some names."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _name_column(columns: Sequence[Column | None]) -> int | None:
    """Find the column that names the rows: distinct text, or whole numbers under an id header."""
    known = [(at, column) for at, column in enumerate(columns) if column is not None]
    for at, column in known:
        if column.numeric and column.whole and column.distinct and is_id(column.name):
            return at
    text = [at for at, column in known if not column.numeric and column.distinct]
    usual = [at for at, column in known if at in text and column.name.lower() in NAMES]
    return next(iter(usual or text), None)


def is_id(name: str) -> bool:
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
