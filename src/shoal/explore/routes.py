"""Every request that the page can make, with what goes into it, and that as OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from shoal._version import __version__
from shoal.edits.operations import OPERATIONS as EDITS
from shoal.explore import columns, editing, exporting, judging, map_views, searching, views
from shoal.explore.orders import ORDERS

_JSON = "application/json"


@dataclass(frozen=True)
class Call:
    """A request: what answers it, and what it is given.

    Attributes
    ----------
    answer
        Its docstring says what comes back.
    query
        Names of its parameters, each described in `PARAMETERS`.
    body
        Fields of its JSON body, each described in `FIELDS`; empty for none.
    media
        What comes back, or with `sends` goes in.
    """

    answer: Callable[..., Any]
    query: str = ""
    body: str = ""
    media: str = _JSON
    sends: str = _JSON


_WHOLE, _TEXT = {"type": "integer", "minimum": 0}, {"type": "string"}
_WHOLES = {"type": "array", "items": _WHOLE}
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
    if one.name != "rows"  # which are those of a `set`
}
"""What edits are about."""

LOOKING: dict[str, Call] = {
    "run": Call(views.run_facts),
    "clusters": Call(views.clusters, "k"),
    "rows": Call(views.rows, "k set order seed start count"),
    "row": Call(views.row, "k row"),
    "thumbs": Call(views.thumbs, "rows side", media="image/webp"),
    "values": Call(views.values, "rows"),
    "columns": Call(columns.columns, "k x y"),
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
    "map/held": Call(map_views.held, "x0 y0 x1 y1"),
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
SENDING: dict[str, Call] = {
    "sets": Call(views.choose, "k", "clusters rows area apart where"),
    "edits": Call(
        editing.edit,
        body=f"op {' '.join(EDITED)} names set author seen token",
    ),
    "views": Call(editing.save_view, body="name view"),
    "preview": Call(editing.preview, body="op cluster clusters into parts"),
    "recluster": Call(editing.recluster, body="cluster"),
    "search": Call(searching.search, "k", sends="image/*"),
    "words": Call(searching.words, "k", "words"),
}

PARAMETERS: dict[str, tuple[dict[str, Any], str]] = {
    "k": ({"type": "integer", "minimum": 1}, "The cut into so many; without it, as edited."),
    "set": (_SET, "A set of rows, as sets named it; all rows without it."),
    "order": ({"enum": list(ORDERS)}, "In which order."),
    "seed": (_WHOLE, "Of what is drawn at random."),
    "least": ({"type": "number"}, "How alike copies are at least, 0.85 to 1."),
    "start": (_WHOLE, "How many to leave out."),
    "count": (_WHOLE, "How many, 100 without it."),
    "row": (_WHOLE, "Its number."),
    "rows": (_TEXT, "Numbers of rows, such as 3,17,4."),
    "side": (_WHOLE, "Of each picture in pixels, one of those that run lists."),
    "x": ({"type": "number"}, "Of columns its number; of a tile its column; else 0 to 1."),
    "y": ({"type": "number"}, "Of columns its number; of a tile its line; else 0 to 1."),
    "z": (_WHOLE, "The zoom: at z the map is 2^z tiles wide."),
    "what": ({"enum": ["density", "frames", "veil"]}, "What is drawn."),
    "true": ({"enum": ["", "1"]}, "1 for pictures at true places, not moved apart."),
    "hide": ({"enum": ["", "1"]}, "1 to leave out what is not in the set."),
    **{
        name: ({"type": "number", "minimum": 0, "maximum": 1}, f"{corner} corner of a rectangle.")
        for corner, names in (("Upper left", ("x0", "y0")), ("Lower right", ("x1", "y1")))
        for name in names
    },
    "since": (_WHOLE, "The last entry that is known."),
    "as": ({"enum": list(exporting.FORMS)}, "In which form."),
    "clusters": (_TEXT, "Their numbers, such as 3,17."),
    "each": (_WHOLE, "Rows of each cluster."),
    "cluster": (_WHOLE, "Its number."),
    "before": (_TEXT, "A K, edited, or other for the run that was given to compare with."),
    "after": (_TEXT, "A K, or edited."),
}
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    **EDITED,
    "op": ({"enum": list(editing.OPERATIONS)}, "What to do; preview knows merge and split."),
    "cluster": (_WHOLE, "Of an edit of one cluster."),
    "clusters": (_WHOLES, "To be merged, or in the set."),
    "rows": (_WHOLES, "In the set."),
    "area": ({"type": "array"}, "Corners [x, y] of an outline on the map."),
    "apart": ({"type": "boolean"}, "The outline is around pictures that are moved apart."),
    "where": (
        {"type": "array"},
        "Conditions {column, in | from, to | has, not} that rows must meet.",
    ),
    "name": (_TEXT, "For a rename, a merge, a new cluster or a view."),
    "names": ({"type": "object"}, "Names by cluster."),
    "view": (_TEXT, "The part of the page's address after #."),
    "mark": ({"enum": ["good", "junk", None]}, "For mark."),
    "set": (_SET, "What move moves."),
    "author": (_TEXT, "Who edits."),
    "seen": (_WHOLE, "Last entry seen: what others changed since is refused as a conflict."),
    "token": (_TEXT, "The same edit sent twice is done once."),
    "words": (_TEXT, "What to look for."),
}


def openapi() -> dict[str, Any]:
    """Return the description of all requests, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for method, calls in (("get", LOOKING), ("post", SENDING)):
        for name, call in calls.items():
            paths.setdefault(f"/api/{name}", {})[method] = _operation(call, method)
    for name, said in (("events", "Stream what changes."), ("openapi.json", "Return this.")):
        media = "text/event-stream" if name == "events" else _JSON
        paths[f"/api/{name}"] = {"get": {"summary": said, "responses": _answers(media)}}
    about = "Requests that change something need the header x-shoal: 1."
    info = {"title": "Shoal explorer", "version": __version__, "description": about}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _operation(call: Call, method: str) -> dict[str, Any]:
    summary, _, more = (call.answer.__doc__ or "").partition("\n")
    found: dict[str, Any] = {"summary": summary, "responses": _answers(call.media)}
    if more.strip():
        found["description"] = " ".join(more.split())
    if call.query:
        found["parameters"] = [
            {
                "name": name,
                "in": "query",
                "schema": PARAMETERS[name][0],
                "description": PARAMETERS[name][1],
            }
            for name in call.query.split()
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
        "200": {"description": "The answer.", "content": {media: {}}},
        "default": {
            "description": "What is wrong, in a sentence.",
            "content": {_JSON: {"schema": error}},
        },
    }
