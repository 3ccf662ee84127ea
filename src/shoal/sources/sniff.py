"""How a CSV file is written: delimiter, header, decimal sign, kinds of columns."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.errors import SourceError
from shoal.sources.table import Column

_HEAD_BYTES = 1 << 20
_HEAD_ROWS = 1000
_DELIMITERS = ",;\t| "
_MISSING = frozenset(("", "na", "n/a", "#n/a", "nan", "-nan", "null", "none"))
_MOSTLY = 0.9
_COUNTED_COLUMNS = 4


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes
    ----------
    delimiter, decimal : str
        Between cells, and within numbers.
    header : bool
        True when the first row holds the columns' names.
    names : tuple of str
        Of the columns; ``column 1`` and so on without a header.
    bom : bool
        True when the file begins with a byte order mark.
    """

    delimiter: str
    decimal: str
    header: bool
    names: tuple[str, ...]
    bom: bool


def is_number(cell: str, dialect: Dialect | None = None) -> bool:
    """Tell whether a cell is a number, or a usual sign for a missing one."""
    return cell.strip().lower() in _MISSING or not math.isnan(_parse(cell, dialect))


def to_number(cell: str, dialect: Dialect | None = None) -> float:
    """Give a cell's number; NaN for what is none."""
    return _parse(cell, dialect)


def _parse(cell: str, dialect: Dialect | None) -> float:
    """Parse a number; NaN for what is none."""
    if dialect and dialect.decimal != ".":
        cell = cell.replace(dialect.decimal, ".")
    try:
        return float(cell) if "_" not in cell else math.nan
    except ValueError:
        return math.nan


def sniff(path: Path) -> tuple[Dialect, list[Column]]:
    """Find out how a CSV file is written, from its first rows.

    Raises
    ------
    SourceError
        When it is no text or has no rows.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        more = bool(file.read(1))
    if b"\0" in head:
        raise SourceError(f"{path} is no text table in UTF-8: it holds zero bytes")
    bom = head.startswith(b"\xef\xbb\xbf")
    text = head[3 * bom :].decode("utf-8", "replace")
    if more and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    delimiter, decimal, rows = _best_split(path, text)
    header = _has_header(rows, decimal)
    titles = rows[0] if header else [""] * len(rows[0])
    # pandas writes its row numbers first, under an empty name
    unnamed = ["index" if header and at == 0 else f"column {at + 1}" for at in range(len(titles))]
    names = tuple(title.strip() or unnamed[at] for at, title in enumerate(titles))
    columns = [_describe(at, name, rows[header:], decimal) for at, name in enumerate(names)]
    return Dialect(delimiter, decimal, header, names, bom), columns


def _best_split(path: Path, text: str) -> tuple[str, str, list[list[str]]]:
    """Try delimiters and decimal signs; the one that gives the most numbers is right."""
    best: tuple[tuple[bool, float, int, int], str, str, list[list[str]]] | None = None
    for delimiter in _DELIMITERS:
        rows = _split(text, delimiter)
        if not rows:
            raise SourceError(f"{path} has no rows")
        width, count = Counter(map(len, rows)).most_common(1)[0]
        even = count >= _MOSTLY * len(rows)
        for decimal in ".," if delimiter != "," else ".":
            cells = [cell for row in rows[:100] for cell in row]
            numbers = sum(_number(cell, decimal) for cell in cells)
            score = (even, numbers / len(cells), numbers, width)
            if best is None or score > best[0]:
                best = (score, delimiter, decimal, rows)
    if best is None:
        raise SourceError(f"{path} has no rows")
    return best[1:]


def _split(text: str, delimiter: str) -> list[list[str]]:
    """Split the first rows into cells."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > _HEAD_ROWS:
                break
    except csv.Error:
        return rows or [[text[:40]]]
    return rows


def _number(cell: str, decimal: str) -> bool:
    """Tell whether a cell is a finite or infinite number."""
    return not math.isnan(_parse(cell, Dialect("", decimal, False, (), False)))


def _has_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Tell whether the first row names the columns."""
    first, body = [cell.strip() for cell in rows[0]], rows[1:101]
    texts = [bool(cell) and not _number(cell, decimal) for cell in first]
    if not body:
        return all(texts)
    for at, is_text in enumerate(texts):
        cells = [row[at] for row in body if at < len(row)]
        if is_text and _numeric(cells, decimal):
            return True
    # What pandas writes for columns without names: 0,1,2,3 or ,0,1
    numbers = first[1:] if first[0] == "" else first
    counted = numbers == [str(number) for number in range(len(numbers))]
    return counted and (first[0] == "" or len(numbers) >= _COUNTED_COLUMNS)


def _numeric(cells: Sequence[str], decimal: str) -> bool:
    """Tell whether most of the cells that are not missing are numbers, and there are some."""
    there = [cell for cell in cells if cell.strip().lower() not in _MISSING]
    numbers = sum(_number(cell, decimal) for cell in there)
    return bool(there) and numbers >= _MOSTLY * len(there)


def _describe(at: int, name: str, rows: Sequence[Sequence[str]], decimal: str) -> Column:
    """Describe a column by its first rows."""
    cells = [row[at].strip() for row in rows if at < len(row)]
    numeric = _numeric(cells, decimal)
    distinct = len(set(cells)) == len(cells) > 1
    whole = numeric and all(cell.lstrip("+-").isdigit() for cell in cells)
    return Column(name, numeric, distinct, whole)
