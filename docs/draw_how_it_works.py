"""Draw the five pictures of docs/how-it-works.md into docs/pictures.

``python docs/draw_how_it_works.py``; part of ``make docs-pictures``. Nine groups of points in the
plane, three by three, stand for images: a fit of theirs can be drawn as it is.
"""

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

import shoal
from shoal.api import Run
from shoal.core.null import REAL, WEAK

OUT = Path(__file__).parent / "pictures"
COLOURS = np.array(matplotlib.colormaps["tab10"].colors)
INK, ACCENT = "#24292f", "#d1495b"
STAGES = (
    ("images", "N rows"),
    ("features", "N × D"),
    ("representatives", "m weighted rows"),
    ("graph", "m × k edges"),
    ("tree", "m − 1 splits"),
    ("layers", "a few K"),
)


def points(n: int = 6000) -> NDArray[np.float32]:
    """Draw points in three groups of three."""
    draw = np.random.default_rng(0)
    groups = np.array([[0, 0], [7, 1.5], [3, 6]])[:, None] + np.array(
        [[0, 0], [1.5, 0.3], [0.5, 1.5]]
    )
    centres = groups.reshape(-1, 2)[draw.integers(0, 9, n)]
    return (centres + draw.normal(0, 0.22, (n, 2))).astype(np.float32)


def data_flow(axes: Axes) -> None:
    """Draw the stages in a row, and the way back from the cut to all rows."""
    for at, (name, size) in enumerate(STAGES):
        box = FancyBboxPatch(
            (at * 2 - 0.05, 0), 1.6, 0.8, boxstyle="round,pad=0.05", fc="#eef2f6", ec=INK
        )
        axes.add_patch(box)
        axes.text(at * 2 + 0.75, 0.5, name, ha="center", va="center", fontsize=7.5, weight="bold")
        axes.text(at * 2 + 0.75, 0.2, size, ha="center", va="center", fontsize=7.5, color="#57606a")
        if at:
            axes.add_patch(arrow((at * 2 - 0.42, 0.4), (at * 2 - 0.06, 0.4), 0))
    axes.add_patch(arrow((10.75, -0.08), (0.75, -0.08), -0.12))
    axes.text(5.75, -1.02, "every row gets the cluster of its nearest representatives", ha="center")
    axes.axvspan(-0.2, 3.72, ymin=0.05, ymax=0.95, color=ACCENT, alpha=0.07, lw=0)
    axes.text(1.76, 1.15, "reads all N rows, once", ha="center", fontsize=9, color=ACCENT)
    axes.text(7.75, 1.15, "works on m representatives, 5,000 to 65,000", ha="center", fontsize=9)
    axes.set(xlim=(-0.3, 11.8), ylim=(-1.25, 1.45))


def arrow(start: tuple[float, float], end: tuple[float, float], bend: float) -> FancyArrowPatch:
    """Return an arrow from one place to another."""
    style = f"arc3,rad={bend}"
    return FancyArrowPatch(
        start, end, connectionstyle=style, arrowstyle="-|>", mutation_scale=12, color=INK
    )


def summary(left: Axes, right: Axes, rows: NDArray[np.float32], run: Run) -> None:
    """Draw all rows beside their representatives, whose areas show their weights."""
    kept = run.representatives
    left.scatter(*rows.T, s=1, color=INK, alpha=0.4, lw=0)
    left.set_title(f"{len(rows):,} rows", fontsize=10)
    where = rows[kept.rows]
    right.scatter(*where.T, s=kept.weights * 0.8, color=ACCENT, alpha=0.5, lw=0)
    right.set_title(f"{len(where)} representatives, area by weight", fontsize=10)


def tree(axes: Axes, run: Run) -> None:
    """Draw the top of the tree, 24 leaves, and the cut of the primary layer."""
    most, k = 24, run.primary.k
    merges = run.tree.linkage(most)
    heights = np.cumsum([0.05 + max(clear, 0.0) for _, _, clear in merges])
    links = np.array([(a, b, h, 2) for (a, b, _), h in zip(merges, heights, strict=True)])
    cut = (heights[most - k] + heights[most - k - 1]) / 2
    dendrogram(links, ax=axes, no_labels=True, color_threshold=cut, above_threshold_color=INK)
    axes.axhline(cut, color=ACCENT, ls="--", lw=1)
    axes.text(axes.get_xlim()[1], cut, f" K = {k}", color=ACCENT, va="center")
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)


def excess(axes: Axes, run: Run, structureless: Run) -> None:
    """Draw the excess of each split beside those of rows without groups."""
    for one, colour, name in (
        (run, ACCENT, "three groups of three"),
        (structureless, "#8c959f", "one blob"),
    ):
        found = one.tree.excess[:20].astype(float)
        found = found[np.isfinite(found)]
        axes.plot(np.arange(2, len(found) + 2), found, "o-", color=colour, label=name, ms=4)
    for level, style, name in ((REAL, ":", "may be real"), (WEAK, "--", "almost certainly real")):
        axes.axhline(level, color=INK, lw=0.8, ls=style)
        axes.text(22, level, name, va="bottom", ha="right", fontsize=8)
    axes.set(xlabel="K", ylabel="excess of the last split", xticks=[2, 3, 6, 9, 12, 15, 18, 21])
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def layers(axes: NDArray, rows: NDArray[np.float32], run: Run) -> None:
    """Draw the layers, coarse to fine, which lie within each other."""
    shown = [layer.k for layer in run.layers if layer.k > 2]
    for one, k in zip(axes, shown, strict=True):
        one.scatter(*rows.T, s=1, c=COLOURS[run.labels(k=k) % 10], lw=0)
        primary = ", primary" if k == run.primary.k else ""
        one.set_title(f"K = {k}{primary}", fontsize=10)


def save(figure: pyplot.Figure, name: str, *bare: Axes) -> None:
    """Write a picture; `bare` axes show neither frame nor ticks."""
    for axes in bare:
        axes.set_axis_off()
    figure.savefig(OUT / f"how-{name}.png", dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    """Fit, and draw."""
    rows = points()
    blob = np.random.default_rng(1).normal(size=(6000, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        run = shoal.fit(rows, Path(folder) / "groups.shoal", representatives=300)
        other = shoal.fit(blob, Path(folder) / "blob.shoal", representatives=300)
        figure, axes = pyplot.subplots(figsize=(9.5, 2.2))
        data_flow(axes)
        save(figure, "data-flow", axes)
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 3.6))
        summary(left, right, rows, run)
        save(figure, "summary", left, right)
        figure, axes = pyplot.subplots(figsize=(8, 3.2))
        tree(axes, run)
        save(figure, "tree")
        figure, axes = pyplot.subplots(figsize=(7, 3.2))
        excess(axes, run, other)
        save(figure, "excess")
        figure, several = pyplot.subplots(1, 3, figsize=(9, 3))
        layers(several, rows, run)
        save(figure, "layers", *several)


if __name__ == "__main__":
    main()
