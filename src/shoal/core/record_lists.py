"""Lists of records that display as text, as HTML in a notebook, and convert to tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.util import find_spec
from typing import Any

from shoal.errors import MissingExtraError

_MOST_LINES = 60  # of a displayed table; `to_arrow` has all


def cell(value: Any) -> str:
    """Format a value for display: numbers with three digits, a dash for unknown values.

    >>> cell(0.98765), cell(12345), cell(float("nan")), cell(True), cell(None), cell(31.46)
    ('0.988', '12,345', '–', 'yes', '–', '31.5')
    """
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "–"
    return "–" if value is None else str(value)


def text_table(records: Sequence[Mapping[str, Any]]) -> str:
    """Format records as columns of text, numbers right-aligned."""
    names, lines = _cells(records)
    widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
    left = [all(isinstance(record.get(name), str) for record in records) for name in names]
    return "\n".join(
        "  ".join(
            word.ljust(width) if at_left else word.rjust(width)
            for word, width, at_left in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in [names, *lines]
    )


def html_table(records: Sequence[Mapping[str, Any]], title: str = "") -> str:
    """Format records as an HTML table with escaped names and values."""
    names, lines = _cells(records)
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(word)}</td>' for word in line)}</tr>" for line in lines
    )
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(records: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the lines, the last of which states how many are omitted."""
    names = _names(records)
    lines = [[cell(record.get(name)) for name in names] for record in records[:_MOST_LINES]]
    if len(records) > _MOST_LINES:
        rest = f"and {len(records) - _MOST_LINES:,} more"
        lines.append([rest, *[""] * (len(names) - 1)])
    return names, lines


def _names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


class Tabular:
    """Base of results that display as a table; `records` returns its lines as dictionaries."""

    def records(self) -> list[dict[str, Any]]:
        """Return the lines of the table."""
        raise NotImplementedError

    def to_arrow(self) -> Any:
        import pyarrow as pa

        lines = self.records()
        names = _names(lines)
        return pa.Table.from_pylist([{n: line.get(n) for n in names} for line in lines])

    def to_pandas(self) -> Any:
        """Return a data frame of pandas.

        Raises
        ------
        MissingExtraError
            When pandas is not installed.
        """
        if find_spec("pandas") is None:
            raise MissingExtraError("to_pandas needs pandas: pip install pandas")
        return self.to_arrow().to_pandas()

    def _repr_html_(self) -> str:
        return html_table(self.records())


class RecordList(Tabular, list[dict[str, Any]]):
    """A list of dictionaries that displays as a table."""

    def records(self) -> list[dict[str, Any]]:
        return list(self)

    def __repr__(self) -> str:
        return text_table(self) if self else "[]"
