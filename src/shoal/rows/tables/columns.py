"""A table that is being opened: statistics of its columns, and which are codes or labels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.core.plural import listed
from shoal.errors import InputError, SourceError
from shoal.rows.base import LabelValues, Source
from shoal.rows.tables.cells import (
    is_number_type,
    is_plain_type,
    is_text_type,
    one_array,
    plain,
    to_numbers,
    to_text,
)
from shoal.rows.tables.table import Cells, sample_cells

if TYPE_CHECKING:
    from shoal.rows.options import SourceOptions
    from shoal.rows.tables.selection import Picked

_CHANCE = 0.01  # probability that a column of class numbers lacks its first numbers
_RUNS, _ROWS, _CELLS = 8, 4096, 1 << 18  # sampled runs of rows, most rows, most cells
_FEWEST = 20
_CELLS_AT_ONCE = 1 << 18
_REPEATS = 10
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")

LOOKS = "looks like the answer"
"""Beginning of the reason why a column of labels is left out."""

_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")
_SURE = re.compile(
    r"((true|gold|gt|ground_truth|fine|coarse)_)?(labels?|targets?)"
    r"(_(ids?|names?|idx|index|code|class|encoded|num|text))?"
    r"|y_true|gt|(ground_)?truth|class_(labels?|ids?|names?|idx|index)|species(_(id|name))?"
    r"|clusters?(_(ids?|labels?|names?))?"
)
# Names of attributes, too, such as a passenger's class: not labels beside other categories.
_LIKELY = re.compile(r"class(es)?|cls|categor(y|ies)|y|variety|outcome|diagnosis")
_ANSWER = re.compile(f"{_SURE.pattern}|{_LIKELY.pattern}")
_OWN = ("row", "cluster", "confidence", "outlier", "unknown", "cluster_name", "mark")
# Fewest columns of fractions beside which the only column of codes is taken for labels, and
# fewest numbered ones that are taken for a network's output. They separate the tables that
# were tried, for any values between 6 and 12, and 20 and 60.
_MANY, _NETWORK = 8, 32
_MOST_CODES = 30


@dataclass(frozen=True)
class Column:
    name: str  # its header, or ``column 3``
    numeric: bool  # numbers or booleans
    distinct: bool  # no value is repeated or missing
    whole: bool = False  # integers, in any type
    known: int = 0  # number of cells that are not missing, and of different ones
    values: int = 0
    # share of missing cells; share of the most common value among the others
    missing: float = 0.0
    common: float = 1.0
    # for numbers: the quantiles at 0, 5, 50, 95 and 100%
    ends: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    # why its numbers identify rows instead of measuring them; empty if they do not
    identity: str = ""

    @property
    def is_code(self) -> bool:
        return (self.whole or not self.numeric) and 2 <= self.values <= self.known / 2

    @property
    def is_category(self) -> bool:
        """True if the codes are texts, or two values."""
        return self.is_code and (not self.numeric or self.values == 2)

    @property
    def counts(self) -> bool:
        """True if the values are numbered like classes: from -1, 0 or 1 with few gaps.

        The first ones may be missing by chance, if many others are.
        """
        least, most = self.ends[0], self.ends[-1]
        if not self.whole or least < -1:
            return False
        first = max(least - 1, 0)
        left_out = 1 - self.values / (most + 1 - min(least, 1))
        return left_out <= 0.5 and left_out**first >= _CHANCE

    @property
    def spread(self) -> float:
        """Range of the central nine tenths of the numbers, or of all if that is 0."""
        least, low, _, high, most = self.ends
        return high - low or most - least


def describe_columns(
    table: Cells, columns: Sequence[Column], label: str, head: Any = None
) -> list[Column]:
    found = {column.name: column for column in columns}
    if head is not None:
        rows = np.arange(len(head))
        for column in columns:
            if column.name in table.names and column.numeric:
                found[column.name] = describe(column, head.column(column.name), rows, table.decimal)
    wanted = [
        found[name]
        for name in table.names
        if name in found and (head is None or not found[name].numeric or found[name].whole)
    ]
    if not wanted:
        return list(found.values())
    most = max(_RUNS, min(_ROWS, _CELLS // len(wanted)))
    sample, rows = sample_cells(table, [column.name for column in wanted], label, most, _RUNS)
    for column, cells in zip(wanted, sample.columns, strict=True):
        found[column.name] = describe(column, cells, rows, table.decimal)
    return list(found.values())


def describe(column: Column, cells: Any, rows: NDArray[np.int64], decimal: str) -> Column:
    if not column.numeric:
        return _describe_text(column, to_text(cells))
    numbers = to_numbers(cells, decimal)
    known = np.isfinite(numbers)
    values, counts = np.unique(numbers[known], return_counts=True)
    if not len(values):
        return replace(column, distinct=False, missing=1.0)
    whole = np.array_equal(values, np.rint(values))
    distinct = len(values) == len(numbers) > 1
    low, middle, high = np.quantile(numbers[known], (0.05, 0.5, 0.95)).tolist()
    return replace(
        column,
        distinct=distinct,
        whole=whole,
        known=int(known.sum()),
        values=len(values),
        missing=float(np.isnan(numbers).mean()),
        common=float(counts.max() / known.sum()),
        ends=(float(values[0]), low, middle, high, float(values[-1])),
        identity=names_rows(numbers, rows) if whole and distinct else "",
    )


def _describe_text(column: Column, text: Any) -> Column:
    counts = pc.value_counts(pc.drop_null(text)).field("counts").to_numpy()
    known = int(counts.sum())
    return replace(
        column,
        distinct=known == len(text) == len(counts) > 1,
        known=known,
        values=len(counts),
        missing=1 - known / max(1, len(text)),
        common=float(counts.max() / known) if known else 1.0,
    )


def names_rows(numbers: NDArray[np.float64], rows: NDArray[np.int64]) -> str:
    """Return why different integers identify rows instead of measuring them; empty for amounts.

    So many draws from so small a range would repeat ten values or more: numbers that
    were assigned one by one do not, in any order (the birthday problem).
    """
    n = len(numbers)
    if n < _FEWEST:
        return ""
    if np.ptp(numbers - rows) == 0:
        return "it counts the rows"
    width = float(np.ptp(numbers)) + 1
    return "it numbers the rows" if n * (n - 1) / 2 / width >= _REPEATS else ""


def by_type(field: Any) -> Column:
    numeric = is_plain_type(field.type) and is_number_type(field.type, flags=True)
    return Column(field.name, numeric, False)


def numbered(columns: Sequence[Column]) -> list[Column]:
    """Find the largest set of columns whose names differ only by a number, such as e0, e1, e2.

    >>> columns = [Column(name, True, False) for name in ("e0", "age", "e1", "pc10", "e12")]
    >>> [column.name for column in numbered(columns)]
    ['e0', 'e1', 'e12']
    """
    families = defaultdict(list)
    for column in columns:
        match = _NUMBERED.fullmatch(column.name)
        if match:
            families[match[1], match[3]].append(column)
    return max(families.values(), key=len, default=[])


def find_answers(columns: Sequence[Column], *, aside: bool = False) -> dict[str, str]:
    found = {c.name: _reason(c) for c in columns if _is_answer(c, columns)}
    own = {c.name for c in columns} & set(_OWN)
    if {"cluster", "confidence"} <= own and own & {"outlier", "unknown"}:
        found |= {name: "written by Shoal" for name in own if name != "cluster"}
    rest = [c for c in columns if c.name not in found]
    found |= {c.name: _reason(c) for c in _code_columns(rest)}
    left = [c for c in columns if c.name not in found]
    return found if aside or any(c.values > 1 and (c.numeric or c.is_code) for c in left) else {}


def answers_in(left_out: Sequence[tuple[str, str]]) -> list[str]:
    return [name for name, why in left_out if why.startswith(LOOKS) and "--truth" in why]


def _reason(column: Column) -> str:
    compare = f"--truth {column.name} compares with it, " if column.is_code else ""
    return f"{LOOKS}: {compare}--columns uses it"


def _is_answer(column: Column, columns: Sequence[Column]) -> bool:
    words = _words(column)
    if column.values < 2:
        return False
    if _SURE.fullmatch(words):
        return True
    if not _LIKELY.fullmatch(words) or not column.is_code:
        return False
    others = [other for other in columns if other is not column]
    if words == "y" and any(other.name.lower() == "x" for other in others):
        return False  # coordinates
    numbers = [other for other in others if other.numeric and other.values > 2]
    mixed = any(other.is_category and not _ANSWER.fullmatch(_words(other)) for other in others)
    return len(numbers) >= 2 and not mixed


def _words(column: Column) -> str:
    return "_".join(word.lower() for word in _WORDS.split(column.name) if word)


def _code_columns(columns: Sequence[Column]) -> list[Column]:
    floats = [c for c in columns if c.numeric and not c.whole]
    others = [c for c in columns if c.values > 1 and (c.whole or not c.numeric)]
    family = numbered(floats)
    all_numbered = len(family) == len(floats)
    if all_numbered and len(floats) >= _NETWORK and all(not c.numeric or c.counts for c in others):
        return others
    codes = [c for c in others if c.is_code and c.values <= _MOST_CODES]
    if len(floats) < _MANY or len(codes) != 1:
        return []
    code = codes[0]
    if code.is_category:  # a flag or a text is an attribute in a table, but no vector has one
        return codes if all_numbered and len(others) == 1 else []
    if len(others) == 1:
        return codes
    ends = (columns[0], columns[-1])
    nameless = all_numbered and len(numbered([*floats, code])) > len(floats)
    return codes if nameless and code.counts and code in ends else []


@dataclass(frozen=True, eq=False)
class ColumnLabels:
    table: Cells  # including the columns that are not used
    left_out: tuple[tuple[str, str], ...]  # columns that are not used, with the reason

    @property
    def origin(self) -> str | None:
        found = answers_in(self.left_out)
        return f"column {found[0]}" if found else None

    def read(self, source: Source, key: str | None = None) -> LabelValues | None:
        name = key or next(iter(answers_in(self.left_out)), None)
        if name is None:
            return None
        if name not in self.table.names:
            raise InputError(
                f"there is no column {name} beside the rows of {source.description}: there are "
                f"{listed(self.table.names)}"
            )
        found = [
            plain(self.table.cells(low, min(low + _CELLS_AT_ONCE, self.table.n_rows), [name])[0][0])
            for low in range(0, self.table.n_rows, _CELLS_AT_ONCE)
        ]
        if all(pa.types.is_integer(cells.type) and not cells.null_count for cells in found):
            return np.concatenate([np.asarray(cells) for cells in found])
        texts: list[Any] = []
        for cells in found:
            texts += to_text(cells).to_pylist()
        return texts


_TRIED = 50  # sampled cells of a column


@dataclass(frozen=True, eq=False)
class OpenedTable:
    """Columns of a table: those of an Arrow schema, or those detected in a CSV file."""

    cells: Cells  # its columns of plain values
    label: str  # in messages
    options: SourceOptions
    found: Sequence[Column] = ()  # columns without a schema
    schema: Any = None
    read_head: Callable[[], Any] = lambda: None  # reads the first rows of a typed table
    is_long: bool = True  # whether reading more than these rows is slow
    leaves: tuple[str, ...] = ()  # leaf columns: ``image.bytes``, ``image.path``
    folders: tuple[Path, ...] = ()  # folder of each file, to which paths in it are relative
    many: str = ""  # its files, in messages

    @cached_property
    def head(self) -> Any:
        return self.read_head()

    @cached_property
    def columns(self) -> list[Column]:
        kinds = self.found or [by_type(field) for field in self.schema]
        head = self.head if self.is_long else None
        return describe_columns(self.cells, kinds, self.label, head)

    @property
    def names(self) -> Sequence[str]:
        """All columns, including those of lists and bytes."""
        return self.cells.names if self.schema is None else tuple(self.schema.names)

    @cached_property
    def picked(self) -> Picked:
        return self.options.picked.among(self.names, self.label)

    def first(self, leaf: str, count: int = _TRIED) -> Any:
        """Return the first cells of a column: at most `count`, fewer if they are large."""
        count = min(count, self.cells.n_rows)
        table, bad = next(self.cells.only((leaf,)).batches(0, count, leaf))
        if bad:
            raise SourceError(bad[0])
        return one_array(table.column(0))

    def one_of(self, found: Sequence[str], what: str) -> str | None:
        """Return the requested column, or the only one found; None without one."""
        key = self.options.key
        if key is not None and key not in found:
            raise InputError(
                f"{self.label} has no column of {what} called {key}: it has {listed(self.names)}"
            )
        if key is None and len(found) > 1:
            raise InputError(
                f"{self.label} has {len(found)} columns of {what}: give --key {found[0]} or "
                f"another ({listed(found)})"
            )
        return key or next(iter(found), None)

    def name_and_labels(self) -> tuple[str | None, ColumnLabels]:
        """Find the column with the names of rows, and those with labels."""
        kinds = {field.name: field.type for field in self.schema}
        can_name = (
            c.name
            for c in self.columns
            if c.distinct and (is_text_type(kinds[c.name]) or pa.types.is_integer(kinds[c.name]))
        )
        name = next(can_name, None)
        answers = find_answers([c for c in self.columns if c.name != name], aside=True)
        return name, ColumnLabels(self.cells, tuple(answers.items()))
