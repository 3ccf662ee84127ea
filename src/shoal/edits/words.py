"""Edits in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.core.plural import plural

if TYPE_CHECKING:
    from shoal.edits.log import Entry

_LONG = 40


def describe(entry: Entry) -> str:
    """Say an edit in words.

    >>> from shoal.edits.log import Entry
    >>> describe(Entry(1, "", "", "merge", {"clusters": [3, 7], "into": 3, "name": None}))
    'merge 3, 7 into 3'
    """
    facts = entry.facts
    match entry.op:
        case "merge":
            return f"merge {_listed(facts['clusters'])} into {facts['into']}"
        case "split":
            return f"split {facts['cluster']} into {_listed(facts['ids'])}"
        case "divide":
            return f"split {facts['cluster']} into {facts['cluster']}, {facts['id']}"
        case "move":
            to = f"{'new cluster ' if facts['new'] else ''}{facts['to']}"
            return f"move {plural(facts['count'], 'row')} to {to}{_named(facts['name'])}"
        case "rename":
            name = facts["name"]
            return (
                f"take its name off {facts['cluster']}"
                if name is None
                else (f"rename {facts['cluster']}{_named(name)}")
            )
        case "note":
            return f"note on {facts['cluster']}: {_short(facts['note']) or '(none)'}"
        case "mark":
            return f"mark {facts['cluster']} as {facts['mark'] or 'neither good nor junk'}"
        case "lock":
            return f"{'lock' if facts['locked'] else 'unlock'} {facts['cluster']}"
        case "apart":
            return f"keep {_listed(facts['clusters'])} apart"
        case "whole":
            return f"keep {facts['cluster']} whole"
        case "confirm":
            return f"confirm {plural(facts['count'], 'row')} of {facts['to']}"
        case "quiz":
            right, wrong = len(facts["right"]), len(facts["wrong"])
            return f"quiz on {facts['cluster']}: {right} right, {wrong} wrong"
        case "base":
            return f"start from the cut into {facts['k']}"
        case "skipped":
            return f"not carried over: {facts['what']} ({facts['why']})"
        case _:
            return entry.op if facts.get("n", 1) == 1 else f"{entry.op} {facts['n']}"


def _listed(ids: list[int]) -> str:
    """List ids."""
    return ", ".join(map(str, ids))


def _named(name: Any) -> str:
    """Return a name in quotes after a space, nothing for None."""
    return "" if name is None else f" “{_short(name)}”"


def _short(text: str) -> str:
    """Shorten a text to one line."""
    line = " ".join(text.split())
    return line if len(line) <= _LONG else line[: _LONG - 1] + "…"
