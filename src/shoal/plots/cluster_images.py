"""Clusters of images: their means or middles, and examples of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole
from shoal.errors import InputError
from shoal.export.pictures import make_tiles, mean_picture, tile_side
from shoal.plots.canvas import INK, LINE, MUTED, headline, mosaic, new_axes, show_image, write
from shoal.plots.scene import Scene
from shoal.stages.method_result import Found

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_CLUSTERS, _MOST_LINES = 144, 40
_MOST_ACROSS, _MOST_TILES = 60, 2_500  # examples in a line, and of one cluster
_AVERAGED = 200  # rows of a cluster whose pictures are averaged
_THUMB = 21  # points
_SHARP = 40  # sides up to this are enlarged without blurring
_CHOICES = ("auto", "mean", "typical")


def centroids(scene: Scene, ax: Axes | None, image: str) -> Axes:
    image = "typical" if image == "middle" else image  # its former name
    if image not in _CHOICES:
        raise InputError(f"--image must be one of {', '.join(_CHOICES)}; got {image}")
    source, shown = scene.pictures, scene.largest(_MOST_CLUSTERS)
    if image == "auto":  # the mean of photos is a grey blur
        image = "typical" if source.mixed_sizes else "mean"
    side = tile_side(source, len(shown))
    tiles = np.stack([_face(scene, cluster, side, image == "mean") for cluster in shown])
    across = min(len(shown), max(4, math.ceil(math.sqrt(1.6 * len(shown)))))
    down = -(-len(shown) // across)
    inch = 1.05 if len(shown) <= 60 else 0.85
    ax = new_axes(ax, across * inch * 1.12, down * inch * 1.5 + 0.7)
    gap = (0.42, 0.1)
    show_image(ax, mosaic(tiles, across, gap), side <= _SHARP)
    for at, cluster in enumerate(shown):
        left = at % across * (side + round(side * gap[1]))
        top = at // across * (side + round(side * gap[0])) + side
        corner = (left - 0.5, top - 0.5)
        name = scene.title(cluster, 11)
        write(ax, name, corner, (1, -10), color=INK, fontsize=9, fontweight="bold")
        write(ax, f"{scene.sizes[cluster]:,}", corner, (1, -20), color=MUTED, fontsize=8)
    what = "Mean image" if image == "mean" else "Most typical image"
    headline(ax, f"{what} of each cluster", f"{scene.of_all(len(shown))}, with their rows")
    return ax


def has_pictures(scene: Scene) -> bool:
    """Return whether the rows have pictures, which can be read."""
    try:
        return scene.pictures.kind == "images"
    except InputError:
        return False


def typical_tiles(scene: Scene, cluster: int, count: int) -> NDArray[np.uint8]:
    """Return small pictures of the most typical rows of a cluster, none where rows have none."""
    rows = scene.typical_rows(cluster, count) if has_pictures(scene) else []
    if not rows:
        return np.zeros((0, 1, 1, 3), np.uint8)
    return _rgb(make_tiles(scene.pictures, rows, tile_side(scene.pictures, 99)))


def thumbnail(
    ax: Axes,
    tile: NDArray[np.uint8],
    at: tuple[float, float],
    shift: tuple[float, float],
    coordinates: Any = "data",
) -> None:
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    box = OffsetImage(tile, zoom=_THUMB / tile.shape[0], interpolation="antialiased")
    box.image.axes = ax
    frame: Any = {"frameon": True, "pad": 0, "bboxprops": {"edgecolor": LINE}}
    ax.add_artist(
        AnnotationBbox(box, at, shift, coordinates, "offset points", annotation_clip=False, **frame)
    )


def som(scene: Scene, ax: Axes | None) -> Axes:
    found = Found(scene.result)
    if found.grid is None:
        made_by = found.facts["name"]
        raise InputError(f"the picture som shows a run of --method som; this is one of {made_by}")
    ids = found.ids(scene.clustering.of_representative, len(scene.clusters))
    if ids is None:
        raise InputError("the picture som shows the units as they were found: leave --k out")
    down, across = (int(n) + 1 for n in found.grid.max(axis=0))
    side = tile_side(scene.pictures, down * across)
    tiles = np.full((down, across, side, side, 3), 240, np.uint8)
    for (row, column), cluster in zip(found.grid, ids.tolist(), strict=True):
        if cluster in scene.sizes:
            tiles[row, column] = _face(scene, cluster, side, mean=True)
    ax = new_axes(ax, max(3.2, 0.62 * across), 0.62 * down + 0.7)
    page = mosaic(tiles.reshape(-1, side, side, 3), across, (0.13, 0.13))
    show_image(ax, page, side <= _SHARP)
    empty = down * across - len(ids)
    headline(ax, "Mean image of each unit", f"{down} × {across} units, {empty} without rows")
    return ax


def _face(scene: Scene, cluster: int, side: int, mean: bool) -> NDArray[np.uint8]:
    if mean:
        return _rgb(mean_picture(scene.pictures, scene.drawn_rows(cluster, _AVERAGED), side))
    rows = scene.typical_rows(cluster, 1)
    if not rows:
        return np.full((side, side, 3), 240, np.uint8)
    return _rgb(make_tiles(scene.pictures, rows, side)[0])


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image[..., :3] if image.shape[-1] >= 3 else np.repeat(image[..., :1], 3, axis=-1)


def examples(scene: Scene, ax: Axes | None, cluster: int | None, count: int) -> Axes:
    checked_whole("--count", count, 1, _MOST_ACROSS if cluster is None else _MOST_TILES)
    source = scene.pictures
    if cluster is not None:
        return _grid(scene, ax, scene.checked(cluster), count)
    shown = scene.largest(_MOST_LINES)
    side = tile_side(source, len(shown))
    pages = np.full((len(shown), count, side, side, 3), 255, np.uint8)
    for at, one in enumerate(shown):
        rows = scene.typical_rows(one, count)
        if rows:
            pages[at, : len(rows)] = _rgb(make_tiles(source, rows, side))
    gap = 0.08
    ax = new_axes(ax, count * 0.72 + 2.0, len(shown) * 0.72 + 0.7)
    show_image(ax, mosaic(pages.reshape(-1, side, side, 3), count, (gap, gap)), side <= _SHARP)
    step = side + round(side * gap)
    for at, one in enumerate(shown):
        middle = (0, at * step + side / 2)
        look = {"ha": "right", "fontsize": 9.5}
        write(ax, scene.title(one, 16), middle, (-8, 1), color=INK, fontweight="bold", **look)
        write(ax, f"{scene.sizes[one]:,}", middle, (-8, -11), color=MUTED, **look)
    headline(ax, "Most typical images of each cluster", scene.of_all(len(shown)))
    return ax


def _grid(scene: Scene, ax: Axes | None, cluster: int, count: int) -> Axes:
    rows = scene.typical_rows(cluster, count)
    if not rows:
        raise InputError(f"--cluster {cluster} has no rows to show")
    side = tile_side(scene.pictures, 1)
    tiles = _rgb(make_tiles(scene.pictures, rows, side))
    across = max(1, math.ceil(math.sqrt(1.5 * len(rows))))
    down = -(-len(rows) // across)
    inch = 0.9 if side <= _SHARP else 1.15
    ax = new_axes(ax, max(across * inch, 3.2), down * inch + 0.6)
    show_image(ax, mosaic(tiles, across, (0.06, 0.06)), side <= _SHARP)
    name = scene.title(cluster)
    called = f"Cluster {name}" if name == str(cluster) else f"Cluster {cluster}: {name}"
    headline(ax, called, f"the {len(rows):,} most typical of {scene.sizes[cluster]:,} images")
    return ax
