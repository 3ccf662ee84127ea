"""Requests for the run, its clusters, rows and pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from starlette.responses import Response

from shoal.errors import InputError
from shoal.explore.colours import palette
from shoal.explore.detail import row_facts
from shoal.explore.explorer import SET_FIELDS, Explorer
from shoal.explore.facets import beside_cut
from shoal.explore.orders import ORDERS, passing
from shoal.explore.params import Params, whole_numbers
from shoal.explore.pictures import SIDES, Pictures
from shoal.methods import DEFAULT
from shoal.stages.method_result import Found

MOST_ROWS = 500
_MOST_THUMBS = 100
_MEAN_ROWS = 300
_MOST_CORNERS = 2000
FOREVER = {"cache-control": "private, max-age=31536000, immutable"}


def run_facts(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return what the page needs to start: facts of the run."""
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
        "every_row": atlas.result.rows_are_representatives,
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
    """List the clusters of a cut, and their order in the tree."""
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
        # Changes only with what rows the clusters have, not with names and marks.
        "rows_name": cut.rows_name,
        "clusters": listing,
        # In leaf order, and the K from which each is apart from the one before it.
        "order": [c["id"] for c in in_order],
        "apart": apart.tolist(),
    }


def rows(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return some rows of a set, in an order."""
    k, name = params.k(explorer), params.set(explorer)
    order = params.text("order", ORDERS, "typical")
    seed = params.whole("seed", 0, 1 << 30, 0)
    found = explorer.ordered(name, k, order, seed)
    start = params.whole("start", 0, 1 << 40, 0)
    count = params.whole("count", 1, MOST_ROWS, 100)
    positions = found.take(min(start, len(found)), min(start + count, len(found)))
    return {"start": start, "total": len(found), "rows": explorer.rows_shown(positions, k)}


def choose(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Name a set of rows: those of clusters, single rows, those in an outline on the map."""
    spec = params.json()
    k = params.k(explorer)
    if unknown := ", ".join(sorted(set(spec) - set(SET_FIELDS))):
        raise InputError(f"unknown fields {unknown[:80]}: give {', '.join(sorted(SET_FIELDS))}")
    for name, most in (("clusters", 100_000), ("rows", 1_000_000)):
        whole_numbers(spec, name, most, explorer.atlas.n_rows if name == "rows" else 1 << 31)
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


def metadata(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the columns that rows can be filtered by, with counts for all rows and for a set.

    The first request starts reading the image headers; ``share`` is the part that is read.
    """
    explorer.facets.start()
    known = beside_cut(explorer, explorer.cut(params.k(explorer)))
    name = params.set(explorer)
    rows = None
    if name is not None:
        rows = explorer.atlas.rows[explorer.chosen(name).positions.all()].astype(np.int64)
    share = explorer.facets.share
    return {"columns": known.facets(rows), "joined": known.joined, "share": share}


def _check_where(explorer: Explorer, where: Any, k: int | None) -> None:
    if not where:
        return
    good = isinstance(where, list) and len(where) <= 50
    if not good or not all(isinstance(condition, dict) for condition in where):
        raise InputError("where: give a list of at most 50 conditions")
    beside_cut(explorer, explorer.cut(k)).mask(where)


def _check_area(explorer: Explorer, area: Any) -> None:
    if not area:
        return
    explorer.atlas.need_map()
    good = isinstance(area, list) and 3 <= len(area) <= _MOST_CORNERS
    for corner in area if good else [None]:
        if not isinstance(corner, list) or len(corner) != 2:
            raise InputError(f"area: give 3 to {_MOST_CORNERS:,} corners [x, y]")
        if not all(type(v) in (int, float) and -1 <= v <= 2 for v in corner):
            raise InputError("area: give corners of numbers, the map being the square 0 to 1")


def thumbs(explorer: Explorer, params: Params) -> Response:
    """Return thumbnails of some rows, side by side."""
    pictures = pictures_of(explorer)
    found = params.rows(explorer, _MOST_THUMBS)
    sides = (pictures.side,) if pictures.small else SIDES
    side = int(params.text("side", tuple(map(str, sides)), str(sides[0])))
    data, kind = pictures.strip(found, side)
    return Response(data, media_type=kind, headers=FOREVER)


def values(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the numbers of some rows of vectors, and their mean over all rows."""
    if explorer.numbers is None:
        raise InputError(explorer.source_trouble or "the rows are images: they have pictures")
    found = {row: explorer.numbers.row(row) for row in params.rows(explorer, _MOST_THUMBS)}
    return {"rows": found, **explorer.numbers.usual()}


def image(explorer: Explorer, params: Params) -> Response:
    """Return one image at full size."""
    row = params.whole("row", 0, explorer.atlas.n_rows - 1)
    data, kind = pictures_of(explorer).picture(row)
    return Response(data, media_type=kind, headers=FOREVER)


def mean(explorer: Explorer, params: Params) -> Response:
    """Return the mean image of a set."""
    positions = explorer.chosen(params.set(explorer)).positions
    if not len(positions):
        raise InputError("the set has no rows, so there is no mean image")
    at = np.unique(np.linspace(0, len(positions) - 1, _MEAN_ROWS).astype(np.int64))
    found = explorer.atlas.rows[positions.take(at)]
    data, kind = pictures_of(explorer).mean(found.tolist())
    return Response(data, media_type=kind)


def pictures_of(explorer: Explorer) -> Pictures:
    """Return the pictures, or raise InputError."""
    if explorer.pictures is None:
        raise InputError(
            explorer.source_trouble or "the rows are not images: they have no pictures"
        )
    return explorer.pictures


def row(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return everything known about one row."""
    k = params.k(explorer)
    number = params.whole("row", 0, explorer.atlas.n_rows - 1)
    return row_facts(explorer, number, k)


def quarantine(explorer: Explorer, params: Params) -> dict[str, Any]:
    """List the rows that could not be used, with the reasons."""
    table = explorer.run.quarantine
    start = params.whole("start", 0, 1 << 40, 0)
    return {"total": table.num_rows, "rows": table.slice(start, MOST_ROWS).to_pylist()}
