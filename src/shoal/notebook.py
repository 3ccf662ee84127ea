"""HTML view of a run in a notebook: layers, sample images of each cluster, and next steps."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.core.record_lists import Tabular, html_table, text_table
from shoal.edits import Clustering
from shoal.errors import InputError, RunError
from shoal.export.findings import middle_rows
from shoal.export.pictures import make_sprite, make_tiles
from shoal.fitted_run import FittedRun
from shoal.rows import Source

# Cell output is stored in the notebook file, so it holds at most this many clusters and bytes of
# images (before base64, which adds a third).
_CLUSTERS = 30
_BYTES = 600_000
_STRIP, _SIDE = 10, 56
_SHOWN_SIDE = 96


class Page(Protocol):
    """An explorer served in the background; returned by `Run.explore`.

    A notebook shows it in the cell, or only its address if it was opened in a tab.
    """

    url: str
    """Its URL on the machine that runs Python."""
    inline: bool
    """True if the cell shows the page, False if only its address."""

    @property
    def running(self) -> bool: ...  # True while the page is being served
    def open(self) -> None: ...  # Open the page in a browser tab
    def stop(self) -> None: ...  # Stop serving the page


def run_html(run: FittedRun, temporary: bool) -> str:
    """Return a run as HTML: layers, clusters with their images if there are any, and next calls.

    `temporary` means that its folder is deleted with it.
    """
    clustering = run.clustering()
    result = clustering.result
    layers = [
        {
            "layer": at,
            "K": layer.k,
            "excess": layer.excess,
            "stability": layer.stability,
            "": "suggested" * layer.primary + " weak" * layer.weak,
        }
        for at, layer in enumerate(result.layers)
    ]
    title = f"{result.summary['description']}: {_count(clustering.k, 'cluster')}"
    return (
        f"<div><p><b>{escape(title)}</b></p>{_clusters_html(run, clustering)}"
        f"<details><summary>Layers</summary>{html_table(layers)}</details>"
        f"<p>Next: {_next_html(temporary)}</p></div>"
    )


def _next_html(temporary: bool) -> str:
    calls = ["run.explore()", "run.show(0)", "run.labels()", "run.predict(new)", "run.labels(k=10)"]
    text = " · ".join(f"<code>{call}</code>" for call in calls)
    lost = " This run is deleted with <code>run</code>: to keep it, give <code>fit</code> a folder."
    return text + lost * temporary


def _clusters_html(run: FittedRun, clustering: Clustering) -> str:
    sizes = clustering.sizes
    largest = sorted(sizes, key=lambda c: (-sizes[c], c))
    source = _source_of(run)
    lines = []
    for cluster in largest[:_CLUSTERS]:
        rows = _typical(clustering, cluster, _STRIP)
        budget = _BYTES // min(len(largest), _CLUSTERS)
        shown = _pictures_html(source, rows, _SIDE, budget)
        name = clustering.names.get(cluster, "")
        lines.append(
            f"<tr><td>{cluster}</td><td>{escape(name)}</td><td>{sizes[cluster]:,}</td>"
            f"<td style='text-align:left'>{shown}</td></tr>"
        )
    rest = len(largest) - len(lines)
    more = f"<p>and {_count(rest, 'smaller cluster')}</p>" if rest > 0 else ""
    head = "<tr><th>cluster</th><th>name</th><th>rows</th><th>most typical</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>{more}"


@dataclass(frozen=True, repr=False)
class Shown(Tabular):
    """Rows of a cluster: shown as images in a notebook, as a table elsewhere.

    Attributes
    ----------
    cluster
    name
        None if it has no name.
    size
        Rows of the cluster.
    rows
        The rows shown, most typical first.
    names
        Their names; None if rows have no names.
    source
        The source; None if it cannot be opened.
    """

    cluster: int
    name: str | None
    size: int
    rows: tuple[int, ...]
    names: tuple[str, ...] | None
    source: Source | None

    def records(self) -> list[dict[str, Any]]:
        """Return the number and, if it has one, the name of each row."""
        if self.names is None:
            return [{"row": row} for row in self.rows]
        return [{"row": row, "name": n} for row, n in zip(self.rows, self.names, strict=True)]

    @property
    def title(self) -> str:
        name = f" “{self.name}”" if self.name else ""
        return f"Cluster {self.cluster}{name}: {_count(self.size, 'row')}"

    def __repr__(self) -> str:
        return f"{self.title}\n{text_table(self.records())}"

    def _repr_html_(self) -> str:
        title = f"<p><b>{escape(self.title)}</b></p>"
        pictures = _pictures_html(self.source, self.rows, _SHOWN_SIDE, _BYTES)
        if self.source is None or self.source.kind != "images":
            return title + html_table(self.records())
        return f"{title}<div>{pictures}</div>"


def show(run: FittedRun, cluster: int, count: int, layer: int | None, k: int | None) -> Shown:
    """Choose the most typical rows of a cluster.

    Raises
    ------
    InputError
        When there is no such cluster or cut, or nothing is to be shown.
    """
    clustering = run.clustering(layer, k)
    if count < 1:
        raise InputError(f"count must be at least 1; got {count}")
    if cluster not in clustering.ids:
        known = ", ".join(map(str, sorted(clustering.ids)[:10]))
        raise InputError(f"cluster {cluster} does not exist; the clusters are {known}, …")
    rows = _typical(clustering, cluster, count)
    source = _source_of(run)
    found = tuple(_name(source, row) for row in rows)
    names = found if any(found) else None
    name, size = clustering.names.get(cluster), clustering.sizes[cluster]
    return Shown(cluster, name, size, rows, names, source)


def _typical(clustering: Clustering, cluster: int, count: int) -> tuple[int, ...]:
    mine = np.flatnonzero(clustering.of_representative == cluster)
    found = middle_rows(clustering.result.representatives, mine, count - 1)
    if found or clustering.state is None:
        return found
    moved: NDArray[np.int64] = clustering.state.rows[clustering.state.row_cluster == cluster]
    return tuple(int(row) for row in moved[:count])


def _source_of(run: FittedRun) -> Source | None:
    try:
        return run.source
    except RunError:
        return None


def _pictures_html(source: Source | None, rows: tuple[int, ...], side: int, budget: int) -> str:
    if source is None or source.kind != "images":
        return escape(", ".join(_name(source, row) or f"row {row:,}" for row in rows))
    tiles = make_tiles(source, rows, side)
    sprite = make_sprite(tiles, budget)
    look = (
        f"height:{side}px;max-width:none;image-rendering:{'pixelated' if sprite.sharp else 'auto'}"
    )
    return f'<img src="{sprite.address}" alt="" style="{look}">'


def _name(source: Source | None, row: int) -> str:
    names = None if source is None else source.names(row, row + 1)
    return names[0] if names else ""


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
