"""The page docs/benchmarks.md, drawn from the rows of each benchmark's last run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.base import Benchmark, Row, cases, of_case

_HEAD = """\
# Benchmarks

Drawn by `python -m benchmarks --table` from the rows in `benchmarks/results/`; do not edit.
`make bench` measures again; `make bench-tiles` measures a million tiles (1.2 GB on disk), and with
`ARGS=--n=48000000` the full set (45 GB, kept in `SHOAL_TILES`, by default in the user's cache, and
free to be deleted). Seconds are wall-clock; a peak is that of a whole process tree.
Where a case was measured several times, figures are medians, with least and greatest in brackets.
"""


def draw(benchmarks: Iterable[Benchmark], rows: Mapping[str, Sequence[Row]]) -> str:
    """Draw the page.

    Parameters
    ----------
    benchmarks : iterable of Benchmark
    rows : mapping of str to sequence of rows
        Of the last run of each, by name; a benchmark without rows is left out.
    """
    measured = [one for one in benchmarks if rows.get(one.name)]
    sections = [_section(one, rows[one.name]) for one in measured]
    return "\n".join([_HEAD, _summary(measured, rows), *sections])


def _summary(benchmarks: Sequence[Benchmark], rows: Mapping[str, Sequence[Row]]) -> str:
    """Draw a line for each benchmark: how many figures it must reach are met, and which are not."""
    lines = ["## Summary", "", "| benchmark | met | missed |", "| --- | --- | --- |"]
    for one in benchmarks:
        musts = one.musts(rows[one.name])
        missed = "; ".join(f"{must.what}: {must.figure}" for must in musts if not must.met)
        met = f"{sum(must.met for must in musts)} of {len(musts)}" if musts else "–"
        anchor = re.sub(r"[^a-z0-9 _-]", "", f"{one.name}: {one.help}".lower()).replace(" ", "-")
        lines.append(f"| [{one.name}](#{anchor}) | {met} | {missed.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def _section(benchmark: Benchmark, rows: Sequence[Row]) -> str:
    """Draw a benchmark: what must hold, what was measured, where."""
    musts = [f"- {must}" for must in benchmark.musts(rows)]
    blocks = [
        f"## {benchmark.name}: {benchmark.help}",
        benchmark.about,
        "\n".join(musts),
        *(map(_table, _apart(rows)) if benchmark.parts else [_table(rows)]),
        "\n\n".join(dict.fromkeys(_place(of_run) for of_run in _runs(rows))),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _apart(rows: Sequence[Row]) -> list[list[Row]]:
    """Return a table for rows of one part that have the same columns, the smaller sets first."""
    tables: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        case = f"{row['case']}, {row['n']:,}"
        part = row["quality"].get("part")
        tables.setdefault((part, *row["quality"]), []).append({**row, "case": case})
    return [sorted(table, key=lambda row: row["n"]) for table in tables.values()]


def _runs(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each run, oldest first."""
    dates = sorted({row["date"] for row in rows})
    return [[row for row in rows if row["date"] == date] for date in dates]


def _place(rows: Sequence[Row]) -> str:
    """Say when and on what a run was measured."""
    first = rows[0]
    about = first["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in first["versions"].items())
    loads = [row["load"] for row in rows]
    return (
        f"Commit {first['commit']}, {first['date']}; {about['cores']} cores of {about['cpu']}, "
        f"{about['memory_gib']} GiB; load {min(loads):g} to {max(loads):g}. {versions}."
    )


def _table(rows: Sequence[Row]) -> str:
    """Draw one line a case, with a column for every quality that some case has."""
    names = list(dict.fromkeys(name for row in rows for name in row["quality"]))
    head = ["case", "n", "times", "seconds", "peak MiB", *names]
    lines = [_line(case, of_case(rows, case), names) for case in cases(rows)]
    body = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in body)


def _line(case: str, rows: Sequence[Row], names: Sequence[str]) -> list[str]:
    """Return the cells of a case."""
    given = [[row["quality"].get(name) for row in rows] for name in names]
    sizes = [f"{n:,}" for n in sorted({row["n"] for row in rows})]
    spread = f"{sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else sizes[0]
    seconds = _cell([row["seconds"] or None for row in rows])
    peaks = _cell([row["peak_mib"] for row in rows])
    return [case, spread, str(len(rows)), seconds, peaks, *map(_cell, given)]


def _cell(found: Sequence[Any]) -> str:
    """Summarise the values of one field."""
    known = [value for value in found if value is not None]
    if not known:
        return "–"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        middle, least, most = median(known), min(known), max(known)
        shown = _number(middle)
        return shown if least == most else f"{shown} ({_number(least)}–{_number(most)})"
    different = list(dict.fromkeys(_text(value) for value in known))
    return "; ".join(different[:3]) + (" …" if len(different) > 3 else "")


def _number(value: float) -> str:
    """Return a number as people read it: whole, or with at most three decimals.

    >>> [_number(v) for v in (10, 10.0, 0.98765, 12.345, 1234.5)]
    ['10', '10', '0.988', '12.3', '1,234']
    """
    if float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.{1 if abs(value) < 100 else 0}f}"


def _text(value: Any) -> str:
    """Return any other value: lists by their items, mappings by their pairs."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {inner}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return (
        {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    )
