"""Requests that edit: each becomes one entry of the log, or is refused with the reason."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.plural import plural
from shoal.edits import Entry
from shoal.edits.operations import OPERATIONS as EDITS
from shoal.errors import InputError
from shoal.explore.explorer import Explorer
from shoal.explore.params import GoneError, Params, whole_numbers
from shoal.explore.parts import OwnFit, split_parts
from shoal.storage import read_json, write_json

_MOST_MOVED = 5_000_000
_LISTED = 500
_MOST_NAMED = 1000
_LONGEST = 20_000
_VIEWS = "views.json"


class ReadOnlyError(InputError):
    """The explorer was started with --read-only."""


def _need_edits(explorer: Explorer, what: str = "edit") -> None:
    if explorer.read_only:
        raise ReadOnlyError(f"this explorer is read-only: start it without --read-only to {what}")


def edit(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Make one edit, and return its log entry and the state of the log.

    The body has ``op``, its fields, and ``author``, ``seen`` and ``token`` (see `shoal.edits`).
    """
    _need_edits(explorer)
    given = params.json()
    op = given.get("op")
    if not isinstance(op, str) or op not in OPERATIONS:
        raise InputError(f"op {str(op)[:40]!r}: give one of {', '.join(OPERATIONS)}")
    how = {
        "author": _text(given, "author", 80) or "",
        "seen": _whole(given, "seen"),
        "token": _text(given, "token", 80),
    }
    names = {c.id: c.name for c in explorer.curation.state.clusters.values()}
    entry = OPERATIONS[op](explorer, given, how)
    counts = _counts(explorer)
    one = given.get("n") in (None, 1)
    what = {"undo": counts["redo"], "redo": counts["undo"]}.get(op) if one else None
    steps: dict[str, int] = {}
    if what:
        summary = f"{'Undone' if op == 'undo' else 'Redone'}: {what[0].lower()}{what[1:]}"
    elif op == "recluster":
        parts = len(explorer.own_fit.members) if explorer.own_fit else 0
        summary = f"Split cluster {given['cluster']} into {parts} by its own features"
        steps["steps"] = parts - 1
    elif op == "names":
        summary = f"Named {plural(len(given['names']), 'cluster')}"
        steps["steps"] = len(given["names"])
    else:
        summary = entry.describe(names, _noun(explorer))
    return {"entry": entry.seq, "summary": summary, **steps, **counts}


def _noun(explorer: Explorer) -> str:
    return "image" if explorer.atlas.result.summary["kind"] == "images" else "row"


def preview(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return what a merge or a split would do, without doing it."""
    given = params.json()
    curation = explorer.curation
    if given.get("op") == "merge":
        merge = curation.preview_merge(whole_numbers(given, "clusters"), _whole(given, "into"))
        return {**asdict(merge), "total": merge.total}
    if given.get("op") == "split":
        return {"parts": split_parts(explorer, _needed(given, "cluster"), _whole(given, "parts"))}
    raise InputError("op: give merge or split")


def recluster(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Fit one cluster by itself, in the background: repeat the request until ``done``.

    A request for another cluster, or after its rows changed, replaces the fit.
    """
    _need_edits(explorer)
    cluster = explorer.curation.state.existing(_needed(params.json(), "cluster"))
    with explorer.own_lock:
        fit = explorer.own_fit
        if fit is None or fit.cluster != cluster or fit.stale:
            if fit is not None:
                fit.stop()
            fit = explorer.own_fit = OwnFit(explorer, cluster)
    return fit.facts()


def _name_all(explorer: Explorer, given: dict[str, Any], how: dict[str, Any]) -> Entry:
    """Name several clusters, all or none."""
    names = given.get("names")
    if not isinstance(names, dict) or not 0 < len(names) <= _MOST_NAMED:
        raise InputError(f"names: give up to {_MOST_NAMED:,} names by cluster")
    token = how.pop("token")
    with explorer.curation.together():
        for at, (cluster, name) in enumerate(names.items()):
            if not cluster.isdecimal() or not isinstance(name, str) or len(name) > 1000:
                raise InputError(f"names: {cluster[:20]!r} needs a name of up to 1,000 characters")
            each = token and f"{token}-{at}"
            entry = explorer.curation.rename(int(cluster), name, token=each, **how)
    return entry


def _divide(explorer: Explorer, given: dict[str, Any], how: dict[str, Any]) -> Entry:
    """Split a cluster into the parts of its own fit; the largest keeps the id."""
    fit, cluster = explorer.own_fit, _needed(given, "cluster")
    if fit is None or fit.cluster != cluster or fit.stale:
        raise InputError(f"cluster {cluster} was changed, or not fitted by itself: do that again")
    if not fit.facts()["done"] or len(fit.members) < 2:
        raise InputError(f"cluster {cluster} has no parts by its own features")
    token = how.pop("token")
    with explorer.curation.together():
        for at, rows in enumerate(fit.members[1:]):
            each = token and f"{token}-{at}"
            entry = explorer.curation.move(rows, None, None, token=each, **how)
            how["seen"] = None  # held against the first one, which the others follow
    return entry


def views(explorer: Explorer, params: Params) -> dict[str, Any]:
    """List the saved views: the part of the page's address after #, by name."""
    path = explorer.home / _VIEWS
    return {"views": read_json(path) if path.exists() else {}}


def save_view(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Save a view under a name, replacing an earlier one; without a view, delete it."""
    _need_edits(explorer, "save views")
    given = params.json()
    name, view = _text(given, "name", 80), _text(given, "view", 4000)
    if not name:
        raise InputError("name is missing: give a text")
    with explorer.own_lock:
        found = {**views(explorer, params)["views"], name: view}
        found = {each: at for each, at in sorted(found.items()) if at is not None}
        if len(found) > _MOST_NAMED:
            raise InputError(f"{len(found):,} views: at most {_MOST_NAMED:,} can be saved")
        write_json(explorer.home / _VIEWS, found)
    return {"views": found}


def history(explorer: Explorer, params: Params) -> dict[str, Any]:
    """List the latest log entries, newest first, and what can be undone."""
    curation = explorer.curation
    curation.refresh()
    entries = curation.entries(params.whole("since", 0, 1 << 40, 0))
    in_effect, noun = {entry.seq for entry in curation.done}, _noun(explorer)
    shown = [
        {
            "seq": entry.seq,
            "time": entry.time,
            "author": entry.author,
            "op": entry.op,
            "summary": entry.describe(noun=noun),
            "in_effect": entry.seq in in_effect,
        }
        for entry in entries[: -_LISTED - 1 : -1]
    ]
    return {"entries": shown, **_counts(explorer)}


def _counts(explorer: Explorer) -> dict[str, Any]:
    curation = explorer.curation
    done, undone, noun = curation.done, curation.undone, _noun(explorer)
    return {
        "seq": curation.seq,
        "done": len(done),
        "undo": done[-1].describe(noun=noun) if done else None,
        "redo": undone[0].describe(noun=noun) if undone else None,
    }


def _rows(explorer: Explorer, given: dict[str, Any]) -> NDArray[np.int64]:
    name = given.get("set")
    if not isinstance(name, str) or name not in explorer.specs:
        raise GoneError(str(name)[:40])
    positions = explorer.chosen(name).positions
    if len(positions) > _MOST_MOVED:
        raise InputError(f"{len(positions):,} rows: at most {_MOST_MOVED:,} can be moved at once")
    return explorer.atlas.rows[positions.all()]


def _plain(op: str, explorer: Explorer, given: dict[str, Any], how: dict[str, Any]) -> Entry:
    """Make an edit with the parameters that its operation declares."""
    request: dict[str, Any] = {}
    for one in EDITS[op].parameters:
        if one.name == "rows":
            request["rows"] = _rows(explorer, given)
        elif one.required or given.get(one.name) is not None:
            request[one.name] = _READS[one.kind](given, one.name)
    return explorer.curation.do(op, **request, **how)


def _text(given: dict[str, Any], name: str, most: int) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > most:
        raise InputError(f"{name}: give a text of at most {most:,} characters")
    return value


def _whole(given: dict[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise InputError(f"{name} {str(value)[:40]}: give a whole number")
    return value


def _needed(given: dict[str, Any], name: str) -> int:
    value = _whole(given, name)
    if value is None:
        raise InputError(f"{name} is missing: give a whole number")
    return value


_READS: dict[Any, Callable[[dict[str, Any], str], Any]] = {
    int: _needed,
    str: lambda given, name: _text(given, name, _LONGEST),
    bool: lambda given, name: bool(given[name]),
    list[int]: whole_numbers,
    ArrayLike: whole_numbers,
}
OPERATIONS: dict[str, Callable[[Explorer, dict[str, Any], dict[str, Any]], Entry]] = {
    **{
        op: functools.partial(_plain, op)
        for op, operation in EDITS.items()
        if operation.commands or op in ("undo", "redo")
    },
    "start": lambda e, given, how: e.curation.start_from(k=_needed(given, "k"), **how),
    "recluster": _divide,
    "names": _name_all,
}
"""By what the page calls them."""
