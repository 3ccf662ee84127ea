"""Conversion of a table's cells to numbers, days and texts, whatever their stored type."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MISSING = (
    *("", "?", "na", "n/a", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "nat"),
    *("null", "none", "\\n", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
)
"""Texts for missing values, in lower case: those of pandas, and MySQL's ``\\N``."""

_NO_WORDS = tuple(cell for cell in MISSING if cell != "none")  # which is often a category

ISO = "ISO 8601"
DATE_FORMATS = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y/%m/%d"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%m/%d/%y"),
    *("%d-%m-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", ISO),
)
"""Formats of dates, the likelier first; of two that fit all cells, the day-first one wins."""

_LONG, _KEPT = 1 << 10, 1 << 6  # bytes above which a text is cut, and how many are kept
_DAY = 86_400.0
_LARGEST = 1e100
_AMOUNT = re.compile(r"([+-]?)[$€£¥]?\s*([+-]?[\d.,\s'’\u00a0\u202f]*\d[.,]?)\s*[%$€£¥]?")
_GROUPED = r"\d{{1,3}}([{marks}]\d{{3}})+({decimal}\d*)?"


def is_missing(cell: str) -> bool:
    """Return whether the text of a cell or a label means that it is missing.

    >>> is_missing(" N/A"), is_missing("Namibia")
    (True, False)
    """
    return cell.strip().lower() in MISSING


def is_number_type(kind: Any, *, flags: bool = False) -> bool:
    """Return whether an Arrow type is numeric; with `flags`, booleans are, too."""
    types = pa.types
    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)
    return bool(numbers or (flags and types.is_boolean(kind)))


def is_text_type(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_date_type(kind: Any) -> bool:
    return pa.types.is_date(kind) or pa.types.is_timestamp(kind)


def is_plain_type(kind: Any) -> bool:
    """Return whether an Arrow type has single readable values: no lists, no bytes."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return is_plain_type(kind.storage_type)
    blobs = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    return not (types.is_nested(kind) or types.is_binary_view(kind) or any(b(kind) for b in blobs))


def plain_names(schema: Any) -> tuple[str, ...]:
    return tuple(field.name for field in schema if is_plain_type(field.type))


def one_array(column: Any) -> Any:
    if isinstance(column, pa.ChunkedArray) and column.num_chunks == 1:
        return column.chunk(0)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def plain(column: Any) -> Any:
    """Return a column as one Arrow array, without a dictionary or an extension."""
    array = one_array(column)
    if isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    return array


def shortened(table: Any) -> Any:
    """Return a table with its long texts cut, and a hash to distinguish those with one beginning.

    They are neither numbers, dates nor categories, but could exhaust the memory.
    """
    for at, field in enumerate(table.schema):
        if not is_text_type(field.type):
            continue
        is_long = pc.greater(pc.binary_length(table.column(at)), _LONG).fill_null(False)
        if pc.any(is_long).as_py():
            column, mask = plain(table.column(at)), plain(is_long)
            long = np.flatnonzero(mask.to_numpy(zero_copy_only=False)).tolist()
            cut = [_cut(column[row]) for row in long]  # without copying them
            short = pc.replace_with_mask(column, mask, pa.array(cut, field.type))
            table = table.set_column(at, field, short)
    return table


def _cut(cell: Any) -> str:
    data = memoryview(cell.as_buffer())
    start = bytes(data[:_KEPT]).decode("utf-8", "ignore")
    return f"{start}… {hashlib.blake2b(data, digest_size=16).hexdigest()}"


class ParsedCells:
    """Cells of a column, parsed as text and as numbers at most once each."""

    def __init__(self, column: Any, decimal: str) -> None:
        self.array, self.is_coded = plain(column), pa.types.is_dictionary(column.type)
        self.type, self._decimal = self.array.type, decimal

    def __len__(self) -> int:
        return len(self.array)

    @cached_property
    def text(self) -> Any:
        return to_text(self.array)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        return to_numbers(self.array, self._decimal)


def to_text(column: Any) -> Any:
    """Return cells as trimmed Arrow text, null where they are missing; ``1.0`` is ``1``."""
    return _by_value(column, _trimmed)


def to_numbers(column: Any, decimal: str = ".") -> NDArray[np.float64]:
    """Return cells as float64, NaN if missing or not a number, infinite beyond 10¹⁰⁰.

    Amounts (``€ 1,200.50``, ``12%``) are parsed, too.
    """
    numbers = _parsed(plain(column), decimal)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) > _LARGEST, np.copysign(np.inf, numbers), numbers)


def _parsed(array: Any, decimal: str) -> NDArray[np.float64]:
    if is_number_type(array.type, flags=True):
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    if is_date_type(array.type):
        return to_days(array, None)

    def parsed(values: Any) -> Any:
        text = _trimmed(values)
        swapped = text if decimal == "." else pc.replace_substring(text, decimal, ".")
        try:
            return swapped.cast(pa.float64())
        except pa.ArrowException:
            return pa.array([_amount(cell, decimal) for cell in text.to_pylist()], pa.float64())

    return np.asarray(_by_value(array, parsed).to_numpy(zero_copy_only=False), np.float64)


def to_days(column: Any, form: str | None) -> NDArray[np.float64]:
    """Return dates as days since 1970, float64, NaN if missing or not a date."""
    array = plain(column)
    if is_date_type(array.type):
        stamps = array.cast(pa.timestamp("us"), safe=False)
    elif form is None:
        return np.full(len(array), np.nan)
    else:
        stamps = _by_value(array, lambda values: _stamps(_trimmed(values), form))
    days = stamps.cast(pa.int64()).cast(pa.float64(), safe=False)
    return np.asarray(days.to_numpy(zero_copy_only=False), np.float64) / (_DAY * 1e6)


def to_codes(text: Any, values: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index of each text in `values`, −1 for others; and which are missing."""
    found = pc.index_in(text, value_set=pa.array(list(values), pa.string()))
    missing = np.asarray(text.is_null().to_numpy(zero_copy_only=False), bool)
    codes = np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    return codes, missing


def _by_value(column: Any, change: Callable[[Any], Any]) -> Any:
    array = plain(column)
    if not is_plain_type(array.type):
        return pa.nulls(len(array), pa.string())
    if not is_text_type(array.type):
        array = array.cast(pa.string())
    coded = pc.dictionary_encode(array)
    return change(coded.dictionary.cast(pa.string())).take(coded.indices)


@cache
def _missing() -> pa.Array:
    """Texts of missing cells; created late, as pyarrow then imports pandas if installed."""
    return pa.array(_NO_WORDS)


def _trimmed(values: Any) -> Any:
    text = pc.utf8_trim_whitespace(values)
    missing = pc.is_in(pc.utf8_lower(text), value_set=_missing())
    text = pc.replace_substring_regex(text, r"^([+-]?[0-9]+)\.0+$", r"\1")
    return pc.if_else(missing, None, text)


def _stamps(text: Any, form: str) -> Any:
    if form != ISO:
        return pc.strptime(text, format=form, unit="us", error_is_null=True)
    return pa.array([_iso(cell) for cell in text.to_pylist()], pa.timestamp("us"))


def _iso(cell: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(cell or "")
    except ValueError:
        return None
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found if not (cell or "").isdigit() else None


def _amount(cell: str | None, decimal: str) -> float | None:
    """Parse a number with thousands separators, a currency or a percent sign; None for others."""
    match = _AMOUNT.fullmatch(cell or "")
    if not match:
        return _special_number(cell)
    text = match[1] + match[2].strip()
    if is_grouped(text, decimal):
        text = re.sub(f"[{_marks(decimal)}]", "", text)
    try:
        return float(text.replace(decimal, "."))
    except ValueError:
        return None


def is_grouped(text: str, decimal: str) -> bool:
    """Return whether a number has thousands separators: ``1.234,5`` with a decimal comma."""
    pattern = _GROUPED.format(marks=_marks(decimal), decimal=re.escape(decimal))
    return re.fullmatch(r"[+-]?" + pattern, text) is not None


def _marks(decimal: str) -> str:
    return (".’'" if decimal == "," else ",’'") + r"\s"


def _special_number(cell: str | None) -> float | None:
    try:
        found = float(cell or "") if "_" not in (cell or "") else math.nan
    except ValueError:
        return None
    return None if math.isnan(found) else found
