"""Import of clusters and names from a table, as edits."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from shoal.edits import Curation
from shoal.errors import InputError
from shoal.export.formulas import unquote_formulas
from shoal.export.metadata import MOST_ROWS, find_names, read_table_file, row_names
from shoal.labelling import rename_all
from shoal.rows.in_memory import to_frame

_NAMES = ("cluster_name", "new_name", "label")


def import_corrections(edits: Curation, given: Any) -> None:
    """Import a CSV or Parquet file, or a data frame, as edits, all or none.

    Rows are matched by a column ``row``, or by a column of row names. ``cluster`` is the cluster of
    a row: the number or name of an existing one, or a new name (a number is never a name).
    ``cluster_name`` names that cluster, or alone is the cluster of the row. Without a column that
    identifies rows, each line names a cluster. Empty cells change nothing.
    """
    is_path = isinstance(given, str | os.PathLike)
    path = Path(given) if is_path else Path("the table")
    try:
        table = unquote_formulas(read_table_file(path) if is_path else to_frame(given))
    except (OSError, TypeError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {str(error)[:200]}") from error
    if table.num_rows > MOST_ROWS:
        raise InputError(f"{path} has {table.num_rows:,} rows: give at most {MOST_ROWS:,}")
    named = next((name for name in _NAMES if name in table.column_names), None)
    with edits.together():
        rows = _rows(edits, table, path)
        if rows is None:
            named = named or ("name" if "name" in table.column_names else None)
            if named is None or "cluster" not in table.column_names:
                raise InputError(
                    f"{path} does not identify rows or clusters: give a column row or name with "
                    "cluster or cluster_name, or the columns cluster and cluster_name"
                )
        places = _Places(edits, str(path))
        if "cluster" in table.column_names:
            to = places.of(_texts(table["cluster"]))
        elif named is not None and rows is not None:
            to = places.of_names(rows, _texts(table[named]))
            named = None
        else:
            raise InputError(f"{path} has no column cluster or cluster_name: give one of them")
        if rows is not None:
            _move(edits, rows, to)
        if named is not None:
            _rename(edits, to, _texts(table[named]), path)


class _Places:
    """Resolves the clusters of a table: ids, or names of new clusters."""

    def __init__(self, edits: Curation, what: str) -> None:
        self._edits, self._what = edits, what
        self._ids = {c.name: c.id for c in edits.state.clusters.values() if c.name is not None}

    def of(self, texts: Iterable[str | None]) -> list[int | str | None]:
        return [None if text is None else self._one(text) for text in texts]

    def _one(self, text: str) -> int | str | None:
        try:
            number = float(text)  # a spreadsheet writes 3.0 where cells are missing
        except ValueError:
            return self._ids.get(text, text)
        if not number.is_integer():
            raise InputError(
                f"{self._what}: {text!r} is not a cluster: give its number or its name"
            )
        if number == -1:  # a row that could not be read
            return None
        try:
            return self._edits.state.existing(int(number))
        except InputError as error:
            raise InputError(f"{self._what}: {error}") from error

    def of_names(self, rows: NDArray[np.int64], texts: list[str | None]) -> list[int | str | None]:
        """Return the cluster of each row by name; a cluster whose rows all have one gets it."""
        now, sizes = self._edits.labels_of(rows), self._edits.sizes()
        names = np.array(["" if text is None else text for text in texts])
        found: list[int | str | None] = [self._ids.get(text or "", text) for text in texts]
        for name in sorted(set(names.tolist()) - {"", *self._ids}):
            mine = names == name
            cluster = int(now[mine][0])
            if (now[mine] == cluster).all() and len(np.unique(rows[mine])) == sizes.get(cluster):
                self._edits.rename(cluster, name)
                found = [cluster if hit else to for hit, to in zip(mine, found, strict=True)]
        return found


def _rows(edits: Curation, table: Any, path: Path) -> NDArray[np.int64] | None:
    """Return the row of each line; None without a column that identifies rows."""
    n_rows, names = edits.fit.n_rows, row_names(edits.fit.result.folder)
    if "row" in table.column_names and pa.types.is_integer(table["row"].type):
        rows = np.asarray(table["row"].to_numpy(), np.int64)
        wrong = np.flatnonzero((rows < 0) | (rows >= n_rows))
        if len(wrong):
            last = n_rows - 1
            raise InputError(f"{path}: row {rows[wrong[0]]}, but rows are numbered 0 to {last}")
        if names is not None and "name" in table.column_names:
            own = pc.fill_null(pc.not_equal(names.take(rows), _as_text(table["name"])), False)
            other = np.flatnonzero(own.to_numpy())
            if len(other):
                at = int(other[0])
                raise InputError(
                    f"{path}: row {rows[at]} is called {names[int(rows[at])]} here, not "
                    f"{table['name'][at]}: it is of another run"
                )
        return rows
    by, keys = find_names(table, names)
    if by is None:
        return None
    given = _as_text(table[by])
    at = pc.index_in(given, keys)
    if at.null_count:
        missing = pc.index(pc.is_null(at), True).as_py()
        raise InputError(f"{path}: no row of the run is called {str(given[missing])!r:.200}")
    return np.asarray(at.to_numpy(), np.int64)


def _move(edits: Curation, rows: NDArray[np.int64], to: list[int | str | None]) -> None:
    """Move rows to their clusters, with one edit per cluster."""
    now = edits.labels_of(rows) if len(rows) else rows
    by_place: dict[int | str, list[int]] = {}
    for row, before, place in zip(rows.tolist(), now.tolist(), to, strict=True):
        if place is not None and place != before:
            by_place.setdefault(place, []).append(row)
    for place, some in by_place.items():
        if isinstance(place, str):
            edits.move(some, name=place)
        else:
            edits.move(some, place)


def _rename(
    edits: Curation, to: list[int | str | None], texts: list[str | None], path: Path
) -> None:
    wanted: dict[int, str] = {}
    for place, text in zip(to, texts, strict=True):
        if not isinstance(place, int) or text is None:
            continue
        if wanted.setdefault(place, text) != text:
            raise InputError(
                f"{path} calls cluster {place} both {wanted[place]!r} and {text!r}: give it one "
                "name; to move rows, change their cluster"
            )
    rename_all(edits, wanted)


def _as_text(column: Any) -> Any:
    return pc.cast(column, pa.string())


def _texts(column: Any) -> list[str | None]:
    return [(cell or "").strip() or None for cell in _as_text(column).to_pylist()]
