"""The log of edits as a JSON file, which can be read on the same fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from shoal.edits.curation import Curation
from shoal.edits.log import Entry
from shoal.edits.operations import OPERATIONS
from shoal.edits.rows import parse_rows, rows_text
from shoal.errors import InputError, RunError
from shoal.storage import read_json, write_json

FORMAT = 1


def write_edits(edits: Curation, path: Path) -> int:
    """Write the whole log, including undone edits; return the number of entries."""
    edits.refresh()
    entries = edits.entries()
    facts = {
        "format": FORMAT,
        "fit": edits.fit.fingerprint,
        "rows": edits.fit.n_rows,
        "edits": [entry_record(entry) for entry in entries],
    }
    write_json(path, facts)
    return len(entries)


def entry_record(entry: Entry) -> dict[str, Any]:
    """Return an entry for JSON, with rows as text such as ``0-2,7``."""
    found = {name: getattr(entry, name) for name in ("seq", "time", "author", "op", "facts")}
    if entry.packed is not None:
        found["rows"] = rows_text(entry.rows)
    return found


def read_edits(edits: Curation, path: Path) -> int:
    """Do the edits of a file, all or none; return the number of entries.

    Each is checked as if it was made now.
    """
    entries = _checked(edits, path)
    edits.refresh()
    if edits.edited:
        raise InputError(
            f"there are {len(edits.done)} active edits: undo them first (shoal edits undo RUN "
            "all), because imported edits start from the unedited clusters"
        )
    ids = {cluster: cluster for cluster in edits.state.clusters}
    with edits.together():
        for number, entry in enumerate(entries, 1):
            try:
                _repeat(edits, entry, ids)
            except (KeyError, TypeError, AttributeError) as error:
                raise InputError(f"{path} is damaged at edit {number}") from error
            except InputError as error:
                raise InputError(f"{path}, edit {number}: {error}") from error
    return len(entries)


def _repeat(edits: Curation, entry: Entry, ids: dict[int, int]) -> None:
    """Do an edit of another log; `ids` maps its clusters to those here, and gets the new ones."""
    operation = OPERATIONS.get(entry.op)
    if operation is None:
        raise InputError(f"{entry.op!r} is not an edit that this version knows")
    request = operation.request(entry, ids.__getitem__)
    done = edits.do(entry.op, author=entry.author, **request)
    ids.update(zip(operation.created(entry), operation.created(done), strict=True))
    if operation.restarts:
        ids.update({c: c for c in edits.state.clusters})


def _checked(edits: Curation, path: Path) -> list[Entry]:
    try:
        facts = read_json(path)
    except RunError as error:
        raise InputError(f"{path} is not a file of edits that can be read") from error
    try:
        if facts["format"] > FORMAT:
            raise InputError(
                f"{path} was written by a newer Shoal: update with pip install -U shoal"
            )
        if facts["fit"] != edits.fit.fingerprint:
            raise InputError(
                f"the edits in {path} are from another fit ({facts['rows']:,} rows): to carry "
                "edits over to a new fit, run shoal fit with --previous"
            )
        return [_entry(given, edits.fit.n_rows) for given in facts["edits"]]
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a file of edits, or is damaged") from error


def _entry(given: dict[str, Any], n_rows: int) -> Entry:
    found = Entry(0, "", str(given.get("author", "")), str(given["op"]), dict(given["facts"]))
    if "rows" in given:
        # The rows are checked when the edit is done: they need not fit what `pack` takes.
        found.__dict__["rows"] = np.unique(parse_rows(given["rows"], n_rows))
    return found
