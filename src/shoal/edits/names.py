"""Names of clusters: checks, and the name of a merged cluster."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from shoal.core.text import encodable
from shoal.edits.errors import NameTakenError, Proposal
from shoal.edits.state import State
from shoal.errors import InputError

LONGEST_NOTE = 10_000
_LONGEST_NAME = 200


def clean_name(name: str) -> str:
    """Normalise a name: composed characters, no control characters, single spaces.

    >>> clean_name("  tabby  cats ")
    'tabby cats'
    """
    text = " ".join(stored(name).split())
    if not text:
        raise InputError(f"{name!r} is not a name: give at least one visible character")
    if len(text) > _LONGEST_NAME:
        raise InputError(f"a name of {len(text)} characters: give at most {_LONGEST_NAME}")
    return text


def stored(text: str) -> str:
    """Return text that can be stored and shown: composed, without control characters."""
    plain = unicodedata.normalize("NFC", encodable(text))
    return "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) != "Cc")


def proposed(state: State, clusters: Iterable[int], into: int | None = None) -> Proposal:
    """Plan a merge: the id, name and rows of the result.

    The cluster `into`, by default the largest, keeps its id, and its name or else that of the
    largest named one; notes are joined.
    """
    ids = tuple(dict.fromkeys(state.existing(c) for c in clusters))
    sizes = state.sizes
    if into is not None and state.existing(into) not in ids:
        ids = (*ids, into)
    if len(ids) < 2:
        raise InputError("a merge needs at least two different clusters")
    stays = max(ids, key=lambda c: (sizes[c], -c)) if into is None else into
    order = sorted(ids, key=lambda c: (c != stays, -sizes[c], c))
    kept = [state.clusters[c] for c in order]
    name = next((c.name for c in kept if c.name is not None), None)
    note = "\n".join(dict.fromkeys(c.note for c in kept if c.note))[:LONGEST_NOTE]
    names = tuple(state.clusters[c].name for c in ids)
    return Proposal(ids, stays, tuple(sizes[c] for c in ids), names, name, note)


def refuse_taken(state: State, name: str | None, own: tuple[int, ...] = ()) -> None:
    """Raise NameTakenError if a cluster outside `own` has the name, ignoring case."""
    if name is None:
        return
    for other in state.clusters.values():
        if other.id in own or other.name is None or folded(other.name) != folded(name):
            continue
        rows = state.sizes[other.id]
        taken = f"cluster {other.id} ({rows:,} rows) is called “{other.name}” already"
        if not own:
            raise NameTakenError(
                f"{taken}: move the rows there, or give another name",
                Proposal((other.id,), other.id, (rows,), (other.name,), other.name, other.note),
            )
        merge = proposed(state, own, other.id)
        goes = " and ".join(
            f"cluster {c} ({n:,} rows)"
            for c, n in zip(merge.clusters, merge.rows, strict=True)
            if c != other.id
        )
        raise NameTakenError(
            f"{taken}: merge them ({goes} would go into {other.id}), or give another name", merge
        )


def folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
