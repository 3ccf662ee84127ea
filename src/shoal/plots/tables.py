"""Clusters of a table or of vectors: their profile, and how each column is distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.export.base import spread_blocks
from shoal.plots.canvas import INK, MUTED, clean, column_width, headline, new_axes, plain, write
from shoal.plots.scene import Scene
from shoal.rows import Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_ROWS = 20_000  # read, from all over
_BLOCK = 500
_MOST_COLUMNS, _MOST_PANELS, _MOST_CLUSTERS = 40, 24, 40
_MOST_BARS, _BINS = 8, 24
_LEGEND = 10
_MOST_READ = 512  # columns that a scatter picture chooses from
_LIMIT = 2.0  # standard deviations at which the colours of a profile end


@dataclass(frozen=True)
class _Column:
    name: str
    labels: tuple[str, ...]
    values: NDArray[np.float64]


def profile(scene: Scene, ax: Axes | None) -> Axes:
    columns, places = _read(scene, _MOST_COLUMNS)
    shown = scene.largest(_MOST_CLUSTERS)
    lines = [line for column in columns for line in _profile_lines(column)][:_MOST_COLUMNS]
    away = np.full((len(lines), len(shown)), np.nan)
    texts = np.full(away.shape, "", object)
    for i, (_, values, is_share) in enumerate(lines):
        spread = float(np.nanstd(values)) or 1.0
        for j in range(len(shown)):
            mine = values[(places == j) & np.isfinite(values)]
            if len(mine):
                away[i, j] = (mine.mean() - np.nanmean(values)) / spread
                texts[i, j] = f"{100 * mine.mean():.0f}%" if is_share else _short(mine.mean())
    names = [plain(name, 40) for name, *_ in lines]
    titles = [f"{scene.title(c, 14)}\n{scene.sizes[c]:,}" for c in shown]
    wide = 0.72 if len(shown) <= 16 else 0.42
    ax = new_axes(
        ax, max(4.5, wide * len(shown) + column_width(names) + 1.4), 1.5 + 0.34 * len(lines)
    )
    image = ax.imshow(away, cmap="RdBu_r", vmin=-_LIMIT, vmax=_LIMIT, aspect="auto")
    if wide > 0.5:
        for (i, j), text in np.ndenumerate(texts):
            colour = "white" if abs(away[i, j]) > 0.6 * _LIMIT else INK
            ax.text(j, i, text, ha="center", va="center", fontsize=8, color=colour)
    ax.set_yticks(range(len(names)), names)
    ax.set_xticks(range(len(shown)), titles, fontsize=8.5, rotation=0 if wide > 0.5 else 90)
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=min(1.0, 3 / (0.34 * len(lines))), pad=0.02)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    ax.set_title("Profile of each cluster", loc="left", color=INK, fontsize=12, pad=20)
    below = f"{scene.of_all(len(shown))}: means and shares\nshade: deviations from the mean of all"
    write(ax, below, (0, 0), (0, -26), "axes fraction", color=MUTED, fontsize=8.5)
    return ax


def _profile_lines(column: _Column) -> list[tuple[str, NDArray[np.float64], bool]]:
    """Return the lines of a column: its numbers, or for each common category whether it is that."""
    if not column.labels:
        return [(column.name, column.values, False)]
    known = np.isfinite(column.values)
    counts = np.bincount(column.values[known].astype(int), minlength=len(column.labels))
    common = [int(at) for at in np.argsort(-counts, kind="stable")[:3] if counts[at]]
    common = common[:1] if len(column.labels) == 2 else common
    return [
        (f"{column.name}: {column.labels[at]}", np.where(known, column.values == at, np.nan), True)
        for at in common
    ]


def distributions(scene: Scene, ax: Axes | None) -> Axes:
    columns, places = _read(scene, _MOST_PANELS)
    across = len(columns) if len(columns) < 3 else 2 if len(columns) == 4 else 3
    down = -(-len(columns) // across)
    ax = new_axes(ax, max(4.6, 3.3 * across), 1.2 + 2.5 * down)
    ax.set_axis_off()
    groups, shades = _groups(scene, places)
    panel_x, panel_y = 1 / across, 1 / down
    for at, column in enumerate(columns):
        left, top = at % across * panel_x, 1 - at // across * panel_y
        bounds = (left + 0.03, top - panel_y * 0.82, panel_x - 0.07, panel_y * 0.66)
        _panel(ax.inset_axes(bounds), column, groups, shades)
    _add_legend(ax, scene, groups, shades)
    headline(ax, "Columns by cluster", f"{len(places):,} rows, stacked")
    return ax


def scatter(scene: Scene, ax: Axes | None, wanted: Sequence[str] | None) -> Axes:
    columns, places = _read(scene, _MOST_READ)
    chosen = _chosen(columns, wanted)
    solid = len(chosen) == 3
    if ax is not None and (ax.name == "3d") != solid:
        raise InputError(f"{len(chosen)} columns need axes of so many dimensions; got {ax.name}")
    ax = new_axes(ax, 7.0, 6.0, solid)
    values = np.stack([column.values for column in chosen])
    groups, shades = _groups(scene, places)
    size = float(np.clip(20_000 / max(len(places), 1), 2, 24))
    draw: Any = ax.scatter
    for group, shade in enumerate(shades):
        mine = values[:, groups == group]
        draw(*mine, s=size, color=shade, alpha=0.8, linewidths=0)
    for axis, column in zip("xyz", chosen, strict=False):
        getattr(ax, f"set_{axis}label")(plain(column.name, 40), color=INK)
        if column.labels:
            ticks = range(len(column.labels))
            getattr(ax, f"set_{axis}ticks")(ticks, [plain(name, 12) for name in column.labels])
    if not solid:
        clean(ax)
    _add_legend(ax, scene, groups, shades)
    title = " × ".join(plain(column.name) for column in chosen)
    headline(ax, title, f"{scene.of_all(len(scene.clusters))}; {len(places):,} rows")
    return ax


def _chosen(columns: list[_Column], wanted: Sequence[str] | None) -> list[_Column]:
    by_name = {column.name: column for column in columns}
    if wanted is None:
        numbers = [column for column in columns if not column.labels]
        found = (numbers + [column for column in columns if column.labels])[:2]
    else:
        missing = next((name for name in wanted if name not in by_name), None)
        if missing is not None:
            raise InputError(f"--columns {missing}: the columns are {', '.join(by_name)}")
        found = [by_name[name] for name in wanted]
    if len(found) not in (2, 3):
        raise InputError(f"--columns must name two or three columns; got {len(found)}")
    return found


def _groups(scene: Scene, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[Any]]:
    """Return each row's place in the legend, the last for others, and the colours of the legend."""
    count = len(scene.largest(_LEGEND))
    groups = np.where((places >= 0) & (places < count), places, count)
    return groups, [*scene.colours[:count], np.array([0.8, 0.8, 0.8])]


def _add_legend(ax: Axes, scene: Scene, groups: NDArray[np.int64], shades: list[Any]) -> None:
    from matplotlib.patches import Patch

    shown = scene.largest(_LEGEND)
    others = ["others"] if (groups == len(shown)).any() else []
    names = [scene.title(cluster, 16) for cluster in shown] + others
    look: Any = {"loc": "outside right upper", "fontsize": 8.5, "frameon": False}
    ax.figure.legend(
        [Patch(color=shade) for shade in shades[: len(names)]], names, title="cluster", **look
    )


def _panel(panel: Any, column: _Column, groups: NDArray[np.int64], shades: list[Any]) -> None:
    known = np.isfinite(column.values)
    missing = int((~known).sum())
    parts = [column.values[known & (groups == g)] for g in range(len(shades))]
    if column.labels:
        counts = np.bincount(column.values[known].astype(int), minlength=len(column.labels))
        common = np.argsort(-counts, kind="stable")[:_MOST_BARS]
        common = common[counts[common] > 0]
        base = np.zeros(len(common))
        for part, shade in zip(parts, shades, strict=True):
            heights = np.bincount(part.astype(int), minlength=len(column.labels))[common]
            panel.bar(range(len(common)), heights, bottom=base, color=shade, width=0.8)
            base += heights
        names = [plain(column.labels[at], 9) for at in common]
        turned = len(names) > 4 or max(map(len, names), default=0) * len(names) > 26
        panel.set_xticks(range(len(names)), names, rotation=40 if turned else 0,
                         ha="right" if turned else "center")  # fmt: skip
    elif known.any():
        bins = np.histogram_bin_edges(column.values[known], _BINS)
        panel.hist(parts, bins=bins, stacked=True, color=shades)
    clean(panel)
    panel.yaxis.get_major_locator().set_params(integer=True)
    panel.tick_params(labelsize=8)
    title = plain(column.name, 30) + (f"  ({missing:,} missing)" if missing else "")
    panel.set_title(title, fontsize=9.5, color=INK, loc="left")


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _read(scene: Scene, most: int) -> tuple[list[_Column], NDArray[np.int64]]:
    source = scene.table
    spans = spread_blocks(source.n_rows, _BLOCK, _MOST_ROWS // _BLOCK)
    cells = np.concatenate([_cells(source, *span) for span in spans])[:, :most]
    labels = scene.clustering.labels()
    own = np.concatenate([labels[a:b] for a, b in spans])
    places = np.array([scene.place.get(int(c), -1) for c in own], np.int64)
    names = _names(source)[:most]
    return [_Column(name, labels, cells[:, at]) for at, (name, labels) in enumerate(names)], places


def _cells(source: Source, start: int, stop: int) -> NDArray[np.float64]:
    return source.read(start, stop).data.reshape(stop - start, -1).astype(np.float64)


def _names(source: Source) -> list[Any]:
    table = source.as_table()
    if table is not None:
        return [
            (column.name, tuple(map(str, column.labels)) if column.role == "category" else ())
            for column in table.schema.columns
        ]
    names = list(map(str, source.fingerprint().get("columns") or ()))
    width = math.prod(source.shape)
    return [(name, ()) for name in (names if len(names) == width else map(str, range(width)))]
