"""Edits as the page tells them: in the past tense, with the names of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.core.plural import plural
from shoal.edits import Entry

_LONG = 60


def message(entry: Entry, names: Mapping[int, str | None], noun: str = "image") -> str:
    """Say what an edit did.

    Parameters
    ----------
    entry : Entry
    names : mapping of int to str or None
        What clusters were called before it; those without a name go by their number.
    noun : str
        What the rows are.

    Examples
    --------
    >>> entry = Entry(1, "", "", "rename", {"cluster": 0, "name": "petrol pumps"})
    >>> message(entry, {})
    'Renamed Cluster 0 to “petrol pumps”'
    """
    facts = entry.facts

    def called(cluster: int) -> str:
        name = names.get(cluster)
        return f"Cluster {cluster}" if name is None else f"“{_short(name)}”"

    match entry.op:
        case "merge":
            gone = [called(c) for c in facts["clusters"] if c != facts["into"]]
            return f"Merged {_listed(gone)} into {called(facts['into'])}"
        case "split":
            return f"Split {called(facts['cluster'])} into {len(facts['ids'])} clusters"
        case "divide":
            return f"Took Cluster {facts['id']} out of {called(facts['cluster'])}"
        case "move":
            to = f"new Cluster {facts['to']}" if facts["new"] else called(facts["to"])
            to = f"new cluster “{_short(facts['name'])}”" if facts["name"] is not None else to
            return f"Moved {plural(facts['count'], noun)} to {to}"
        case "confirm":
            return f"Confirmed {plural(facts['count'], noun)} of {called(facts['to'])}"
        case "base":
            return f"Started anew from the cut into {plural(facts['k'], 'cluster')}"
        case "skipped":
            return f"Not carried over: {facts['what']} ({facts['why']})"
        case "apart":
            one, other = map(called, facts["clusters"])
            return f"{one} and {other} are different, and stay apart"
        case "undo" | "redo":
            verb = {"undo": "Undid", "redo": "Redid"}[entry.op]
            return f"{verb} {plural(facts.get('n', 1), 'edit')}"
        case _:
            return _of_one(entry.op, facts, called(facts["cluster"]))


def _of_one(op: str, facts: dict[str, Any], cluster: str) -> str:
    """Say what an edit of what is known of one cluster did."""
    match op:
        case "rename":
            name = facts["name"]
            return (
                f"Took the name off {cluster}"
                if name is None
                else f"Renamed {cluster} to “{_short(name)}”"
            )
        case "note":
            return (
                f"Wrote a note on {cluster}" if facts["note"] else f"Removed the note on {cluster}"
            )
        case "mark":
            mark = facts["mark"]
            return f"Marked {cluster} as {mark}" if mark else f"Took the mark off {cluster}"
        case "lock":
            return f"{'Locked' if facts['locked'] else 'Unlocked'} {cluster}"
        case "whole":
            return f"{cluster} is one thing, and stays whole"
        case "quiz":
            right, wrong = len(facts["right"]), len(facts["wrong"])
            return f"Quiz on {cluster}: {right} right, {wrong} wrong"
        case _:
            return f"{op.capitalize()} {cluster}"


def _listed(words: list[str]) -> str:
    """List words.

    >>> _listed(["a"]), _listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _short(text: str) -> str:
    """Shorten a text to one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 1]}…"
