"""Curves and counts: sizes, silhouettes, the elbow, distances to neighbours, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole
from shoal.core.nearest import nearest_neighbours
from shoal.core.validity import validity
from shoal.errors import InputError
from shoal.export.confusion import confusion_table
from shoal.methods.k_criteria import elbow as elbow_of
from shoal.plots.canvas import (
    ACCENT,
    INK,
    MUTED,
    clean,
    column_width,
    headline,
    new_axes,
    plain,
    write,
)
from shoal.plots.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_BARS = 60
# Representatives whose pairs (72 MB) are compared: for silhouettes, and the order of OPTICS.
_SILHOUETTES = 3_000
_POINTS = 20_000  # of which distances to neighbours are drawn
_MOST_K, _STEPS = 60, 40  # of the elbow
_MOST_CELLS = 40


def sizes(scene: Scene, ax: Axes | None) -> Axes:
    shown = scene.largest(_MOST_BARS)
    names = [scene.title(cluster) for cluster in shown]
    rows = [scene.sizes[cluster] for cluster in shown]
    ax = new_axes(ax, 6.2 + column_width(names), 1.1 + 0.27 * len(shown))
    bars = ax.barh(range(len(shown)), rows, color=scene.colours[: len(shown)], height=0.75)
    ax.bar_label(bars, [f"{n:,}" for n in rows], padding=4, fontsize=8.5, color=MUTED)
    ax.set_yticks(range(len(shown)), names)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, max(rows) * 1.12)
    clean(ax, "x")
    ax.tick_params("y", length=0)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("rows", color=INK)
    headline(ax, "Size of each cluster", scene.of_all(len(shown)))
    return ax


def silhouette(scene: Scene, ax: Axes | None) -> Axes:
    """Draw the silhouette of each representative, cluster by cluster (Rousseeuw 1987)."""
    from sklearn.metrics import silhouette_samples

    chosen = scene.sample(_SILHOUETTES)
    places = scene.places(chosen)
    chosen, places = chosen[places >= 0], places[places >= 0]
    if not 2 <= len(np.unique(places)) < len(places):
        raise InputError("silhouettes need two clusters or more, and more rows than clusters")
    values = silhouette_samples(scene.vectors(chosen), places)
    shown = [at for at in range(min(len(scene.clusters), _MOST_BARS)) if (places == at).any()]
    ax = new_axes(ax, 7.2, 1.5 + min(9.0, max(3.2, 0.34 * len(shown))))
    top, gap = 0, max(2, len(values) // 120)
    ticks = []
    for at in shown:
        mine = np.sort(values[places == at])[::-1]
        span = np.arange(top, top + len(mine))
        ax.fill_betweenx(span, 0, mine, color=scene.colours[at], linewidth=0, step="mid")
        ax.plot([0, 0], [top, top + len(mine) - 1], color=scene.colours[at], linewidth=1)
        ticks.append(top + len(mine) / 2)
        top += len(mine) + gap
    mean = float(values.mean())
    ax.axvline(mean, color=ACCENT, linestyle=(0, (4, 3)), linewidth=1.2)
    where = ("data", "axes fraction")
    write(ax, f"mean {mean:.2f}", (mean, 1), (4, 4), where, color=ACCENT, fontsize=9)
    ax.set_yticks(_apart(ticks, top / 45), [scene.title(scene.clusters[at], 18) for at in shown])
    ax.set_ylim(max(top, _apart(ticks, top / 45)[-1] + gap), -gap)
    ax.set_xlim(min(-0.1, float(values.min()) - 0.02), min(1.0, float(values.max()) + 0.05))
    clean(ax, "x")
    ax.tick_params("y", length=0)
    ax.set_xlabel("silhouette: 1 deep in its cluster, below 0 nearer to another one", color=INK)
    drawn = (
        f"{len(values):,} rows"
        if len(chosen) == scene.result.n_rows
        else (f"{len(values):,} representatives")
    )
    headline(ax, "Silhouettes", f"{scene.of_all(len(shown))}; {drawn}")
    return ax


def _apart(places: Sequence[float], least: float) -> list[float]:
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + least) if found else place)
    return found


def elbow(scene: Scene, ax: Axes | None) -> Axes:
    result = scene.result
    vectors, counts = result.representatives.vectors, result.counts
    most = min(_MOST_K, result.tree.n_leaves)
    if most < 3:
        raise InputError(f"an elbow needs three clusters or more, and the tree has {most} leaves")
    ks = np.unique(np.geomspace(1, most, _STEPS).round().astype(int))
    inertia = [validity(vectors, result.tree.labels(int(k)), counts).inertia for k in ks]
    ax = new_axes(ax, 7.2, 4.4)
    ax.plot(ks, inertia, "-o", color=ACCENT, markersize=3.5, linewidth=1.5)
    knee = elbow_of(ks.tolist(), np.array(inertia))
    at = (float(knee), float(inertia[ks.tolist().index(knee)]))
    ax.plot(*at, "o", color="#d55e00", markersize=8)
    write(ax, f"knee at {knee}", at, (10, 14), color="#d55e00")
    k = len(scene.clusters)
    if k <= most:
        ax.axvline(k, color=MUTED, linestyle=(0, (4, 3)), linewidth=1)
        write(ax, f"K = {k}", (k, 1), (4, -10), ("data", "axes fraction"), color=MUTED, fontsize=9)
    ax.set_ylim(0, max(inertia) * 1.05)
    ax.set_xlim(0, most + 1)
    clean(ax, "both")
    ax.yaxis.set_major_formatter("{x:,.4g}")
    ax.set_xlabel("clusters: cuts of the tree", color=INK)
    ax.set_ylabel("inertia", color=INK)
    below = "inertia always falls with more clusters: a knee is a hint, no proof"
    headline(ax, "Elbow", below)
    return ax


def k_distance(scene: Scene, ax: Axes | None, neighbour: int) -> Axes:
    """Draw the distance of each representative to its k-th neighbour, sorted, for DBSCAN's eps."""
    vectors = np.ascontiguousarray(scene.vectors(scene.sample(_POINTS)), np.float32)
    checked_whole("--neighbour", neighbour, 1, len(vectors) - 1)
    distance = np.sort(np.asarray(nearest_neighbours(vectors, neighbour)[1])[:, -1])[::-1]
    knee = elbow_of(range(len(distance)), distance.astype(float))
    ax = new_axes(ax, 7.2, 4.4)
    ax.plot(np.arange(1, len(distance) + 1), distance, color=ACCENT, linewidth=1.8)
    ax.axhline(distance[knee], color="#d55e00", linestyle=(0, (4, 3)), linewidth=1.2)
    text, where = f"knee: eps {distance[knee]:.3g}", ("axes fraction", "data")
    write(ax, text, (1, float(distance[knee])), (-4, 5), where, color="#d55e00", ha="right")
    ax.set_ylim(0, float(distance[0]) * 1.05)
    ax.set_xlim(0, len(distance) + 1)
    clean(ax, "both")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_xlabel("representatives, the loneliest first", color=INK)
    ax.set_ylabel(f"distance to neighbour {neighbour}", color=INK)
    headline(
        ax, f"Distance to neighbour {neighbour}", "rows above the knee lie where few others do"
    )
    return ax


def reachability(scene: Scene, ax: Axes | None, neighbour: int) -> Axes:
    """Draw how far each representative is from those before it, in the order of OPTICS.

    Ankerst et al., "OPTICS: ordering points to identify the clustering structure", 1999.
    """
    from sklearn.cluster import OPTICS

    chosen = scene.sample(_SILHOUETTES)
    checked_whole("--neighbour", neighbour, 1, len(chosen) - 1)
    model = OPTICS(min_samples=neighbour + 1).fit(scene.vectors(chosen))  # a row is its own first
    away, order = model.reachability_, model.ordering_
    finite = np.isfinite(away)
    top = float(away[finite].max(initial=0.0)) or 1.0
    height = np.where(finite, away, top)[order]
    shade = np.vstack([scene.colours, [[0.75, 0.75, 0.75]]])[scene.places(chosen)[order]]
    ax = new_axes(ax, 7.2, 4.0)
    ax.vlines(np.arange(len(order)), 0, height, colors=shade, linewidth=max(0.4, 420 / len(order)))
    ax.set_ylim(0, top * 1.05)
    ax.set_xlim(-1, len(order))
    clean(ax, "y")
    ax.set_xlabel("representatives in the order of OPTICS", color=INK)
    ax.set_ylabel("reachability", color=INK)
    below = "valleys are dense groups, coloured by cluster; peaks lie between them"
    headline(ax, "Reachability", below)
    return ax


def confusion(
    scene: Scene, ax: Axes | None, truth: NDArray[np.int64], names: Sequence[str]
) -> Axes:
    counts, clusters = confusion_table(truth, scene.clustering.labels(), len(names))
    shown, columns = counts[:_MOST_CELLS, :_MOST_CELLS], clusters[:_MOST_CELLS]
    rows = [plain(name, 18) for name in names[:_MOST_CELLS]]
    titles = [scene.title(int(cluster), 14) for cluster in columns]
    share = shown / np.maximum(counts.sum(axis=1)[: len(rows), None], 1)
    long = max(map(len, titles)) > 4
    cell = 0.46 if len(titles) <= 24 else 0.3
    width = cell * len(titles) + column_width(rows) + 0.9
    height = cell * len(rows) + 1.0 + (column_width(titles) if long else 0.2)
    ax = new_axes(ax, max(width, 4.0), max(height, 2.4))
    ax.imshow(share, cmap="GnBu", vmin=0, vmax=1, aspect="equal")
    for (i, j), n in np.ndenumerate(shown):
        if n and cell > 0.4:
            colour = "white" if share[i, j] > 0.6 else INK
            size = 8 if n < 1000 else 6.5
            ax.text(j, i, f"{n:,}", ha="center", va="center", fontsize=size, color=colour)
    ax.set_xticks(range(len(titles)), titles, rotation=90 if long else 0)
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0, labelsize=8.5 if cell > 0.4 else 7)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("cluster", color=INK)
    ax.set_ylabel("class", color=INK)
    cut = "" if shown.shape == counts.shape else f", the first {len(rows)} × {len(titles)} shown"
    headline(ax, "Classes in clusters", f"{counts.sum():,} rows; shade: share of the class{cut}")
    return ax
