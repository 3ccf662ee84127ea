"""The schema of a table: the role of each column, by its cells; stored with a run, for new rows."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.core.plural import listed
from shoal.rows.tables.cells import (
    DATE_FORMATS,
    ParsedCells,
    is_date_type,
    is_number_type,
    is_plain_type,
    to_days,
)
from shoal.rows.tables.selection import CAMEL_ID, NAMES, is_id, reasons

Role = Literal["number", "date", "category"]

PROBABILITIES = (
    *(0.0, 0.001, 0.005, 0.01, 0.02),
    *(round(0.05 * step, 2) for step in range(1, 20)),
    *(0.98, 0.99, 0.995, 0.999, 1.0),
)
"""The probabilities of the stored quantiles of a column of numbers."""

OTHER, BLANK = "other", "missing"


@dataclass(frozen=True)
class TableColumn:
    name: str  # its header
    role: Role
    form: str | None = None  # format of dates in text; None for dates stored as such
    # of numbers, or of dates in days since 1970, at `PROBABILITIES`
    quantiles: tuple[float, ...] = ()
    step: float = 0.0  # the smallest difference between two of them, 1 for whole numbers
    values: tuple[str, ...] = ()  # the categories, the most common first
    other: bool = False  # whether rarer values form another category
    blank: bool = False  # whether missing cells form another category
    absent: tuple[float, ...] = ()  # codes for missing values
    # a number that many rows have, and their share; `quantiles` are then those of the others
    atom: tuple[float, float] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        return (*self.values, *([OTHER] * self.other), *([BLANK] * self.blank))


@dataclass(frozen=True, eq=False)
class Schema:
    columns: tuple[TableColumn, ...]  # those that are used, in order
    name: str | None  # the column that names the rows
    left_out: tuple[tuple[str, str], ...]  # the others, and why they are not used
    looked: int  # number of rows it was learned from
    # sampled rows as `TableSource.read` returns them, with the fewest gaps: missing cells
    # are filled from the most similar of them
    donors: NDArray[np.float64]

    @property
    def probabilities(self) -> tuple[float, ...]:
        return PROBABILITIES

    @property
    def description(self) -> str:
        parts = [
            _as_words([c for c in self.columns if c.role == role], words)
            for role, words in (("number", "as numbers"), ("date", "as dates"))
        ]
        parts.append(_as_words([c for c in self.columns if c.role == "category"], "as categories"))
        absent = [f"{_shown(value, c)} in {c.name}" for c in self.columns for value in c.absent]
        parts += [f"taken for missing: {listed(absent)}"] if absent else []
        if self.left_out:
            parts.append(f"left out {reasons(self.left_out)}")
        return "; ".join(part for part in parts if part) + "."

    def as_dict(self) -> dict[str, Any]:
        return {
            "columns": [asdict(column) for column in self.columns],
            "name": self.name,
            "left_out": [list(pair) for pair in self.left_out],
            "looked": self.looked,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], donors: NDArray[np.float64]) -> Schema:
        columns = [
            TableColumn(
                **{
                    **column,
                    "quantiles": tuple(column["quantiles"]),
                    "values": tuple(column["values"]),
                    "absent": tuple(column.get("absent", ())),
                    "atom": tuple(column["atom"]) if column.get("atom") else None,
                }
            )
            for column in plain["columns"]
        ]
        left_out = tuple((name, why) for name, why in plain["left_out"])
        return cls(tuple(columns), plain["name"], left_out, plain["looked"], donors)

    @property
    def digest(self) -> str:
        text = json.dumps(self.as_dict(), sort_keys=True).encode()
        donors = np.ascontiguousarray(self.donors).tobytes()
        return hashlib.blake2b(text + donors, digest_size=16).hexdigest()


def _as_words(columns: Sequence[TableColumn], words: str) -> str:
    names = [
        f"{c.name} ({len(c.labels)} values)" if c.role == "category" else c.name for c in columns
    ]
    if not names:
        return ""
    count = f"{len(names)} columns " if len(names) > 1 else ""
    return f"{count}{words}: {listed(names)}"


def _shown(value: float, column: TableColumn) -> str:
    if column.role != "date":
        return f"{value:.15g}"
    return str(np.datetime64(0, "D") + np.timedelta64(int(value), "D"))


_MOSTLY = 0.9
_RARE = 0.01
_MOST_VALUES = 40
_SHORT = 20
_FEWEST_FILLS = 3
_ATOM, _WHOLE_ATOM = 0.05, 0.5
# 0001-01-01, 1900-01-01, 1970-01-01, 2262-04-11 (the last of 64 bits), 9999-12-31
_FILL_DAYS = (-719162.0, -25567.0, 0.0, 106751.0, 2932896.0)
_TYPE_ENDS = (2**15 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_LONGEST_NAME = 80
_TRIED = 2000
# Numbers under such a header are never amounts.
_CODE = re.compile(
    r"(.*[_\s.-])?(id|uuid|guid|zip|zip[_\s]?code|post[_\s]?code|postal[_\s]?code|plz|phone)",
    re.IGNORECASE,
)


def decide(name: str, cells: ParsedCells, *, coded: bool, named: bool) -> TableColumn | str:
    """Decide what a column is used as, or return the reason why it is left out.

    `coded`: its numbers are known to be codes; `named`: the caller named it, so it is not an id.
    """
    kind = cells.type
    if not is_plain_type(kind):
        return "no plain values"
    if is_date_type(kind):
        return _dates(name, to_days(cells.array, None), None)
    fixed = coded or cells.is_coded or pa.types.is_boolean(kind)
    text = cells.text
    known = len(text) - text.null_count
    if not known:
        return "empty"
    if known < _RARE * len(text):
        return "nearly always missing"
    if fixed:
        return _category(name, text)
    numbers = cells.numbers
    if is_number_type(kind) or (~np.isnan(numbers)).sum() >= _MOSTLY * known:
        amounts, absent = _sorted_amounts(numbers, _is_missing_code)
        text = pc.if_else(np.isin(numbers, absent), None, text) if absent else text
        found = _number_or_code(name, amounts, text, named)
        return found if isinstance(found, str) else replace(found, absent=absent)
    form = date_form(text)
    if form is not None:
        return _dates(name, to_days(text, form), form)
    found = _category(name, text)
    is_code = isinstance(found, str) and _CODE.fullmatch(name) and not named
    return "an id" if is_code else found


class _Amounts(NamedTuple):
    """The finite numbers of a column, without codes for missing values."""

    known: NDArray[np.float64]  # in order
    values: NDArray[np.float64]  # the different ones, ascending, with their counts
    counts: NDArray[np.int64]


def _sorted_amounts(
    numbers: NDArray[np.float64], likely: Callable[[NDArray[np.float64]], NDArray[np.bool_]]
) -> tuple[_Amounts, tuple[float, ...]]:
    values, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
    absent = missing_codes(values, counts, likely)
    known, kept = numbers[np.isfinite(numbers)], np.isfinite(values)
    if absent:
        known, kept = known[~np.isin(known, absent)], kept & ~np.isin(values, absent)
    return _Amounts(known, values[kept], counts[kept]), absent


def _number_or_code(name: str, amounts: _Amounts, text: Any, named: bool) -> TableColumn | str:
    """Decide what numbers are: amounts, flags, codes or ids.

    If all but one or two values are rare, or there is one beside missing cells, they are treated
    like words: a rare flag is not informative, in any notation.
    """
    why = "" if named else _identity(name, amounts)
    values, counts = amounts.values, amounts.counts
    n = counts.sum()
    usual = counts[counts >= max(2, math.ceil(_RARE * n))]
    flag = len(values) > 1 and len(usual) in (1, 2) and n - usual.sum() < _RARE * n
    flag |= len(values) == 2 or (len(values) == 1 and bool(text.null_count))
    found = _category(name, text) if flag or why == "code" else ""
    if isinstance(found, TableColumn):
        return found
    if len(values) > 1 and found.startswith("nearly"):
        return found
    return "an id" if why == "code" else why or _numbers(name, amounts, None, "number")


def _dates(name: str, days: NDArray[np.float64], form: str | None) -> TableColumn | str:
    amounts, absent = _sorted_amounts(days, lambda values: np.isin(values, _FILL_DAYS))
    found = _numbers(name, amounts, form, "date")
    return found if isinstance(found, str) else replace(found, absent=absent)


def missing_codes(
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    likely: Callable[[NDArray[np.float64]], NDArray[np.bool_]],
) -> tuple[float, ...]:
    """Find codes for missing values, such as -999 among temperatures.

    They look like one (`likely`), are repeated, but in less than half of the rows, and are
    farther from all others than these from each other.
    """
    fills = likely(values) & (counts >= _FEWEST_FILLS) & (2 * counts < counts.sum())
    others = values[~fills & np.isfinite(values)]
    if len(others) < 2:
        return ()
    low, high = others[0], others[-1]
    away = np.maximum(low - values, values - high) > high - low
    return tuple(values[fills & away].tolist())


def _is_missing_code(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which numbers are 97 to 99 after nines only, limits of types, or huge."""
    size = np.abs(values)
    above = 10 ** (np.floor(np.log10(np.clip(size, 1, 1e19))) + 1)
    nines = (size >= 97) & (above - size <= 3) & (size == np.rint(size))
    return nines | np.isin(size, _TYPE_ENDS) | (size >= 1e19)


def date_form(text: Any) -> str | None:
    known = pc.drop_null(text).slice(0, _TRIED)
    if not len(known) or not pc.any(pc.match_substring_regex(known, r"\d")).as_py():
        return None
    counts = [int(np.isfinite(to_days(known, form)).sum()) for form in DATE_FORMATS]
    best = int(np.argmax(counts))
    return DATE_FORMATS[best] if counts[best] >= _MOSTLY * len(known) else None


def may_name(name: str, cells: ParsedCells) -> int:
    """Return how well a column names the rows, 0 for not at all: its cells must all differ."""
    if is_date_type(cells.type) or pa.types.is_floating(cells.type):
        return 0
    text = cells.text
    if len(text) < 2 or text.null_count or len(pc.unique(text)) < len(text):
        return 0
    if np.isfinite(cells.numbers).all():
        return 4 if is_id(name) else 0
    if date_form(text) is not None or pc.max(pc.utf8_length(text)).as_py() > _LONGEST_NAME:
        return 0
    if pc.any(pc.match_substring(text, "\n")).as_py():
        return 0
    if is_id(name):
        return 3
    return 2 if name.lower() in NAMES else 1


def _identity(name: str, amounts: _Amounts) -> str:
    """Return why numbers are ids, or ``code`` if they are repeated; empty for amounts."""
    known, values, _ = amounts
    if not len(known) or not np.array_equal(values, np.rint(values)):
        return ""
    distinct = len(values) == len(known) > 1
    if distinct and (is_id(name) or _CODE.fullmatch(name)):
        return "an id"
    if distinct and len(known) >= _SHORT and (np.diff(known) == 1).all():
        return "it counts the rows"
    return "code" if _CODE.fullmatch(name) or CAMEL_ID.fullmatch(name) else ""


def _numbers(name: str, amounts: _Amounts, form: str | None, role: Any) -> TableColumn | str:
    known, values, counts = amounts
    if not len(values):
        return "empty"
    if len(values) == 1:
        return "always the same"
    gaps = np.diff(values)
    step = float(gaps[gaps > 1e-9 * (values[-1] - values[0])].min())
    atom = _atom(values, counts) if role == "number" else None
    others = known if atom is None else known[known != atom[0]]
    quantiles = tuple(float(q) for q in np.quantile(others, PROBABILITIES))
    return TableColumn(name, role, form, quantiles, step, atom=atom)


def _atom(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[float, float] | None:
    """Find a number that far more rows have than any other, and their share.

    Of integers only if it is half of all: small counts naturally have many zeros.
    """
    share = float(counts.max() / counts.sum())
    whole = np.array_equal(values, np.rint(values))
    if len(values) < 3 or share < (_WHOLE_ATOM if whole else _ATOM):
        return None
    return float(values[counts.argmax()]), share


def _category(name: str, text: Any) -> TableColumn | str:
    counts = pc.value_counts(pc.drop_null(text))
    pairs = [(pair["values"], pair["counts"]) for pair in counts.to_pylist()]
    known, blank = len(text) - text.null_count, text.null_count
    if len(pairs) == known:
        return "every value differs" if known > 1 else "only one value"
    least = max(2, math.ceil(_RARE * len(text)))
    common = sorted((-count, value) for value, count in pairs if count >= least)[:_MOST_VALUES]
    rest = known + sum(count for count, _ in common)
    if rest > known / 2:
        words = np.mean([len(value.split()) for value, _ in pairs[:_TRIED]])
        return "free text" if words >= 4 else f"{len(pairs):,} values, most of them rare"
    found = TableColumn(
        name,
        "category",
        values=tuple(value for _, value in common),
        other=rest >= least,
        blank=blank >= least,
    )
    if len(found.labels) < 2:
        return f"{'nearly ' if len(pairs) > 1 or blank else ''}always {common[0][1]!r:.30}"
    return found
