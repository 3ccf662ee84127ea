"""Whether columns of numbers are the coordinates of one space, or each has a scale of its own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from shoal.rows.tables.columns import Column

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
_FEWEST_ROWS = 20
# Named columns are of one scale up to this ratio: the narrowest then still carries 1/25 of the
# variance of the widest. Numbered ones up to the other, from the middle one to the widest:
# principal components and pixels differ by less, or lie about 0.
_NAMED, _NUMBERED_RATIO = 5.0, 10.0
_CENTRED = 0.25
_LOST_ROWS = 0.05
_SPARSE, _SPARSE_COLUMNS = 0.8, 32


def numbered(columns: Sequence[Column]) -> list[Column]:
    """Find the most columns whose names differ by a number only, such as e0, e1, e2.

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


def are_vectors(columns: Sequence[Column]) -> tuple[bool, str]:
    """Return whether columns are vectors or a table, and why.

    Parameters
    ----------
    columns : sequence of Column
        Those of a file that name no rows and are not answers.
    """
    words = [column.name for column in columns if not column.numeric]
    if words:
        return False, f"{words[0]} is not a number"
    numbers = [column for column in columns if column.values > 1]
    if max((column.known for column in numbers), default=0) < _FEWEST_ROWS:
        return True, "all columns are numbers"  # too few rows to tell a scale
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
    least = min(column.missing for column in numbers)  # rows that lack all are no use
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
