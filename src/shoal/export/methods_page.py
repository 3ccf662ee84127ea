"""One page with what several methods found, side by side: the same row is marked everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.contingency import match_labels
from shoal.export.base import asset, fill_in, number, rows_word
from shoal.export.pictures import make_sprite, make_tiles
from shoal.fitted_run import FittedRun
from shoal.storage import write_bytes

_ROWS = 240  # that are shown, the same ones of every method
_SIDE = 40
_BUDGET = 1_500_000
_GOLDEN = 137.508  # degrees: hues of neighbours in number lie far apart


@dataclass(frozen=True)
class MethodsPage:
    """What the page shows.

    `agreement`: (n, n).
    `labels`, `places`, `outliers`: (N,), cluster and representative of each row, and whether it
    lies far out.
    """

    runs: Mapping[str, FittedRun]
    table: Sequence[Mapping[str, Any]]
    agreement: NDArray[np.float64]
    labels: Mapping[str, NDArray[np.int32]]
    places: Mapping[str, NDArray[np.int32]]
    outliers: Mapping[str, NDArray[np.bool_]]

    @property
    def first(self) -> FittedRun:
        return next(iter(self.runs.values()))


def write_methods_page(path: Path, shown: MethodsPage) -> None:
    """Write the page; one that is there is replaced, as it belongs to the runs beside it."""
    write_bytes(path, methods_html(shown).encode())


def methods_html(shown: MethodsPage) -> str:
    first = next(iter(shown.labels.values()))
    source, rows = shown.first.source, _drawn(first)
    pictures, style = source.kind == "images", ""
    if pictures:
        sprite = make_sprite(make_tiles(source, rows.tolist(), _SIDE), _BUDGET)
        style = (
            f".thumb{{background-image:url({sprite.address});"
            f"background-size:{len(rows) * _SIDE}px {_SIDE}px}}"
        )
    matched = [match_labels(first, own) for own in shown.labels.values()]
    columns = "".join(
        _column(
            name,
            run,
            own[rows],
            rows,
            shown.places[name][rows],
            shown.outliers[name][rows],
            pictures,
        )
        for (name, run), own in zip(shown.runs.items(), matched, strict=True)
    )
    declined = "".join(
        f"<p><b>{escape(one['method'])}</b> was left out: {escape(one['declined'])}</p>"
        for one in shown.table
        if "declined" in one
    )
    return fill_in(
        "methods_page",
        ("report.css", "methods_page.css"),
        style=style,
        rows=rows_word(source, len(first)),
        source=escape(source.description),
        measures=_table(shown.table),
        declined=declined,
        agreement=_matrix(list(shown.runs), shown.agreement),
        count=str(len(rows)),
        columns=columns,
        script=asset("methods_page.js"),
    )


def _drawn(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    good = np.flatnonzero(labels >= 0)
    draw = np.random.default_rng(0)
    return np.sort(draw.choice(good, min(_ROWS, len(good)), replace=False))


def _table(records: Sequence[Mapping[str, Any]]) -> str:
    known = [record for record in records if "declined" not in record]
    names = list(dict.fromkeys(n for record in known for n in record if n != "notes"))
    head = "".join(f"<th scope=col>{escape(name.replace('_', ' '))}</th>" for name in names)
    lines = "".join(
        f"<tr><th scope=row>{escape(str(record['method']))}</th>"
        + "".join(f"<td>{_value(record.get(name))}</td>" for name in names[1:])
        + "</tr>"
        for record in known
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _value(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return number(value, 3) if value is None or abs(value) < 1000 else number(value, 0)


def _matrix(names: Sequence[str], agreement: NDArray[np.float64]) -> str:
    head = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    lines = "".join(
        f"<tr><th scope=row>{escape(name)}</th>"
        + "".join(
            f'<td style="background:rgb(46 125 160 / {max(float(value), 0) * 0.6:.2f})">'
            f"{value:.2f}</td>"
            for value in line
        )
        + "</tr>"
        for name, line in zip(names, agreement, strict=True)
    )
    return f'<div class="wide"><table><tr><td></td>{head}</tr>{lines}</table></div>'


def _column(
    name: str,
    run: FittedRun,
    own: NDArray,
    rows: NDArray[np.int64],
    places: NDArray[np.int32],
    noise: NDArray[np.bool_],
    pictures: bool,
) -> str:
    clusters, counts = np.unique(own, return_counts=True)
    parts = []
    for cluster in clusters[np.argsort(-counts, kind="stable")].tolist():
        at = np.flatnonzero(own == cluster)
        mine = list(zip(at.tolist(), rows[at].tolist(), noise[at].tolist(), strict=True))
        sheet = "".join(_thumb(at, row, far) for at, row, far in mine) if pictures else ""
        parts.append(
            f'<h4 style="border-color:{_colour(cluster)}">{len(mine)} of the {len(rows)} rows</h4>'
            f'<div class="sheet">{sheet}</div>'
        )
    k = len(clusters)
    drawn = _map(run.representatives.vectors[places, :2], own, rows, noise)
    return (
        f"<section><h3>{escape(name)}</h3><p class=soft>K = {run.primary.k}"
        f"{'' if k == run.primary.k else f', {k} of them shown'}</p>"
        f"{drawn}{''.join(parts)}</section>"
    )


def _thumb(at: int, row: int, noise: bool) -> str:
    return (
        f'<i class="thumb{" noise" * noise}" data-row="{row}" title="row {row:,}'
        f'{", noise" * noise}" style="background-position:-{at * _SIDE}px 0"></i>'
    )


def _map(vectors: NDArray, own: NDArray, rows: NDArray[np.int64], noise: NDArray[np.bool_]) -> str:
    vectors = vectors.astype(np.float64)
    if vectors.shape[1] == 1:
        vectors = np.concatenate([vectors, np.zeros_like(vectors)], axis=1)
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    at = 5 + 190 * (vectors - low) / np.maximum(high - low, 1e-300)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{200 - y:.1f}" r="3" data-row="{row}" '
        f'fill="{"none" if far else _colour(cluster)}" stroke="{_colour(cluster)}"/>'
        for (x, y), row, cluster, far in zip(at, rows, own.tolist(), noise, strict=True)
    )
    label = "The rows by their first two components, coloured by cluster"
    return f'<svg viewBox="0 0 200 200" role="img" aria-label="{label}">{dots}</svg>'


def _colour(cluster: int) -> str:
    return f"hsl({cluster * _GOLDEN % 360:.0f} 65% {38 + 14 * (cluster % 2)}%)"
