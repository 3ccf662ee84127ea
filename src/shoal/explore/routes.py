"""Every request that the page can make, with its parameters, and their OpenAPI description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from shoal._version import __version__
from shoal.edits.operations import OPERATIONS as EDITS
from shoal.explore import editing, exporting, judging, map_views, numbers, searching, views
from shoal.explore.explorer import SET_FIELDS
from shoal.explore.orders import ORDERS

_JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """A request and its response."""

    answer: Callable[..., Any]  # its docstring describes the response
    query: str = ""  # names of parameters, described in `PARAMETERS`
    body: str = ""  # fields of the JSON body, described in `FIELDS`
    media: str = _JSON  # of the response
    sends: str = _JSON  # media type of the request body


_WHOLE, _TEXT = {"type": "integer", "minimum": 0}, {"type": "string"}
_WHOLES = {"type": "array", "items": _WHOLE}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_SET = {"type": "string", "pattern": "^[0-9a-f]{18}$"}
_SCHEMAS: dict[Any, dict[str, Any]] = {
    int: _WHOLE,
    str: _TEXT,
    bool: {"type": "boolean"},
    list[int]: _WHOLES,
    ArrayLike: _WHOLES,
}
EDITED: dict[str, tuple[dict[str, Any], str]] = {
    one.name: (_SCHEMAS[one.kind], one.help)
    for name, operation in EDITS.items()
    if name in editing.OPERATIONS
    for one in operation.parameters
    if one.name != "rows"  # the rows of a `set` instead
}
READS: dict[str, Call] = {
    "run": Call(views.run_facts),
    "clusters": Call(views.clusters, "k"),
    "rows": Call(views.rows, "k set order seed start count"),
    "row": Call(views.row, "k row"),
    "thumbs": Call(views.thumbs, "rows side", media="image/webp"),
    "values": Call(views.values, "rows"),
    "columns": Call(numbers.columns, "k x y"),
    "image": Call(views.image, "row", media="image/*"),
    "mean": Call(views.mean, "set", media="image/*"),
    "quarantine": Call(views.quarantine, "start"),
    "metadata": Call(views.metadata, "k set"),
    "copies": Call(judging.copies, "k least"),
    "map": Call(map_views.map_facts),
    "map/sketch": Call(map_views.sketch, "k"),
    "map/tile": Call(map_views.tile, "z x y k set what hide true", media="image/png"),
    "map/mosaic": Call(map_views.mosaic, "z x y k set true", media="image/webp"),
    "map/at": Call(map_views.at, "x y z k true"),
    "map/occupied": Call(map_views.occupied, "x0 y0 x1 y1"),
    "map/bounds": Call(map_views.bounds, "set"),
    "edits": Call(editing.history, "since"),
    "views": Call(editing.views),
    "export": Call(exporting.export, "as k set order seed", media="application/octet-stream"),
    "overview": Call(judging.overview, "k clusters each"),
    "review": Call(judging.review),
    "quiz": Call(judging.quiz, "cluster seed"),
    "suggestions": Call(judging.suggestions, "k"),
    "compare": Call(judging.compared, "before after"),
}
WRITES: dict[str, Call] = {
    "sets": Call(views.choose, "k", " ".join(SET_FIELDS)),
    "edits": Call(editing.edit, body=f"op {' '.join(EDITED)} names set author seen token"),
    "views": Call(editing.save_view, body="name view"),
    "preview": Call(editing.preview, body="op cluster clusters into parts"),
    "recluster": Call(editing.recluster, body="cluster"),
    "search": Call(searching.search, "k", sends="image/*"),
    "words": Call(searching.words, "k", "words"),
}

PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "k": (
        {"type": "integer", "minimum": 1},
        "The cut into k clusters; by default the clusters as edited.",
    ),
    "set": (_SET, "A set of rows, as named by /api/sets; by default all rows."),
    "order": ({"enum": list(ORDERS)}, "The order of the rows."),
    "seed": (_WHOLE, "Seed of random draws."),
    "least": ({"type": "number"}, "Minimum similarity of copies, 0.85 to 1."),
    "start": (_WHOLE, "Number of rows to skip."),
    "count": (_WHOLE, "Number of rows, by default 100."),
    "row": (_WHOLE, "Number of a row."),
    "rows": (_TEXT, "Row numbers, such as 3,17,4."),
    "side": (_WHOLE, "Side of each thumbnail in pixels, one of those that /api/run lists."),
    "x": ({"type": "number"}, "Number of a table column; column of a tile; or a position, 0 to 1."),
    "y": ({"type": "number"}, "Number of a table column; row of a tile; or a position, 0 to 1."),
    "z": (_WHOLE, "Zoom level: the map is 2^z tiles wide."),
    "what": ({"enum": ["density", "frames", "veil"]}, "What the tile shows."),
    "true": ({"enum": ["", "1"]}, "1 for images at their exact positions, not moved apart."),
    "hide": ({"enum": ["", "1"]}, "1 to hide rows that are not in the set."),
    "x0": (_SHARE, "Left edge of a rectangle."),
    "y0": (_SHARE, "Upper edge of a rectangle."),
    "x1": (_SHARE, "Right edge of a rectangle."),
    "y1": (_SHARE, "Lower edge of a rectangle."),
    "since": (_WHOLE, "Last log entry that the client has."),
    "as": ({"enum": list(exporting.FORMS)}, "Export format."),
    "clusters": (_TEXT, "Cluster ids, such as 3,17."),
    "each": (_WHOLE, "Rows per cluster."),
    "cluster": (_WHOLE, "Id of a cluster."),
    "before": (_TEXT, "A K, edited, or other for the run given by --compare."),
    "after": (_TEXT, "A K, or edited."),
}
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    **EDITED,
    "op": ({"enum": list(editing.OPERATIONS)}, "The edit; preview takes merge or split."),
    "cluster": (_WHOLE, "Id of the cluster to edit."),
    "clusters": (_WHOLES, "Ids of clusters to merge, or of the set."),
    "rows": (_WHOLES, "Rows of the set."),
    "area": ({"type": "array"}, "Corners [x, y] of an outline on the map."),
    "apart": ({"type": "boolean"}, "True if the outline is around images that are moved apart."),
    "where": ({"type": "array"}, "Conditions {column, in | from, to | has, not} on rows."),
    "name": (_TEXT, "Name for a rename, a merge, a new cluster or a view."),
    "names": ({"type": "object"}, "Names by cluster."),
    "view": (_TEXT, "Fragment of the page's address, after #."),
    "mark": ({"enum": ["good", "junk", None]}, "The mark."),
    "set": (_SET, "The rows to move."),
    "author": (_TEXT, "Name of the person who edits."),
    "seen": (_WHOLE, "Last log entry seen; an edit of clusters changed since is a conflict."),
    "token": (_TEXT, "An edit sent again with the same token is done once."),
    "words": (_TEXT, "Search text."),
}


def openapi() -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for method, calls in (("get", READS), ("post", WRITES)):
        for name, call in calls.items():
            paths.setdefault(f"/api/{name}", {})[method] = _operation(call, method)
    for name, summary, media in (
        ("events", "Stream changes.", "text/event-stream"),
        ("openapi.json", "Return this description.", _JSON),
    ):
        paths[f"/api/{name}"] = {"get": {"summary": summary, "responses": _answers(media)}}
    about = "Requests that change something need the header x-shoal: 1."
    info = {"title": "Shoal explorer", "version": __version__, "description": about}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _operation(call: Call, method: str) -> dict[str, Any]:
    summary, _, more = (call.answer.__doc__ or "").partition("\n")
    found: dict[str, Any] = {"summary": summary, "responses": _answers(call.media)}
    if more.strip():
        found["description"] = " ".join(more.split())
    if call.query:
        described = {name: PARAMETERS[name] for name in call.query.split()}
        found["parameters"] = [
            {"name": name, "in": "query", "schema": schema, "description": text}
            for name, (schema, text) in described.items()
        ]
    if method == "post":
        fields = {
            name: {**FIELDS[name][0], "description": FIELDS[name][1]} for name in call.body.split()
        }
        schema = {"type": "object", "properties": fields} if fields else {}
        found["requestBody"] = {"required": True, "content": {call.sends: {"schema": schema}}}
    return found


def _answers(media: str) -> dict[str, Any]:
    fault = {"type": "object", "properties": {"kind": _TEXT, "message": _TEXT}}
    error = {"type": "object", "properties": {"error": fault}}
    return {
        "200": {"description": "Success.", "content": {media: {}}},
        "default": {
            "description": "An error, with a message.",
            "content": {_JSON: {"schema": error}},
        },
    }
