"""The report: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from shoal.core.plural import plural
from shoal.export.base import (
    cluster_title,
    fill_in,
    folded,
    html_table,
    number,
    refuse_existing,
    rows_word,
)
from shoal.export.cards import ClusterCards, ImageCards, VectorCards, card
from shoal.export.dendrogram import draw_tree
from shoal.export.findings import Findings, gather_findings
from shoal.export.pictures import data_address
from shoal.export.table_cards import TableCards
from shoal.fitted_run import FittedRun
from shoal.keywords import LabelKeywords
from shoal.storage import write_bytes

Pictures = tuple[Sequence[tuple[str, bytes]], str]
NO_PICTURES: Pictures = ((), "")
_MOST_QUARANTINED = 200
_MOST_SPARKS = 60


def write_report(
    run: FittedRun,
    path: Path,
    *,
    force: bool = False,
    pictures: Pictures = NO_PICTURES,
    **cut: Unpack[LabelKeywords],
) -> None:
    """Write what a fit found as one HTML file.

    It shows the layers, the tree above the chosen one, pictures of the whole, and every cluster:
    the medoid, the mean, typical, unsure and outlying images (for vectors, the mean profile; for
    tables, medians and shares). It loads nothing from elsewhere and stays under 5 MB.
    """
    refuse_existing(path, force)
    text = report_html(run, pictures=pictures, **cut)
    write_bytes(path, text.encode())


def report_html(
    run: FittedRun, *, pictures: Pictures = NO_PICTURES, **cut: Unpack[LabelKeywords]
) -> str:
    found = gather_findings(run, **cut)
    cards = _cards(run, found)
    title = escape(run.path.name.removesuffix(".shoal"))
    most = max((c.size for c in found.clusters), default=1)
    return fill_in(
        "report",
        ("report.css",),
        title=title,
        style=cards.style(),
        header=_header(run, found, title),
        layers=_layers(run),
        tree=_tree(run, found, cards),
        pictures=_pictures(*pictures),
        before=cards.before(),
        explained=cards.explained,
        cards="".join(card(cards, run.source, c, most) for c in found.clusters),
        quarantine=_quarantine(run),
        settings=_settings(run),
    )


def _cards(run: FittedRun, found: Findings) -> ClusterCards:
    table = run.source.as_table()
    if table is not None:
        return TableCards(run, table, found)
    return ImageCards(run.source, found) if run.source.kind == "images" else VectorCards(run, found)


def _header(run: FittedRun, found: Findings, title: str) -> str:
    k, rows = len(found.clusters), int((found.position >= 0).sum())
    outliers = sum(c.outliers for c in found.clusters)
    chosen = [layer for layer in run.layers if layer.k == k and not found.edited]
    by_hand = ", edited by hand" if found.edited else ""
    summary = f"{plural(k, 'cluster')} in {rows_word(run.source, rows)}{by_hand}."
    if k == 1 and not found.edited:
        summary = f"No groups stand out in {rows_word(run.source, rows)}: one cluster."
    facts = {
        "clusters": f"{k:,}",
        "images" if run.source.kind == "images" else "rows": f"{rows:,}",
        "outliers": f"{outliers:,}",
        "quarantined": f"{run.quarantine.num_rows:,}",
    }
    if chosen:
        facts["stability"] = number(chosen[0].stability)
    listed = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return (
        f'<header><p class="eyebrow">Shoal report</p><h1>{title}</h1>'
        f"<p>{summary} <span class=soft>Source: {escape(run.source.description)}.</span></p>"
        f'<dl class="facts">{listed}</dl></header>'
    )


def _layers(run: FittedRun) -> str:
    lines = []
    for at, layer in enumerate(run.layers):
        labels = run.labels(layer=at, raw=True)
        sizes = np.sort(np.unique(labels[labels >= 0], return_counts=True)[1])[::-1]
        primary = ' class="primary"' if layer.primary else ""
        badge = '<span class="badge">primary</span>' if layer.primary else ""
        badge += '<span class="badge">weak</span>' if layer.weak else ""
        lines.append(
            f"<tr{primary}><td>{at}{badge}</td><td>{layer.k:,}</td>"
            f"<td>{number(layer.excess)}</td><td>{number(layer.stability)}</td>"
            f"<td>{sizes[0]:,}</td><td>{int(np.median(sizes)):,}</td><td>{sizes[-1]:,}</td>"
            f"<td>{_spark(sizes)}</td></tr>"
        )
    names = ("Layer", "Clusters", "Excess", "Stability", "Largest", "Median", "Smallest", "Sizes")
    return (
        '<div class="panel scroll" tabindex="0" role="region" aria-label="Layers">'
        f"{html_table(lines, names)}</div>"
    )


def _spark(sizes: np.ndarray) -> str:
    shown = sizes[np.linspace(0, len(sizes) - 1, min(len(sizes), _MOST_SPARKS)).astype(int)]
    bars = "".join(f'<i style="height:{max(2, round(22 * s / sizes[0]))}px"></i>' for s in shown)
    return f'<span class="spark" aria-hidden="true">{bars}</span>'


def _tree(run: FittedRun, found: Findings, cards: ClusterCards) -> str:
    k = len(found.clusters)
    if k < 2:
        return ""
    by_hand = " Clusters that were put together by hand stand where the middle of them is."
    coarser = [(layer.k, float(layer.excess)) for layer in run.layers if 1 < layer.k < k]
    label = f"Tree of the {k} clusters; the list beside it names them in the same order."
    drawing = draw_tree(found.merges, coarser, label)
    most = max(c.size for c in found.clusters)
    tight = " tight" if drawing.row < 20 else ""
    lines = "".join(
        f"<li>{cards.face(c) if drawing.row > 30 else ''}"
        f'<a href="#cluster-{c.cluster}">{escape(cluster_title(c.cluster, c.name))}'
        f' <span class="soft">{c.size:,}</span></a>'
        f'<span class="bar" aria-hidden="true"><i style="width:{100 * c.size / most:.1f}%"></i>'
        "</span></li>"
        for c in found.clusters
    )
    return f"""<h2>Tree</h2>
<p class="soft">The further left two branches part, the clearer their split; the scale is its
excess.{" Dotted lines are the coarser layers." if coarser else ""}{by_hand * found.edited}</p>
<div class="panel scroll forestbox" tabindex="0" role="region" aria-label="Tree of clusters">
<div class="forest{tight}" style="--row:{drawing.row}px;--top:{drawing.top}px">
{drawing.svg}<ol>{lines}</ol></div></div>"""


def _pictures(pictures: Sequence[tuple[str, bytes]], missing: str) -> str:
    if not pictures and not missing:
        return ""
    figures = "".join(
        f'<img class="panel" alt="{escape(shows)}" src="{data_address(data, "webp")}">'
        for shows, data in pictures
    )
    below = f"<p class=soft>{escape(missing)}</p>" if missing else ""
    return f'<h2>Pictures</h2>{below}<div class="figures">{figures}</div>'


def _quarantine(run: FittedRun) -> str:
    count = run.quarantine.num_rows
    if not count:
        return ""
    lines = (
        f"<tr><td>{entry['row']}</td><td>{escape(str(entry['name'] or ''))}</td>"
        f"<td>{escape(str(entry['reason']))}</td></tr>"
        for entry in run.quarantine.slice(0, _MOST_QUARANTINED).to_pylist()
    )
    more = count - _MOST_QUARANTINED
    rest = f"<p class=soft>And {more:,} more.</p>" if more > 0 else ""
    table = html_table(lines, ("Row", "Name", "Reason"), "text")
    return folded(f"Quarantine: {count:,} could not be read", table, rest)


def _settings(run: FittedRun) -> str:
    lines = (
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in flat(run.info())
    )
    return folded("Settings and versions", html_table(lines, css="text"))


def flat(info: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Return nested facts as names and values, both text.

    >>> flat({"rows": 3, "settings": {"seconds": 0.12345, "shape": [2, 2], "key": None}})
    [('rows', '3'), ('settings seconds', '0.123'), ('settings shape', '2, 2')]
    """
    lines: list[tuple[str, str]] = []
    for name, value in info.items():
        path = f"{above} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            lines += flat(value, path)
        elif isinstance(value, list | tuple) and any(isinstance(v, Mapping) for v in value):
            lines += [line for i, v in enumerate(value) for line in flat(v, f"{path} {i}")]
        elif isinstance(value, list | tuple):
            lines.append((path, ", ".join(map(str, value))))
        elif value is not None:
            lines.append((path, _plain(path, value)))
    return lines


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, int) and name.split()[-1] == "memory":
        return f"{value / 2**30:.3g} GiB"
    return f"{value:,}" if isinstance(value, int) else str(value)
