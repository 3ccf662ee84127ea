"""Requests that look: the run, clusters, rows, pictures, the map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from shoal.core.morton import SIDE, raster, to_places
from shoal.errors import InputError
from shoal.explore.apart import Shown
from shoal.explore.closest import passing
from shoal.explore.colours import palette
from shoal.explore.cuts import Cut
from shoal.explore.detail import row_facts
from shoal.explore.explorer import Explorer
from shoal.explore.facets import beside_cut
from shoal.explore.orders import ORDERS
from shoal.explore.params import Params
from shoal.explore.pictures import SIDES
from shoal.explore.tiles import (
    DEEPEST,
    FINE,
    TILE,
    Spots,
    code_range,
    density_png,
    frames_png,
    holds_any,
    lit_spots,
    spot_bits,
    spots_of,
    veil_png,
)
from shoal.methods import DEFAULT
from shoal.stages.found import Found

MOST_ROWS = 500
_MOST_THUMBS = 100
_MEAN_ROWS = 300
_NEAREST = 24
_MOST_CORNERS = 2000
_WITHIN = (0.01, 0.99)
_SKETCHED = 3000
_FOREVER = {"cache-control": "private, max-age=31536000, immutable"}


def run_facts(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Say what the page needs to know of the run before anything else."""
    run, atlas, pictures = explorer.run, explorer.atlas, explorer.pictures
    most = explorer.most_clusters
    excess = run.tree.excess[: most - 1].astype(float)
    info, method = atlas.result.summary, Found(atlas.result).facts["name"]
    return {
        "name": run.path.name.removesuffix(".shoal"),
        "description": info["description"],
        "kind": info["kind"],
        "rows": run.n_rows,
        "quarantined": run.n_rows - atlas.n_positions,
        "representatives": len(atlas.order),
        "every_row": atlas.result.every_row,
        "layers": [layer.as_dict() for layer in run.layers],
        "most": most,
        "excess": [round(e, 3) if np.isfinite(e) else None for e in excess],
        "read_only": explorer.read_only,
        "version": explorer.version,
        "trouble": explorer.source_trouble,
        "thumb": None
        if pictures is None
        else {"side": pictures.side, "small": pictures.small, "sides": SIDES},
        "palette": [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in palette().tolist()],
        "orders": ORDERS,
        "duplicates": len(atlas.twins),
        "outliers": len(atlas.outliers),
        "columns": None if explorer.numbers is None else explorer.numbers.names,
        "words": explorer.knows_words,
        "method": None if method == DEFAULT else method,
        "advice": run.advice.as_dict(),
        "other": None if explorer.other is None else explorer.other.path.name,
    }


def clusters(explorer: Explorer, params: Params) -> dict[str, Any]:
    """List the clusters of a cut, and how they hang together."""
    k = params.k(explorer)
    seq = explorer.curation.refresh()
    cut = explorer.cut(k)
    listing = cut.listing(explorer.colours(cut))
    for cluster, called in zip(listing, explorer.names(cut), strict=True):
        cluster["called"] = called
    tree, shown = explorer.run.tree, [c for c in listing if c["leaf"] is not None]
    in_order = sorted(shown, key=lambda c: c["leaf"])
    leaves = tree.order[[c["leaf"] for c in in_order]]
    apart = tree.apart(leaves[:-1], leaves[1:])
    return {
        "k": k,
        "base": explorer.curation.k,
        "edited": explorer.curation.edited,
        "seq": seq,
        "clusters": listing,
        # In leaf order, and the K from which each is apart from the one before it.
        "order": [c["id"] for c in in_order],
        "apart": apart.tolist(),
    }


def rows(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return a page of a set in an order."""
    k, name = params.k(explorer), params.set(explorer)
    order = params.text("order", ORDERS, "typical")
    seed = params.whole("seed", 0, 1 << 30, 0)
    found = explorer.ordered(name, k, order, seed)
    start = params.whole("start", 0, 1 << 40, 0)
    count = params.whole("count", 1, MOST_ROWS, 100)
    positions = found.take(min(start, len(found)), min(start + count, len(found)))
    return {"start": start, "total": len(found), "rows": explorer.rows_shown(positions, k)}


def choose(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Make a set of rows of clusters, of rows, or of an outline on the map."""
    spec = params.json()
    k = params.k(explorer)
    known = {"clusters", "rows", "area", "apart", "where"}
    if not set(spec) <= known:
        raise InputError(f"a set of {', '.join(sorted(set(spec) - known))[:80]}: give {known}")
    for name, most in (("clusters", 100_000), ("rows", 1_000_000)):
        found = spec.get(name, [])
        top = explorer.atlas.n_rows if name == "rows" else 1 << 31
        if not isinstance(found, list) or len(found) > most:
            raise InputError(f"{name}: give a list of at most {most:,}")
        if not all(type(value) is int and 0 <= value < top for value in found):
            raise InputError(f"{name}: give whole numbers from 0 to {top - 1:,}")
    _check_area(explorer, spec.get("area"))
    _check_where(explorer, spec.get("where"), k)
    name, chosen = explorer.choose(spec, k)
    return {
        "set": name,
        "rows": len(chosen.positions),
        "clusters": explorer.counted(chosen, k),
        "outliers": len(passing(chosen.positions, explorer.atlas, "outliers")),
        "duplicates": len(passing(chosen.positions, explorer.atlas, "duplicates")),
    }


def _check_where(explorer: Explorer, where: Any, k: int | None) -> None:
    """Check conditions on the columns beside the rows."""
    if not where:
        return
    good = isinstance(where, list) and len(where) <= 50
    if not good or not all(isinstance(condition, dict) for condition in where):
        raise InputError("where: give a list of at most 50 conditions")
    beside_cut(explorer, explorer.cut(k)).mask(where)


def metadata(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the columns that rows can be filtered by, and their values, in all and in a set.

    The images' headers are read from the first request on; ``share`` says how many are.
    """
    explorer.facets.start()
    known = beside_cut(explorer, explorer.cut(params.k(explorer)))
    name = params.set(explorer)
    rows = None
    if name is not None:
        rows = explorer.atlas.rows[explorer.chosen(name).positions.all()].astype(np.int64)
    share = explorer.facets.share
    return {"columns": known.facets(rows), "joined": known.joined, "share": share}


def _check_area(explorer: Explorer, area: Any) -> None:
    """Check an outline."""
    if not area:
        return
    if not explorer.atlas.has_map:
        raise InputError("the map is not drawn yet: wait a moment")
    good = isinstance(area, list) and 3 <= len(area) <= _MOST_CORNERS
    for corner in area if good else [None]:
        if not isinstance(corner, list) or len(corner) != 2:
            raise InputError(f"area: give 3 to {_MOST_CORNERS:,} corners [x, y]")
        if not all(type(v) in (int, float) and -1 <= v <= 2 for v in corner):
            raise InputError("area: give corners of numbers, the map being the square 0 to 1")


def thumbs(explorer: Explorer, params: Params) -> Response:
    """Return small pictures of some rows, side by side."""
    pictures = _pictures(explorer)
    found = params.rows(explorer, _MOST_THUMBS)
    sides = (pictures.side,) if pictures.small else SIDES
    side = int(params.text("side", tuple(map(str, sides)), str(sides[0])))
    data, kind = pictures.strip(found, side)
    return Response(data, media_type=kind, headers=_FOREVER)


def values(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the numbers of some rows of vectors, and what is usual, to draw them."""
    if explorer.numbers is None:
        raise InputError(explorer.source_trouble or "the rows are images: they have pictures")
    found = {row: explorer.numbers.row(row) for row in params.rows(explorer, _MOST_THUMBS)}
    return {"rows": found, **explorer.numbers.usual()}


def image(explorer: Explorer, params: Params) -> Response:
    """Return one image as large as it is."""
    row = params.whole("row", 0, explorer.atlas.n_rows - 1)
    data, kind = _pictures(explorer).picture(row)
    return Response(data, media_type=kind, headers=_FOREVER)


def mean(explorer: Explorer, params: Params) -> Response:
    """Return the mean image of a set."""
    positions = explorer.chosen(params.set(explorer)).positions
    if not len(positions):
        raise InputError("no rows: there is no mean of them")
    at = np.unique(np.linspace(0, len(positions) - 1, _MEAN_ROWS).astype(np.int64))
    found = explorer.atlas.rows[positions.take(at)]
    data, kind = _pictures(explorer).mean(found.tolist())
    return Response(data, media_type=kind)


def _pictures(explorer: Explorer) -> Any:
    """Return the pictures, or say why there are none."""
    if explorer.pictures is None:
        said = explorer.source_trouble or "the rows are not images: they have no pictures"
        raise InputError(said)
    return explorer.pictures


def row(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Say all that is known of one row."""
    k = params.k(explorer)
    number = params.whole("row", 0, explorer.atlas.n_rows - 1)
    return row_facts(explorer, number, k, _NEAREST)


def quarantine(explorer: Explorer, params: Params) -> dict[str, Any]:
    """List rows that could not be used, and why."""
    table = explorer.run.quarantine
    start = params.whole("start", 0, 1 << 40, 0)
    return {"total": table.num_rows, "rows": table.slice(start, MOST_ROWS).to_pylist()}


def map_facts(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Say whether there is a map, how faithful it is, and from which zoom it has pictures."""
    if not explorer.atlas.has_map:
        return {"ready": False, **explorer.drawing}
    about = explorer.atlas.about_map
    return {
        "ready": True,
        "recall": about["recall"],
        "rows": about["rows"],
        "deepest": DEEPEST,
        "pictures_from": None if explorer.pictures is None else explorer.pictures_from,
        "cell": 512 >> explorer.cell_bits,
    }


def sketch(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return a rough map, while the real one is drawn: some rows by their two main directions.

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
    """Return zoom, x and y of a tile that is asked for."""
    if not explorer.atlas.has_map:
        raise InputError("the map is not drawn yet: wait a moment")
    zoom = params.whole("z", 0, DEEPEST)
    side = (1 << zoom) - 1
    return zoom, params.whole("x", 0, side), params.whole("y", 0, side)


def tile(explorer: Explorer, params: Params) -> Response:
    """Draw the colours of a tile: all spots, or the squares that pictures lie on."""
    where = _tile(explorer, params)
    k, name = params.k(explorer), params.set(explorer)
    what = params.text("what", ("density", "frames", "veil"), "density")
    hide = params.text("hide", ("", "1"), "") == "1"
    cut = explorer.cut(k)
    if _apart(params) and what != "density":
        return _tile_apart(explorer, cut, where, name, what, hide)
    bits = spot_bits(where[0], FINE if what == "density" else explorer.cell_bits)
    found = explorer.spots(cut, where, bits)
    lit = None if name is None else _lit(explorer, name, cut, where, found)
    if hide and lit is not None:
        found = Spots(found.bits, np.where(lit > 0, found.counts, 0), found.cluster)
    if what == "veil":
        none = np.zeros_like(found.counts)
        return Response(veil_png(found, none if lit is None else lit), media_type="image/png")
    colours = explorer.colours(cut)
    if what == "frames":
        return Response(frames_png(found, colours, lit), media_type="image/png")
    usual = explorer.usual / 4.0 ** where[0]
    data = density_png(found, colours, usual, lit, where[0] == 0, explorer.dot)
    return Response(data, media_type="image/png")


def _apart(params: Params) -> bool:
    """Return whether images are moved apart, and do not lie at their true places."""
    return params.text("true", ("", "1"), "") == ""


def _lit_apart(explorer: Explorer, shown: Shown, name: str | None) -> NDArray[np.bool_] | None:
    """Return which pictures of a tile stand for rows of a set; None for all rows."""
    if name is None:
        return None
    return shown.any_of(explorer.chosen(name).positions.holds(shown.members))


def _tile_apart(
    explorer: Explorer,
    cut: Cut,
    where: tuple[int, int, int],
    name: str | None,
    what: str,
    hide: bool,
) -> Response:
    """Draw the squares that pictures lie on, or what veils them, where these are moved apart."""
    bits, shown = explorer.cell_bits, explorer.shown_apart(where)
    lit, clusters = _lit_apart(explorer, shown, name), cut.labels(shown.positions)
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
    """Count the rows of a set in the spots of a tile; a cluster has the spots it is most of."""
    chosen = explorer.chosen(name)
    if chosen.clusters is not None and chosen.cut == cut.name:
        return np.where(np.isin(found.cluster, chosen.clusters), found.counts, 0)
    return lit_spots(explorer.lit_codes(name), *where, found.bits)


def mosaic(explorer: Explorer, params: Params) -> Response:
    """Draw the pictures of a tile: in each cell the row nearest to its representative.

    With a set, only in cells that hold some of it.
    """
    pictures, where = _pictures(explorer), _tile(explorer, params)
    bits, name = spot_bits(where[0], explorer.cell_bits), params.set(explorer)
    headers = _FOREVER if name is None else None  # sets change with edits
    if _apart(params):
        shown = explorer.shown_apart(where)
        lit_ = _lit_apart(explorer, shown, name)
        some = slice(None) if lit_ is None else lit_
        rows_ = explorer.atlas.rows[shown.positions[some]]
        data = pictures.boxes(rows_.tolist(), shown.boxes[some].tolist())
        return Response(data, media_type="image/webp", headers=headers)
    rows_ = explorer.cell_rows(*where, bits)
    if name is not None:
        cut = explorer.cut(params.k(explorer))
        lit = _lit(explorer, name, cut, where, explorer.spots(cut, where, bits))
        rows_ = np.where(lit[raster(bits)].reshape(rows_.shape) > 0, rows_, -1)
    data = pictures.mosaic(rows_, 512 >> bits)
    return Response(data, media_type="image/webp", headers=headers)


def bounds(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the corner of least x and y, and the opposite one, of a set on the map."""
    if not explorer.atlas.has_map:
        raise InputError("the map is not drawn yet: wait a moment")
    name = params.set(explorer)
    if name is None:
        return {"low": [0, 0], "high": [1, 1]}
    codes = explorer.lit_codes(name)
    if not len(codes):
        raise InputError("no rows: there is nothing to zoom to")
    # A few rows that lie far from all others would leave these too small to see.
    places = [np.quantile(axis / SIDE, _WITHIN) for axis in to_places(codes)]
    low, high = zip(*(place.tolist() for place in places), strict=True)
    return {"low": low, "high": high}


def held(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Say whether any row lies in a rectangle of the map, or within a 32nd of its width of it."""
    if not explorer.atlas.has_map:
        raise InputError("the map is not drawn yet: wait a moment")
    x0, y0, x1, y1 = (params.real(name, 0, 1) for name in ("x0", "y0", "x1", "y1"))
    if not (x0 <= x1 and y0 <= y1):
        raise InputError("x0, y0, x1, y1: give the upper left and the lower right corner")
    return {"some": holds_any(explorer.atlas, (x0, y0), (x1, y1))}


def at(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Say what lies at a place of the map: the row nearest to it, within a few spots."""
    if not explorer.atlas.has_map:
        raise InputError("the map is not drawn yet: wait a moment")
    k = params.k(explorer)
    x, y = params.real("x", 0, 1), params.real("y", 0, 1)
    zoom = params.whole("z", 0, DEEPEST)
    level = min(16, zoom + 6)
    apart = _apart(params) and explorer.pictures is not None
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
    """Say which picture lies at a place of the map, where they are moved apart."""
    across, down = (min(int(v * (1 << zoom)), (1 << zoom) - 1) for v in (x, y))
    shown = explorer.shown_apart((zoom, across, down))
    here = (np.array([x, y]) * (1 << zoom) - [across, down]) * TILE
    inside = (shown.boxes[:, :2] <= here).all(1) & (here < shown.boxes[:, 2:]).all(1)
    if not inside.any():
        return {"row": None, "count": 0}
    box = int(inside.argmax())
    count = int((shown.of == box).sum())
    return {**explorer.rows_shown(shown.positions[[box]], k)[0], "count": count}
