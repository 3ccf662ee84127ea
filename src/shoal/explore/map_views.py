"""Requests for the map: tiles, pictures, and the rows at a place."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from shoal.core.morton import SIDE, to_places
from shoal.errors import InputError
from shoal.explore.cuts import Cut
from shoal.explore.explorer import Explorer
from shoal.explore.map_layout import Shown
from shoal.explore.params import Params
from shoal.explore.tiles import (
    DEEPEST,
    TILE,
    Spots,
    code_range,
    density_png,
    frames_png,
    holds_any,
    lit_spots,
    spot_bits,
    spots,
    spots_of,
    veil_png,
)
from shoal.explore.views import FOREVER, pictures_of
from shoal.storage import read_json

_WITHIN = (0.01, 0.99)
_SKETCHED = 3000


def map_facts(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return whether the map is ready, its recall, and the zoom from which it shows pictures."""
    if not explorer.atlas.has_map:
        return {"ready": False, **explorer.progress}
    about = read_json(explorer.atlas.map.whole("about", "json"))
    return {
        "ready": True,
        "recall": about["recall"],
        "rows": about["rows"],
        "deepest": DEEPEST,
        "pictures_from": None if explorer.pictures is None else explorer.pictures_from,
        "cell": 512 >> explorer.cell_bits,
    }


def sketch(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return a preview while the map is computed: some rows along their two principal axes.

    Each point is x, y (0 to 1), and the number of its colour.
    """
    atlas, cut = explorer.atlas, explorer.cut(params.k(explorer))
    n = len(atlas.order)
    leaves = np.unique(np.linspace(0, n - 1, min(n, _SKETCHED)).astype(np.int64))
    vectors = np.array(atlas.vectors[leaves], np.float64)
    vectors -= vectors.mean(axis=0)
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    flat = vectors @ directions[:, -2:][:, ::-1]
    low, high = np.quantile(flat, (0.001, 0.999), axis=0)  # all but rows that lie far out
    flat = np.clip((flat - low) / np.maximum(high - low, 1e-12), 0, 1)
    flat = np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])), constant_values=0.5)
    colours = explorer.colours(cut)[cut.of_leaf[leaves]]
    return {"points": np.column_stack([flat.round(4), colours]).tolist()}


def _tile(explorer: Explorer, params: Params) -> tuple[int, int, int]:
    explorer.atlas.need_map()
    zoom = params.whole("z", 0, DEEPEST)
    side = (1 << zoom) - 1
    return zoom, params.whole("x", 0, side), params.whole("y", 0, side)


def tile(explorer: Explorer, params: Params) -> Response:
    """Draw a tile in cluster colours: density, or frames around the pictures."""
    where = _tile(explorer, params)
    k, name = params.k(explorer), params.set(explorer)
    what = params.text("what", ("density", "frames", "veil"), "density")
    hide = params.text("hide", ("", "1"), "") == "1"
    cut = explorer.cut(k)
    _ = _true(params)  # checked in every request that may have it
    if what != "density":
        return _squares(explorer, cut, params, what, hide)
    key = ("density", cut.rows_name, where, name, explorer.chosen(name).cut, hide)
    make = partial(_density, explorer, cut, where, name, hide)
    return Response(explorer.drawn(key, make), media_type="image/png")


def _density(
    explorer: Explorer, cut: Cut, where: tuple[int, int, int], name: str | None, hide: bool
) -> bytes:
    bits = spot_bits(where[0])
    found = explorer.drawn((cut.rows_name, where, bits), lambda: spots(cut, *where, bits))
    lit = None if name is None else _lit(explorer, name, cut, where, found)
    if hide and lit is not None:
        found = Spots(found.bits, np.where(lit > 0, found.counts, 0), found.cluster)
    usual = explorer.usual / 4.0 ** where[0]
    return density_png(found, explorer.colours(cut), usual, lit, where[0] == 0, explorer.dot)


def _true(params: Params) -> bool:
    return params.text("true", ("", "1"), "") == "1"


def _shown(explorer: Explorer, params: Params) -> tuple[Shown, NDArray[np.bool_] | None]:
    """Return the pictures of a tile, and which show rows of the set (None: all rows)."""
    shown, name = explorer.shown(_tile(explorer, params), _true(params)), params.set(explorer)
    if name is None:
        return shown, None
    return shown, shown.any_of(explorer.chosen(name).positions.holds(shown.members))


def _squares(explorer: Explorer, cut: Cut, params: Params, what: str, hide: bool) -> Response:
    """Draw frames for pictures, or a veil over those that are not in the set."""
    bits, (shown, lit) = explorer.cell_bits, _shown(explorer, params)
    clusters = cut.labels(shown.positions)
    if hide and lit is not None:
        clusters = np.where(lit, clusters, -1)
    found = spots_of(shown.cells(bits, clusters.astype(np.int64)))
    cells = None if lit is None else spots_of(shown.cells(bits, lit.astype(np.int64) - 1)).counts
    if what == "veil":
        data = veil_png(found, np.zeros_like(found.counts) if cells is None else cells)
    else:
        data = frames_png(found, explorer.colours(cut), cells)
    return Response(data, media_type="image/png")


def _lit(
    explorer: Explorer, name: str, cut: Cut, where: tuple[int, int, int], found: Spots
) -> NDArray[np.int64]:
    """Count the rows of a set in the spots of a tile; a cluster owns the spots it dominates."""
    chosen = explorer.chosen(name)
    if chosen.clusters is not None and chosen.cut == cut.rows_name:
        mine = np.zeros(len(cut.ids) + 1, np.bool_)  # the last one for spots without rows
        mine[list(chosen.clusters)] = True
        return np.where(mine[found.cluster], found.counts, 0)
    return lit_spots(explorer.lit_codes(name), *where, found.bits)


def mosaic(explorer: Explorer, params: Params) -> Response:
    """Draw the pictures of a tile; of rows in one cell, the nearest to its representative.

    With a set, only pictures that show some of its rows.
    """
    pictures, (shown, lit) = pictures_of(explorer), _shown(explorer, params)
    some = slice(None) if lit is None else lit
    rows = explorer.atlas.rows[shown.positions[some]]
    data = pictures.boxes(rows.tolist(), shown.boxes[some].tolist())
    headers = FOREVER if lit is None else None  # sets change with edits
    return Response(data, media_type="image/webp", headers=headers)


def bounds(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the bounding box of a set on the map: ``low`` and ``high`` corners."""
    explorer.atlas.need_map()
    name = params.set(explorer)
    if name is None:
        return {"low": [0, 0], "high": [1, 1]}
    codes = explorer.lit_codes(name)
    if not len(codes):
        raise InputError("the set has no rows to zoom to")
    # A few rows that lie far from all others would leave these too small to see.
    places = [np.quantile(axis / SIDE, _WITHIN) for axis in to_places(codes)]
    low, high = zip(*(place.tolist() for place in places), strict=True)
    return {"low": low, "high": high}


def occupied(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return whether any row lies in or near a rectangle of the map (1/32 of its width)."""
    explorer.atlas.need_map()
    x0, y0, x1, y1 = (params.real(name, 0, 1) for name in ("x0", "y0", "x1", "y1"))
    if not (x0 <= x1 and y0 <= y1):
        raise InputError("x0, y0, x1, y1: give the upper left and the lower right corner")
    return {"occupied": holds_any(explorer.atlas, (x0, y0), (x1, y1))}


def at(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the row nearest to a place of the map, within a few spots."""
    explorer.atlas.need_map()
    k = params.k(explorer)
    x, y = params.real("x", 0, 1), params.real("y", 0, 1)
    zoom = params.whole("z", 0, DEEPEST)
    level = min(16, zoom + 6)
    apart = not _true(params) and explorer.pictures is not None
    if apart and zoom >= explorer.pictures_from:
        return _at_apart(explorer, x, y, zoom, k)
    across, down = (min(int(v * (1 << level)), (1 << level) - 1) for v in (x, y))
    a, b = code_range(explorer.atlas, across, down, level)
    if a == b:
        return {"row": None, "count": 0}
    b_shown = min(b, a + 100_000)
    places = to_places(explorer.atlas.codes[a:b_shown])
    away = (places[0] / SIDE - x) ** 2 + (places[1] / SIDE - y) ** 2
    position = explorer.atlas.coded_positions[a:b_shown][[int(away.argmin())]].astype(np.int64)
    return {**explorer.rows_shown(position, k)[0], "count": b - a}


def _at_apart(explorer: Explorer, x: float, y: float, zoom: int, k: int | None) -> dict[str, Any]:
    across, down = (min(int(v * (1 << zoom)), (1 << zoom) - 1) for v in (x, y))
    shown = explorer.shown((zoom, across, down), False)
    here = (np.array([x, y]) * (1 << zoom) - [across, down]) * TILE
    inside = (shown.boxes[:, :2] <= here).all(1) & (here < shown.boxes[:, 2:]).all(1)
    if not inside.any():
        return {"row": None, "count": 0}
    box = int(inside.argmax())
    count = int((shown.of == box).sum())
    return {**explorer.rows_shown(shown.positions[[box]], k)[0], "count": count}
