"""The quarantine: rows that cannot be used, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from shoal.errors import InputError
from shoal.storage import RunFolder, read_table, write_table


def write_quarantine(path: Path, start: int, bad: dict[int, str], names: list[str] | None) -> None:
    """Write a table of the unusable rows of a shard: row, name, reason.

    `bad`: The reasons by place in the shard, whose first row is `start`.
    """
    at = sorted(bad)
    named = [names[i] if names else None for i in at]
    write_table(path, _table([start + i for i in at], named, [bad[i] for i in at]))


def _table(row: list[int], name: list[str | None], reason: list[str]) -> Any:
    import pyarrow as pa

    # pa.array imports pandas, where it is installed: a tenth of a fit of few rows.
    column = pa.array if row else lambda cells, kind: pa.nulls(0, kind)
    text = pa.string()
    columns = [column(row, pa.int64()), column(name, text), column(reason, text)]
    return pa.table(columns, names=["row", "name", "reason"])


def read_quarantine(run: RunFolder, stages: Iterable[str]) -> Any:
    """Return the table of all rows that these stages could not use, as a `pyarrow.Table` by row."""
    import pyarrow as pa

    paths = (path for name in stages for path in run.stage(name).parts("quarantine"))
    tables = [table for table in map(read_table, paths) if table.num_rows]
    return pa.concat_tables(tables).sort_by("row") if tables else _table([], [], [])


def reasons_in_shard(path: Path, start: int) -> dict[int, str]:
    """Read a shard's table: the reasons by place in the shard, whose first row is `start`."""
    table = read_table(path)
    places = (row - start for row in table["row"].to_pylist())
    return dict(zip(places, table["reason"].to_pylist(), strict=True))


def refuse_too_few(n_rows: int, bad: Any) -> None:
    """Raise unless a source has two usable rows; `bad` is the table of the others.

    Raises
    ------
    InputError
        With up to three of the reasons.
    """
    good = n_rows - len(bad)
    if good >= 2:
        return
    by_reason: dict[str, list[Any]] = {}
    for entry in bad.to_pylist():
        by_reason.setdefault(entry["reason"], []).append(entry["name"] or entry["row"])
    some = "; ".join(
        f"{rows[0]}{f' and {len(rows) - 1:,} more' if rows[1:] else ''}: {reason}"
        for reason, rows in list(by_reason.items())[:3]
    )
    readable = "no row" if not good else "only one row"
    raise InputError(f"{readable} can be read of {n_rows:,}, but at least 2 are needed ({some})")
