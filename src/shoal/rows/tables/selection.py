"""The choice of the columns of vectors, and of the one that names the rows."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain

from shoal.core.plural import listed
from shoal.errors import InputError
from shoal.rows.base import Kind
from shoal.rows.tables.columns import Column, find_answers, numbered

_ID = re.compile(r"(.*[_\s.-])?(id|uuid|index|key|row)|unnamed: 0", re.IGNORECASE)
_CAMEL_ID = re.compile(r".*[a-z](ID|Id)")
NAMES = ("id", "name", "path", "file", "filename", "file_name", "uuid", "key", "image")
_FEWEST_ROWS = 20
# Named columns have one scale up to this ratio: the narrowest then still has 1/25 of the
# variance of the widest. Numbered ones up to the other, from the median one to the widest:
# principal components and pixels differ by less, or are centred on 0.
_NAMED, _NUMBERED_RATIO = 5.0, 10.0
_CENTRED = 0.25
_LOST_ROWS = 0.05
_SPARSE, _SPARSE_COLUMNS = 0.8, 32


@dataclass(frozen=True)
class Picked:
    columns: tuple[str, ...] | None = None  # the only ones to use; None for all
    leave_out: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # whose numbers are codes

    def check(self, names: Sequence[str], label: str) -> None:
        options = ("--columns", "--leave-out", "--categories")
        given = (self.columns or (), self.leave_out, self.categories)
        for option, wanted in zip(options, given, strict=True):
            for name in wanted:
                if name not in names:
                    near = get_close_matches(name, names, 1)
                    hint = f"did you mean {near[0]}?" if near else f"it has {listed(names)}"
                    raise InputError(f"{option} {name}: {label} has no such column: {hint}")

    def among(self, names: Sequence[str], label: str) -> Picked:
        """Expand patterns such as ``e*`` to column names; raise for unknown names."""
        columns = None if self.columns is None else _expanded(self.columns, names)
        leave_out, categories = (_expanded(g, names) for g in (self.leave_out, self.categories))
        found = Picked(columns, leave_out, categories)
        found.check(names, label)
        return found

    def is_named(self, name: str) -> bool:
        return name in (self.columns or ()) or name in self.categories

    def takes(self, name: str) -> bool:
        return name not in self.leave_out and (self.columns is None or name in self.columns)


@dataclass(frozen=True)
class Chosen:
    # positions of the columns of vectors; None for a table
    vectors: tuple[int, ...] | None
    name: int | None = None  # position of the column that names the rows of vectors
    # columns that are not used, each with the reason: ids, labels and, for vectors, words
    left_out: tuple[tuple[str, str], ...] = ()
    why: str = ""  # why it is read so; empty if that was requested

    @property
    def briefly(self) -> str:
        return f", left out {listed([name for name, _ in self.left_out])}" * bool(self.left_out)

    @property
    def remarks(self) -> tuple[str, ...]:
        if self.vectors is None:
            other = "(--as vectors takes the numbers as they are)"
            return (f"Read as a table, because {self.why} {other}.",) if self.why else ()
        other = "(--as table gives each column the same weight)"
        why = [f"Read as vectors, because {self.why} {other}."] if self.why else []
        return (*why, *([f"Left out: {reasons(self.left_out)}."] if self.left_out else []))


NOTHING = Chosen(None)
"""A table without unused columns."""


def choose_columns(
    columns: Sequence[Column],
    label: str,
    as_: Kind | None,
    picked: Picked,
    fixed: Mapping[str, str] | None = None,
    fitted: Sequence[str] | None = None,
) -> Chosen:
    """Choose how columns are read, by the whole file, whatever columns are selected.

    Vectors are numbers on one scale, whose columns are numbered (``e0``, ``e1``) or about as
    wide as each other. Words, missing cells and different scales make a table.

    `fixed` are columns without information on single rows, and why; `fitted` those of the
    vectors of a run, which are used if all exist.
    """
    _check(label, as_, picked)
    place = {column.name: at for at, column in enumerate(columns)}
    name = name_column([None if picked.is_named(c.name) else c for c in columns])
    rest = [c for at, c in enumerate(columns) if at != name]
    found = _left_out(rest, fixed or {})
    if fitted and all(one in place for one in fitted):
        others = tuple(pair for pair in found.items() if pair[0] not in fitted)
        return Chosen(tuple(place[one] for one in fitted), name, others)
    left_out = {one: why for one, why in found.items() if not picked.is_named(one)}
    taken = [c for c in rest if picked.takes(c.name)]
    used = [c for c in taken if c.name not in left_out]
    numbers = [c for c in used if c.numeric]
    whole = [c for c in rest if c.name not in found]
    words = any(not c.numeric for c in whole)
    alike, why = are_vectors(whole)
    if as_ is not None or fitted is not None:
        alike, why = as_ == "vectors" or (as_ is None and not words), ""
    elif picked.categories or not numbers or any(not c.numeric for c in used):
        alike = False
    if not alike:
        return Chosen(None, name, tuple(left_out.items()), why)
    numbers = numbers or [c for c in taken if c.numeric]
    if not numbers:
        names = listed([column.name for column in columns])
        raise InputError(f"{label} has no numeric columns (it has {names})")
    kept = {c.name for c in numbers}
    gone = [(c.name, left_out.get(c.name, "no number")) for c in taken if c.name not in kept]
    return Chosen(tuple(place[c.name] for c in numbers), name, tuple(gone), why)


def _check(label: str, as_: Kind | None, picked: Picked) -> None:
    if as_ == "images":
        raise InputError(f"{label} is a table: it cannot be read --as images")
    if as_ == "vectors" and picked.categories:
        raise InputError(f"--categories {listed(picked.categories)} does not apply to --as vectors")


def _left_out(columns: Sequence[Column], fixed: Mapping[str, str]) -> dict[str, str]:
    found = {c.name: c.identity for c in columns if c.identity}
    found |= {c.name: "an id" for c in columns if c.whole and c.distinct and is_id(c.name)}
    found |= fixed
    found = find_answers([c for c in columns if c.name not in found]) | found
    left = (c for c in columns if c.name not in found)
    return found if any(c.numeric or c.is_code for c in left) else {}


def reasons(left_out: Sequence[tuple[str, str]]) -> str:
    return listed([f"{name} ({why})" for name, why in left_out])


def _expanded(wanted: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    found = ([name] if name in names else fnmatch.filter(names, name) or [name] for name in wanted)
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def name_column(columns: Sequence[Column | None]) -> int | None:
    """Find the column that names the rows: distinct text, or whole numbers under an id header."""
    known = [(at, column) for at, column in enumerate(columns) if column is not None]
    for at, column in known:
        if column.numeric and column.whole and column.distinct and is_id(column.name):
            return at
    text = [at for at, column in known if not column.numeric and column.distinct]
    usual = [at for at, column in known if at in text and column.name.lower() in NAMES]
    return next(iter(usual or text), None)


def is_id(name: str) -> bool:
    return bool(_ID.fullmatch(name) or _CAMEL_ID.fullmatch(name))


def are_vectors(columns: Sequence[Column]) -> tuple[bool, str]:
    words = [column.name for column in columns if not column.numeric]
    if words:
        return False, f"{words[0]} is not a number"
    numbers = [column for column in columns if column.values > 1]
    if max((column.known for column in numbers), default=0) < _FEWEST_ROWS:
        return True, "all columns are numbers"  # too few rows to judge scales
    if len(numbered(numbers)) == len(numbers):
        why = _why_numbered(numbers)
        return not why, why or "the columns are numbered alike"
    why = _why_named(numbers)
    return not why, why or "all columns are numbers of about one scale"


def _why_named(numbers: Sequence[Column]) -> str:
    gaps = [column.name for column in numbers if column.missing]
    if gaps:
        return f"cells of {gaps[0]} are missing"
    counted = [column for column in numbers if column.whole and column.ends[0] >= 0]
    sparse = sum(column.common >= _SPARSE for column in counted)
    if len(counted) == len(numbers) >= _SPARSE_COLUMNS and 2 * sparse > len(numbers):
        return ""  # counts of words and the like, mostly 0
    two = [column.name for column in numbers if column.values == 2]
    if two and len(two) < len(numbers):
        return f"{two[0]} has two values"
    by_spread = sorted(numbers, key=lambda column: column.spread)
    return _unlike(by_spread[0], by_spread[-1], _NAMED)


def _why_numbered(numbers: Sequence[Column]) -> str:
    least = min(column.missing for column in numbers)  # rows without any numbers do not count
    kept = 1.0
    for column in numbers:
        kept *= 1 - (column.missing - least)
    if kept < 1 - _LOST_ROWS:
        return f"cells of {next(c.name for c in numbers if c.missing)} are missing"
    centred = sum(abs(column.ends[2]) <= _CENTRED * column.spread for column in numbers)
    if centred >= 0.8 * len(numbers):
        return ""
    by_spread = sorted(numbers, key=lambda column: column.spread)
    return _unlike(by_spread[(len(numbers) - 1) // 2], by_spread[-1], _NUMBERED_RATIO)


def _unlike(narrow: Column, wide: Column, most: float) -> str:
    ratio = wide.spread / narrow.spread
    return f"{wide.name} spans {ratio:,.0f} times what {narrow.name} does" if ratio > most else ""
