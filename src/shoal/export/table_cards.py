"""Clusters of a table in the report: numbers and categories compared with all rows."""

from __future__ import annotations

from html import escape

import numpy as np

from shoal.export.base import folded, html_table
from shoal.export.cards import ClusterCards
from shoal.export.findings import ClusterFacts, Findings, named_rows
from shoal.export.traits import Traits, gather_traits
from shoal.fitted_run import FittedRun
from shoal.rows.tables.mixed import TableSource

_LINES = 6000
_FIRST = 8
_LABELS = 3
_PHRASES = 3
_WIDTH, _HEIGHT = 180, 14
_LINE = 23.25  # of text in a cell, so that bars stand beside their labels


class TableCards(ClusterCards):
    """Clusters of a table: each column's median or commonest values, most distinctive first."""

    def __init__(self, run: FittedRun, source: TableSource, found: Findings) -> None:
        self._run, self._source, self._found = run, source, found
        k = max(1, len(found.clusters))
        self._at = {c.cluster: at for at, c in enumerate(found.clusters)}
        self._traits = gather_traits(source, found.position, k)
        self._lines = max(_FIRST, _LINES // k)
        self.explained = (
            "Columns are ordered by how much they distinguish the cluster. Numbers are medians; "
            "the bar shows the middle half of the cluster on an axis that spans 90% of all rows, "
            "extended for clusters beyond; the thin line is the median of all rows. For "
            "categories, the most common are shown, with "
            f"their share in the cluster and in all (from {self._traits.rows:,} rows)."
        )

    def before(self) -> str:
        """Return the table of columns: their use, and missing cells."""
        schema, gaps = self._source.schema, self._run.info().get("gaps", {})
        lines = [
            (
                c.name,
                c.role + f", {len(c.labels)} values" * bool(c.labels),
                f"{gaps.get(c.name, 0):,}",
            )
            for c in schema.columns
        ]
        lines += [(schema.name, "names the rows", "")] if schema.name else []
        lines += [(name, f"left out: {why}", "") for name, why in schema.left_out]
        rows = (
            f'<tr><th scope="row">{escape(name)}</th><td>{escape(role)}</td><td>{gap}</td></tr>'
            for name, role, gap in lines
        )
        table = html_table(rows, ("Column", "Used as", "Gaps filled"), "text")
        return folded(f"Columns: {len(schema.columns):,} used", table)

    def body(self, found: ClusterFacts) -> str:
        at, traits = self._at[found.cluster], self._traits
        order = np.argsort(-traits.telling[at], kind="stable")
        phrases = "; ".join(map(escape, traits.phrases(at, _PHRASES)))
        first, rest = order[:_FIRST], order[_FIRST : self._lines]
        more = ""
        if len(rest):
            more = (
                f"<details><summary>{len(rest):,} more</summary>{self._table(at, rest)}</details>"
            )
        lead = f'<p class="traits">{phrases}</p>' if phrases else ""
        return (
            f'<div class="body"><div class="columns">{lead}{self._table(at, first)}{more}</div>'
            f'<div class="sheet">{named_rows(found, self._name)}</div></div>'
        )

    def _table(self, cluster: int, columns: np.ndarray) -> str:
        lines = (self._line(cluster, int(column)) for column in columns)
        table = html_table(lines, ("Column", "Cluster", "All rows", ""), "text traits")
        return f'<div class="scroll" tabindex="0" role="region" aria-label="Columns">{table}</div>'

    def _line(self, cluster: int, column: int) -> str:
        traits = self._traits
        name = escape(traits.columns[column].name)
        shares = traits.shares[column]
        if shares is None:
            mine, all_ = traits.quartiles[[cluster, -1], column, 1]
            cells = [traits.figure(mine, column), traits.figure(all_, column)]
            drawing = _box(traits, cluster, column)
        else:
            labels = traits.columns[column].labels
            top = np.argsort(-shares[cluster], kind="stable")[:_LABELS]
            top = top[shares[cluster][top] > 0]
            cells = [
                "<br>".join(f"{escape(_short(labels[c]))} {shares[row, c]:.0%}" for c in top) or "–"
                for row in (cluster, -1)
            ]
            drawing = _bars(shares[cluster][top], shares[-1][top])
        gap = traits.gaps[cluster, column]
        cells[0] += f' <span class="soft">({gap:.0%} missing)</span>' if gap >= 0.005 else ""
        return (
            f'<tr><th scope="row">{name}</th><td>{cells[0]}</td><td>{cells[1]}</td>'
            f"<td>{drawing}</td></tr>"
        )

    def _name(self, row: int) -> str:
        name = self._found.names[row]
        return escape(_short(name) if name else str(row))


def _box(traits: Traits, cluster: int, column: int) -> str:
    low, high = traits.axis(cluster, column)
    marks = np.append(traits.quartiles[cluster, column], traits.quartiles[-1, column, 1])
    if not (np.isfinite(marks).all() and high > low):
        return ""
    # Keep marks at the ends inside the drawing.
    a, middle, b, all_ = 1 + (marks - low) / (high - low) * (_WIDTH - 3)
    half = _HEIGHT / 2
    return (
        f'<svg class="box" viewBox="0 0 {_WIDTH} {_HEIGHT}" aria-hidden="true">'
        f'<path d="M0 {half}H{_WIDTH}"/><path class="all" d="M{all_:.1f} 0V{_HEIGHT}"/>'
        f'<rect x="{a:.1f}" y="3" width="{max(b - a, 1.5):.1f}" height="{_HEIGHT - 6}"/>'
        f'<path class="middle" d="M{middle:.1f} 1V{_HEIGHT - 1}"/></svg>'
    )


def _bars(mine: np.ndarray, all_: np.ndarray) -> str:
    """Draw shares as bars, with a thin line at the share in all rows."""
    height, wide = _LINE * max(1, len(mine)), _WIDTH - 1  # the line at 100% is drawn in full
    shapes = "".join(
        f'<rect x="0" y="{_LINE * at + 7:.1f}" width="{max(wide * share, 1):.1f}" height="9"/>'
        f'<path class="all" d="M{wide * other:.1f} {_LINE * at + 4:.1f}v15"/>'
        for at, (share, other) in enumerate(zip(mine, all_, strict=True))
    )
    return f'<svg class="box" viewBox="0 0 {_WIDTH} {height}" aria-hidden="true">{shapes}</svg>'


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
