"""Rows in the plane: Shoal's own map, t-SNE, or principal components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole
from shoal.core.layout import LANDMARKS, lay_out
from shoal.errors import InputError, MissingExtraError
from shoal.plots.canvas import INK, MUTED, bare, clean, headline, new_axes, write
from shoal.plots.cluster_images import thumbnail, typical_tiles
from shoal.plots.scene import Scene
from shoal.stages.leaves import leaves_fingerprint
from shoal.stages.map import NAME, map_fingerprint
from shoal.stages.result import Result
from shoal.storage import read_npy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PROJECTIONS = ("own", "tsne", "pca", "umap")
_MOST_NAMES = 60
_PERPLEXITY = 30
_UMAP_NEIGHBOURS = 15  # as umap-learn has it


def map_(scene: Scene, ax: Axes | None, projection: str, seed: int | None) -> Axes:
    if projection not in PROJECTIONS:
        raise InputError(f"--projection must be one of {', '.join(PROJECTIONS)}; got {projection}")
    chosen = scene.sample(
        LANDMARKS if projection in ("tsne", "umap") else len(scene.result.representatives)
    )
    if len(chosen) < 5:
        raise InputError(f"a map needs five rows or more; there are {len(chosen)}")
    places = scene.places(chosen)
    if seed is None:
        seed = int(scene.result.folder.settings.get("seed", 0))
    checked_whole("--seed", seed, 0, 2**32 - 1)
    xy, axis_names = _coordinates(scene, chosen, projection, seed)
    weights = scene.result.counts[chosen]
    ax = new_axes(ax, 8.0, 7.2)
    size = np.clip(20_000 / len(chosen), 1.2, 30) * np.clip(
        np.sqrt(weights / max(weights.mean(), 1e-9)), 0.6, 3
    )
    shade = np.vstack([scene.colours, [[0.75, 0.75, 0.75]]])[places]
    ax.scatter(xy[:, 0], xy[:, 1], s=size, c=shade, alpha=0.75, linewidths=0, rasterized=True)
    _name_clusters(ax, scene, xy, places)
    if axis_names:
        clean(ax)
        ax.set_xlabel(axis_names[0], color=INK)
        ax.set_ylabel(axis_names[1], color=INK)
    else:
        bare(ax)
        ax.set_aspect("equal")
    ax.margins(0.04)
    by = {"own": "", "tsne": " by t-SNE", "umap": " by UMAP", "pca": " by principal components"}[
        projection
    ]
    drawn = "row" if len(chosen) == scene.result.n_rows else "representative"
    k = scene.of_all(_MOST_NAMES)
    headline(ax, f"Map{by}", f"{k}; each dot a {drawn}; clusters were not found on this map")
    return ax


def _coordinates(
    scene: Scene, chosen: NDArray[np.int64], projection: str, seed: int
) -> tuple[NDArray[np.float64], list[str]]:
    if projection == "own":
        return _own_map(scene, seed)[chosen], []
    vectors = scene.vectors(chosen)
    if projection == "pca":
        return _components(vectors, scene.result.counts[chosen])
    if projection == "umap":
        try:
            from umap import UMAP
        except ModuleNotFoundError:
            raise MissingExtraError(
                "this map is drawn by umap-learn, which is not installed: pip install 'shoal[umap]'"
            ) from None
        near = min(_UMAP_NEIGHBOURS, len(vectors) - 1)
        return np.asarray(
            UMAP(n_neighbors=near, random_state=seed, n_jobs=1).fit_transform(vectors)
        ), []
    from openTSNE import TSNE

    perplexity = min(_PERPLEXITY, max(2, (len(vectors) - 1) // 3))
    model = TSNE(perplexity=perplexity, random_state=seed, initialization="pca", n_jobs=1)
    return np.asarray(model.fit(vectors)), []


def has_own_map(result: Result, seed: int | None = None) -> bool:
    """Return whether the explorer's map is stored; by default for the fit's seed."""
    seed = int(result.folder.settings.get("seed", 0)) if seed is None else seed
    made_from = map_fingerprint(leaves_fingerprint(result.folder), seed)
    return result.folder.stage(NAME).is_done(made_from)


def _own_map(scene: Scene, seed: int) -> NDArray[np.float64]:
    """Return the explorer's map, stored or computed, one place per representative."""
    result = scene.result
    order = result.tree.order
    if has_own_map(result, seed):
        flat = np.empty((len(order), 2))
        flat[order] = read_npy(result.folder.stage(NAME).whole("layout"))
        return flat
    tree = result.folder.stage("tree")
    near = (read_npy(tree.whole(name)) for name in ("neighbours", "distances"))
    return np.asarray(lay_out(result.representatives.vectors, order, *near, seed=seed), np.float64)


def _components(
    vectors: NDArray[np.float64], weights: NDArray[np.int64]
) -> tuple[NDArray[np.float64], list[str]]:
    weight = np.maximum(weights, 0) / max(weights.sum(), 1)
    centred = vectors - weight @ vectors
    values, axes = np.linalg.eigh((centred * weight[:, None]).T @ centred)
    values, axes = values[::-1], axes[:, ::-1]
    if vectors.shape[1] == 1:
        axes, values = np.hstack([axes, np.zeros((1, 1))]), np.append(values, 0.0)
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = axes * np.where(signs == 0, 1, signs)
    share = 100 * values / max(float(values.sum()), 1e-12)
    names = [f"component {at + 1} ({share[at]:.0f}% of the variance)" for at in range(2)]
    return centred @ axes[:, :2], names


def _name_clusters(
    ax: Axes, scene: Scene, xy: NDArray[np.float64], places: NDArray[np.int64]
) -> None:
    """Write each cluster's name at its centre, the largest first, unless it would overlap.

    Above it is its most typical image, where rows have images.
    """
    from matplotlib.patheffects import withStroke

    extent = np.maximum(np.ptp(xy, axis=0), 1e-12)
    written: list[NDArray[np.float64]] = []
    for at, cluster in enumerate(scene.largest(_MOST_NAMES)):
        mine = xy[places == at]
        if not len(mine):
            continue
        middle = np.median(mine, axis=0)
        middle = mine[((mine - middle) ** 2).sum(axis=1).argmin()]
        name = scene.title(cluster, 18)
        away = [np.abs(middle - other) / extent for other in written]
        if any(apart[0] < 0.011 * len(name) + 0.01 and apart[1] < 0.022 for apart in away):
            continue
        written.append(middle)
        for tile in typical_tiles(scene, cluster, 1):
            thumbnail(ax, tile, (float(middle[0]), float(middle[1])), (0, 18))
        ax.annotate(
            name,
            middle,
            ha="center",
            va="center",
            fontsize=9.5,
            fontweight="bold",
            color=INK,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
    hidden = min(len(scene.clusters), _MOST_NAMES) - len(written)
    if hidden > 0:
        left_out = f"{hidden} names are left out where others are"
        write(ax, left_out, (1, 1), (0, 8), "axes fraction", ha="right", color=MUTED, fontsize=8)
