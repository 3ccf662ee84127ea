"""Detection of a CSV file's dialect: delimiter, header, decimal sign, kinds of columns.

Own code: DuckDB 2.0 reads 7 of 14 odd files of the tests wrongly or not at all (spaces, ``sep=``,
decimal commas, units, broken rows, latin-1, UTF-16); clevercsv finds only the delimiter.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO

from shoal.errors import SourceError
from shoal.rows.handles import head_of
from shoal.rows.tables.cells import is_grouped, is_missing
from shoal.rows.tables.columns import Column

# The pixels of an image in one cell can exceed the limit of 128 KiB in csv. The limit
# applies to the whole process, and there is no other way to read such a cell.
csv.field_size_limit(max(csv.field_size_limit(), 1 << 26))

_HEAD_BYTES = 1 << 20
_HEAD_ROWS = 1000
_DECLARED = re.compile(r"sep=([,;\t| ])\r?\n", re.IGNORECASE)  # Excel's line for the delimiter
_DELIMITERS = ",;\t| "
_MOSTLY = 0.9
_NAME = re.compile(r"[^\W\d_]|[%°$€£]")  # in a name or a unit
_APART = re.compile(r"[\s,;|]+")
_WORD = re.compile(r"[^\W\d_eE]")  # a letter that is in no number
_COUNTED_COLUMNS = 4
_ENCODING_BYTES = 1 << 16
# Of a table in UTF-16, nearly every other byte is 0; text without Latin letters has a mark.
_MANY, _FEW = 0.3, 0.05


@dataclass(frozen=True)
class Encoding:
    name: str = "utf-8"  # in Python, without a byte order mark
    bom_bytes: int = 0  # length of the byte order mark; 0 without one

    @property
    def unit(self) -> str:
        """NumPy type of the code units, in which line ends are found."""
        return {"utf-16-le": "<u2", "utf-16-be": ">u2"}.get(self.name, "u1")


@dataclass(frozen=True)
class Dialect:
    delimiter: str  # between cells
    decimal: str
    # number of rows before the data: the columns' names, or Excel's line for
    # the delimiter
    header: int
    names: tuple[str, ...]  # of the columns; ``column 1`` and so on without a header
    encoding: Encoding = field(default_factory=Encoding)
    units: str = ""  # the row of units under the names, if there is one


def sniff(path: Path) -> tuple[Dialect, list[Column]]:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        more = bool(file.read(1))
    encoding = find_encoding(head)
    text = head[encoding.bom_bytes :].decode(encoding.name, "replace")
    if "\0" in text:
        raise SourceError(
            f"{path} is not a text table: it holds zero bytes (a spreadsheet? save it as CSV)"
        )
    if more and "\n" in text:
        text = text[: text.rindex("\n") + 1]
    declared = _DECLARED.match(text)
    text = text[declared.end() :] if declared else text
    delimiter, decimal, rows = _best_split(path, text, declared[1] if declared else None)
    second = has_second_header(rows, decimal)
    body = rows[2:] if second else rows[1:]
    header = _has_header([rows[0], *body], decimal)
    titles = _titles(rows, second) if header else [""] * len(rows[0])
    if header and _trailing(rows):
        titles = [*titles, ""]
    # pandas writes its row numbers first, under an empty name
    unnamed = ["index" if header and at == 0 else f"column {at + 1}" for at in range(len(titles))]
    names = unique([title.strip() or unnamed[at] for at, title in enumerate(titles)])
    columns = []
    for at, name in enumerate(names):
        cells = [row[at] for row in (body if header else rows) if at < len(row)]
        columns.append(Column(name, _numeric(cells, decimal), False))
    above = bool(declared) + header + (header and second)
    are_units = header and second and titles[: len(rows[0])] == list(rows[0])
    units = delimiter.join(rows[1]) if are_units else ""
    return Dialect(delimiter, decimal, above, names, encoding, units), columns


def has_second_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    """Return whether the second row is part of the header: texts above columns of numbers."""
    if len(rows) < 4 or len(rows[0]) != len(rows[1]):
        return False
    body = rows[2:102]
    numeric = [
        at
        for at in range(len(rows[0]))
        if _numeric([row[at] for row in body if at < len(row)], decimal)
    ]
    above = [cell for at in numeric if (cell := rows[0][at].strip())]
    below = [cell for at in numeric if not is_missing(cell := rows[1][at].strip())]
    # a gap or two among numbers are not a header
    texts = not any(_number(cell, decimal) for cell in (*above, *below))
    return texts and all(map(_NAME.search, below)) and len(above) > 1 and len(below) > 1


def _titles(rows: Sequence[Sequence[str]], second: bool) -> list[str]:
    first = list(rows[0])
    if not second:
        return first
    for at in range(1, len(first)):  # a name for several columns may be only above the first
        first[at] = first[at].strip() or first[at - 1]
    if len(set(first)) == len(first):
        return list(rows[0])  # the second row has units
    pairs = zip(first, rows[1], strict=True)
    return ["_".join(filter(None, (above.strip(), below.strip()))) for above, below in pairs]


def _trailing(rows: Sequence[Sequence[str]]) -> bool:
    width = len(rows[0]) + 1
    return len(rows) > 1 and all(len(row) == width and not row[-1].strip() for row in rows[1:])


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Make column names unique.

    >>> unique(["a", "b", "a", "a (2)", "a"])
    ('a', 'b', 'a (3)', 'a (2)', 'a (4)')
    """
    taken, found = set(names), list[str]()
    for name in names:
        number = 1
        while name in found or (number > 1 and name in taken):
            number += 1
            name = f"{name if number == 2 else name[: name.rindex(' (')]} ({number})"
        found.append(name)
    return tuple(found)


def _best_split(
    path: Path, text: str, given: str | None = None
) -> tuple[str, str, list[list[str]]]:
    """Return the delimiter and decimal sign that yield the most numbers, and the rows."""
    best: tuple[tuple[bool, bool, float, int, bool, int], str, str, list[list[str]]] | None = None
    for delimiter in given or _DELIMITERS:
        rows = _split(text, delimiter)
        if not rows:
            raise SourceError(f"{path} has no rows")
        width, count = Counter(map(len, rows)).most_common(1)[0]
        if len(rows[0]) == 1 < width and not _number(rows[0][0], "."):
            continue  # one name above many cells: the delimiter is within one column of text
        even = count >= _MOSTLY * len(rows)
        headed = len(rows[0]) == width > 1
        sure = width > 1 and delimiter != " "  # spaces also separate words
        for decimal in ".," if delimiter != "," else ".":
            cells = [cell for row in rows[:100] for cell in row]
            numbers = sum(_number(cell, decimal) or _has_both(cell, decimal) for cell in cells)
            score = (even, headed, numbers / len(cells), numbers, sure, width)
            if best is None or score > best[0]:
                best = (score, delimiter, decimal, rows)
    if best is None:
        raise SourceError(f"{path} has no rows")
    return best[1:]


def _split(text: str, delimiter: str) -> list[list[str]]:
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
    try:
        return "_" not in cell and not math.isnan(float(cell.replace(decimal, ".")))
    except ValueError:
        return False


def _has_both(cell: str, decimal: str) -> bool:
    """Return whether a number's signs tell which is the decimal one, as in ``1.234,56``."""
    text = cell.strip()
    return decimal in text and is_grouped(text, decimal)


def _has_header(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    first, body = [cell.strip() for cell in rows[0]], rows[1:101]
    texts = [bool(cell) and not _number(cell, decimal) for cell in first]
    if not body:
        return all(texts)
    for at, is_text in enumerate(texts):
        cells = [row[at] for row in body if at < len(row)]
        if is_text and (_numeric(cells, decimal) or _hold_numbers(cells, first[at])):
            return True
    if all(texts) and _unlike(first, body):
        return True
    # What pandas writes for columns without names: 0,1,2,3 or ,0,1
    numbers = first[1:] if first[0] == "" else first
    counted = numbers == [str(number) for number in range(len(numbers))]
    return counted and (first[0] == "" or len(numbers) >= _COUNTED_COLUMNS)


def _hold_numbers(cells: Sequence[str], title: str) -> bool:
    several = [len(_APART.split(cell)) > 1 and not _WORD.search(cell) for cell in cells]
    return bool(several) and sum(several) >= _MOSTLY * len(several) and bool(_WORD.search(title))


def _unlike(first: Sequence[str], body: Sequence[Sequence[str]]) -> bool:
    """Return whether a row of text differs from those below, whose values are repeated."""
    columns = [[row[at].strip() for row in body if at < len(row)] for at in range(len(first))]
    again = any(len(set(cells)) <= len(cells) / 2 for cells in columns)
    apart = all(cell not in cells for cell, cells in zip(first, columns, strict=True))
    return again and apart and len(set(first)) == len(first)


def _numeric(cells: Sequence[str], decimal: str) -> bool:
    try:  # fast path for the usual case: a quarter of the time
        plain = decimal == "." and not any("_" in cell for cell in cells)
        if plain and any(number == number for number in [float(cell) for cell in cells]):
            return True
    except ValueError:
        pass
    there = [cell for cell in cells if not is_missing(cell)]
    numbers = sum(_number(cell, decimal) for cell in there)
    return bool(there) and numbers >= _MOSTLY * len(there)


def find_encoding(head: bytes) -> Encoding:
    r"""Find the encoding of a text from its byte order mark, zero bytes and validity.

    >>> find_encoding(b"\xff\xfea\0"), find_encoding(b"\0a\0,\0b\0\n").name
    (Encoding(name='utf-16-le', bom_bytes=2), 'utf-16-be')
    >>> find_encoding("é".encode()).name, find_encoding("é,".encode("latin-1")).name
    ('utf-8', 'cp1252')
    """
    marks = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
    for mark, name in marks:
        if head.startswith(mark) and not head.startswith(b"\xff\xfe\0\0"):
            return Encoding(name, len(mark))
    for at, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = (head[one::2].count(0) / max(1, len(head) // 2) for one in (at, 1 - at))
        if zeros > _MANY and others < _FEW and "\n" in head.decode(name, "replace"):
            return Encoding(name)
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(head) or error.reason != "unexpected end of data":
            return Encoding("cp1252")
    return Encoding()


def csv_rows(lines: Iterable[str], delimiter: str | None = None) -> Iterator[list[str]]:
    lines = iter(lines)
    first = next(lines, "")
    return csv.reader(chain([first], lines), delimiter=delimiter or max(",;\t|", key=first.count))


def open_text(path: Path, errors: str = "strict") -> IO[str]:
    """Open a text file in its own encoding, with its line ends unchanged."""
    found = find_encoding(head_of(path, _ENCODING_BYTES))
    if found.name == "cp1252" and errors == "surrogateescape":
        found = Encoding()  # names of files, which need be no text at all
    text = path.open(encoding=found.name, errors=errors, newline="")
    text.seek(found.bom_bytes)
    return text
