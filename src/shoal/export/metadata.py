"""Columns of a file, joined to the rows of a run by names or numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from shoal.errors import InputError
from shoal.rows.images.encoded import PAGE
from shoal.storage import RunFolder, read_table

MOST_ROWS = 10_000_000
_TRIED = 1000
_PARQUET = (".parquet", ".pq")
_OURS = "row"  # the column of row numbers that Shoal writes
_PAGE, _FOLDERS, _EXTENSION = f"{PAGE}\\d+$", r"^.*[/\\]", r"\.[^./\\]+$"
# Parts removed from row names until a column matches them.
_FORMS = ((), (_PAGE,), (_PAGE, _EXTENSION), (_PAGE, _FOLDERS), (_PAGE, _FOLDERS, _EXTENSION))


def row_names(folder: RunFolder) -> Any | None:
    """Return the names of all rows of a run; None if they have none."""
    parts = folder.stage("index").parts("names")
    return pa.concat_tables(map(read_table, parts))["name"] if parts else None


def read_metadata(path: Path, names: Any | None, n_rows: int) -> tuple[Any, str]:
    """Read a CSV or Parquet file in the order of a run's rows, and describe how it was joined.

    The file has a column of row names (complete, or without page, folders or extension), or a
    column ``row`` of row numbers, or one line per row. `names` is an Arrow array of all row names,
    None if the rows have none.
    """
    if n_rows > MOST_ROWS:
        raise InputError(f"--metadata takes at most {MOST_ROWS:,} rows; the run has {n_rows:,}")
    try:
        table = read_table_file(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"--metadata {path} cannot be read: {str(error)[:200]}") from error
    by, keys = find_names(table, names)
    if by is None and _has_row_numbers(table, n_rows):
        by, keys = _OURS, pa.array(range(n_rows), pa.int64())
    if by is not None:
        given = table[by] if by == _OURS else pc.cast(table[by], pa.string())
        at = pc.index_in(keys, given)
        joined = f"{int(pc.count(at).as_py()):,} of {n_rows:,} rows found by the column {by}"
        return table.drop_columns([by]).take(at), joined
    if table.num_rows != n_rows:
        raise InputError(
            f"--metadata {path} has {table.num_rows:,} rows, but the run has {n_rows:,}, and no "
            "column has the names of the rows: give one line per row, or a column of names"
        )
    return table, "One line per row"


def add_metadata(tables: Iterable[Any], metadata: Any) -> Iterator[Any]:
    """Add columns in row order to tables of labels, which have a column ``row``.

    Of columns that the labels have too, ``row`` and ``name`` are left out, and others are renamed
    ``… (metadata)``.
    """
    for labels in tables:
        own = metadata.take(labels["row"])
        for name, column in zip(own.column_names, own.columns, strict=True):
            if name in (_OURS, "name"):
                continue
            taken = name in labels.column_names
            labels = labels.append_column(f"{name} (metadata)" if taken else name, column)
        yield labels


def find_names(table: Any, names: Any | None) -> tuple[str | None, Any]:
    """Find the column of row names, and return the names in its form."""
    if names is None:
        return None, None
    files = pc.count_distinct(pc.replace_substring_regex(names, _PAGE, "")).as_py()
    for form in _FORMS:
        keys = pc.cast(names, pa.string())
        for pattern in form:
            keys = pc.replace_substring_regex(keys, pattern, "")
        if form and pc.count_distinct(keys).as_py() < files:
            continue  # not unique
        best, hits = None, 0
        for name in table.column_names:
            if pa.types.is_nested(table[name].type) or pa.types.is_floating(table[name].type):
                continue
            tried = pc.cast(table[name].slice(0, _TRIED), pa.string())
            found = int(pc.sum(pc.is_in(tried, keys)).as_py() or 0)
            if form and pc.count_distinct(tried).as_py() < len(tried):
                continue  # numbers that happen to be file names
            if 2 * found > len(tried) and found > hits:
                best, hits = name, found
        if best is not None:
            return best, keys
    return None, None


def _has_row_numbers(table: Any, n_rows: int) -> bool:
    """Return whether a column numbers rows of the run, each at most once."""
    if _OURS not in table.column_names or not pa.types.is_integer(table[_OURS].type):
        return False
    ends = pc.min_max(table[_OURS]).as_py()
    inside = table.num_rows == 0 or (ends["min"] >= 0 and ends["max"] < n_rows)
    return bool(inside and pc.count_distinct(table[_OURS]).as_py() == table.num_rows)


def read_table_file(path: Path) -> Any:
    """Read a Parquet file, or else a CSV file, its delimiter found in its first line."""
    if path.suffix.lower() in _PARQUET:
        return pq.read_table(path)
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        first = file.readline()
    delimiter = max(",;\t|", key=first.count)
    return pyarrow.csv.read_csv(path, parse_options=pa.csv.ParseOptions(delimiter=delimiter))
