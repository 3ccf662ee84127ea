"""The tree above the clusters, with its cut and pictures at the leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole
from shoal.edits import Clustering
from shoal.errors import InputError
from shoal.plots.canvas import ACCENT, INK, MUTED, clean, headline, new_axes, plain, write
from shoal.plots.cluster_images import has_pictures, thumbnail, typical_tiles
from shoal.plots.scene import Scene
from shoal.stages.method_result import Found

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LEAVES = 60
_THUMBS = 3


def dendrogram(scene: Scene, ax: Axes | None, leaves: int | None) -> Axes:
    """Draw the splits from the root down, clearer ones further left, and the cut.

    The axis is the method's own height where it has a dendrogram, and excess elsewhere.
    """
    if leaves is not None:
        checked_whole("--leaves", leaves, 2, _MOST_LEAVES)
    clustering = _leaves(scene, leaves)
    if clustering.k < 2:
        raise InputError("there is one cluster, and so no tree above it: give --k or --leaves")
    drawn = Scene(scene.run, clustering)
    ids, merges = list(clustering.ids), clustering.linkage()
    with_pictures = has_pictures(drawn)
    height = 0.36 if with_pictures else 0.27
    ax = new_axes(ax, 8.2, 1.3 + height * len(ids))
    scale, means = _scale(scene)
    if not clustering.edited:  # the merges are those of a cut, lowest first
        merges = [(a, b, scale[len(merges) - 1 - t]) for t, (a, b, _) in enumerate(merges)]
    finite = [e for *_, e in merges if np.isfinite(e)]
    base = min([*finite, 0.0])
    depths = np.array([e if np.isfinite(e) else base for *_, e in merges])
    # A negative excess is drawn as such: all splits of a flat method may be less than chance.
    edge = base - (0.02 if base == 0 else 0.1) * max(float(depths.max()) - base, 1e-9)
    x, y = [edge] * len(ids), [float(at) for at in range(len(ids))]
    own = _cluster_of_leaves(scene, clustering, ids)
    side = list(own)
    for (left, right, _), depth in zip(merges, depths, strict=True):
        at = max(float(depth), x[left], x[right])
        same = side[left] == side[right] and side[left] >= 0
        colour = scene.colours[side[left]] if same else MUTED
        ax.plot([x[left], at, at, x[right]], [y[left], y[left], y[right], y[right]], color=colour)
        x.append(at)
        y.append((y[left] + y[right]) / 2)
        side.append(side[left] if same else -1)
    wide = x[-1] - edge
    ax.plot([x[-1], x[-1] + 0.03 * wide], [y[-1], y[-1]], color=MUTED)
    _cut_line(ax, scene, scale)
    ax.set_ylim(len(ids) - 0.4, -0.6)
    ax.set_xlim(x[-1] + 0.04 * wide, edge)
    clean(ax, "x")
    ax.spines["left"].set_visible(False)
    ax.set_yticks([])
    ax.set_xlabel(means, color=INK)
    for at, cluster in enumerate(ids):
        # The name of the cluster that is drawn, though the leaf be one of several of it.
        title = scene.title(scene.clusters[own[at]] if own[at] >= 0 else cluster, 20)
        colour = scene.colours[own[at]] if own[at] >= 0 else MUTED
        _leaf(ax, f"{title}  ({drawn.sizes[cluster]:,})", at, colour, with_pictures)
        where = ("axes fraction", "data")
        for i, tile in enumerate(typical_tiles(drawn, cluster, _THUMBS)):
            thumbnail(ax, tile, (1, at), (18 + 24 * i, 0), where)
    k = len(scene.clusters)
    headline(ax, f"Tree of {plain(scene.result.summary['description'], 60)}", f"cut into {k:,}")
    return ax


def _leaves(scene: Scene, leaves: int | None) -> Clustering:
    """Return the clusters at the leaves, more than the cut has, so that it is visible."""
    k, most = scene.clustering.k, scene.result.tree.n_leaves
    if scene.clustering.edited and leaves is None:
        return scene.clustering
    finer = [layer.k for layer in scene.result.layers if k < layer.k <= _MOST_LEAVES]
    chosen = leaves or (min(finer) if finer else min(k, _MOST_LEAVES))
    return scene.run.clustering(k=min(chosen, most), raw=True)


def _cluster_of_leaves(scene: Scene, clustering: Clustering, ids: list[int]) -> list[int]:
    """Return the index of the cluster of each leaf; −1 for a leaf of several."""
    found = []
    for leaf in ids:
        mine = np.unique(scene.places(np.flatnonzero(clustering.of_representative == leaf)))
        found.append(int(mine[0]) if len(mine) == 1 else -1)
    return found


def _scale(scene: Scene) -> tuple[NDArray[np.float64], str]:
    """Return the height of each split, the root first, and its meaning."""
    excess, heights = scene.result.tree.excess.astype(float), Found(scene.result).heights
    if heights is not None and len(heights) == len(excess):
        return heights[::-1], "distance at which the method joins or parts two clusters"
    return excess, "excess of the split: how much clearer than in structureless data"


def _cut_line(ax: Axes, scene: Scene, scale: NDArray[np.float64]) -> None:
    """Draw a line between the last split of the cut and the next one."""
    k = len(scene.clusters)
    if k != scene.clustering.cut or not 2 <= k <= len(scale):
        return  # edits made other clusters than a cut has
    taken, after = float(scale[: k - 1].min()), max(float(scale[k - 1]), 0.0)
    if taken <= after:
        return  # the cut is a flat method's, and no line parts its splits from those within
    at = (taken + after) / 2
    ax.axvline(at, color=ACCENT, linestyle=(0, (4, 3)), linewidth=1.2)
    where = ("data", "axes fraction")
    write(ax, f"K = {k}", (at, 1), (4, -2), where, color=ACCENT, fontsize=9, va="top")


def _leaf(ax: Axes, text: str, at: int, colour: Any, with_pictures: bool) -> None:
    shift = 6 + (24 * _THUMBS + 4 if with_pictures else 0)
    write(ax, text, (1, at), (shift, 0), ("axes fraction", "data"), va="center", fontsize=9)
    edge = ax.get_xlim()[1]
    ax.plot([edge], [at], "o", color=colour, markersize=4, clip_on=False, zorder=3)
