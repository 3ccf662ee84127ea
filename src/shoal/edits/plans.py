"""From what is asked to a draft for the log: checked against the state, and resolved.

Pure: nothing is changed. A draft says everything, ids of new clusters and the cuts of the tree
among it, so that a replay has nothing to decide.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.null import REAL
from shoal.core.text import encodable
from shoal.core.tree import Tree
from shoal.edits.errors import LockedError, NameTakenError, Proposal
from shoal.edits.ground import Ground
from shoal.edits.log import Draft
from shoal.edits.rows import row_set
from shoal.edits.state import State, Touched, applied, splitting
from shoal.errors import InputError

MARKS = ("good", "junk")

_LONGEST_NAME = 200
_LONGEST_NOTE = 10_000
_MOST_OWN = 12  # parts that a split without a number makes


def proposed(state: State, clusters: Iterable[int], into: int | None = None) -> Proposal:
    """Work out a merge: the id that stays, the name, the rows.

    The cluster `into` keeps its id, by default the largest. Its name stays, or the largest
    named one's where it has none; notes are put one under the other.

    Raises
    ------
    InputError
        For fewer than two clusters, or one that is not there.
    """
    ids = tuple(dict.fromkeys(existing(state, c) for c in clusters))
    sizes = state.sizes
    if into is not None and existing(state, into) not in ids:
        ids = (*ids, into)
    if len(ids) < 2:
        raise InputError(f"a merge takes two clusters at least, but {len(ids)} was given")
    stays = max(ids, key=lambda c: (sizes[c], -c)) if into is None else into
    order = sorted(ids, key=lambda c: (c != stays, -sizes[c], c))
    kept = [state.clusters[c] for c in order]
    name = next((c.name for c in kept if c.name is not None), None)
    note = "\n".join(dict.fromkeys(c.note for c in kept if c.note))[:_LONGEST_NOTE]
    names = tuple(state.clusters[c].name for c in ids)
    return Proposal(ids, stays, tuple(sizes[c] for c in ids), names, name, note)


def plan_merge(state: State, clusters: Iterable[int], into: int | None, name: str | None) -> Draft:
    """Merge clusters into one of them."""
    merge = proposed(state, clusters, into)
    _unlocked(state, *merge.clusters)
    called = merge.name
    if name is not None:
        called = clean_name(name)
        others = _Others(state, merge.clusters)
        others.free(called, merge.into)
    facts = {"clusters": merge.clusters, "into": merge.into, "name": called, "note": merge.note}
    return Draft("merge", facts)


def plan_split(state: State, ground: Ground, fresh: int, cluster: int, parts: int | None) -> Draft:
    """Split a cluster by the tree under it; the largest part keeps the id."""
    cluster = existing(state, cluster)
    _unlocked(state, cluster)
    positions, counts = splitting(state, cluster, ground.position)
    ranks = splits_under(ground, positions)
    wanted = own_parts(ground.tree, ranks, cluster) if parts is None else _whole(parts, "parts")
    if not 2 <= wanted <= len(ranks) + 1:
        at_most = f"it has {len(ranks) + 1} pieces in the tree"
        rule = f"give 2 to {len(ranks) + 1}" if len(ranks) else "take rows out of it instead"
        raise InputError(f"cluster {cluster} into {wanted} parts, but {at_most}: {rule}")
    cuts = np.sort(ground.tree.splits[ranks[: wanted - 1]])
    at = np.searchsorted(cuts, positions, side="right")
    sizes = np.zeros(wanted, np.int64)
    np.add.at(sizes, at, counts)
    order = np.argsort(-sizes, kind="stable")
    ids = np.empty(wanted, np.int64)
    ids[order] = [cluster, *range(fresh, fresh + wanted - 1)]
    return Draft("split", {"cluster": cluster, "cuts": cuts.tolist(), "ids": ids.tolist()})


def splits_under(ground: Ground, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ranks of the splits that tell some leaves of the tree apart, ascending.

    Between two leaves that follow each other, of those given, the most telling split in between
    counts; so the first one parts what the tree parts first, and so on.
    """
    at = np.sort(positions)
    if len(at) < 2:
        return np.empty(0, np.int64)
    between = np.minimum.reduceat(ground.rank[: at[-1] + 1], at[:-1] + 1)
    return np.sort(between)


def own_parts(tree: Tree, ranks: NDArray[np.int64], cluster: int) -> int:
    """Choose how many parts the tree itself marks in a cluster: up to the widest gap.

    Raises
    ------
    InputError
        When no split under it is marked.
    """
    excess = tree.excess[ranks[: _MOST_OWN - 1]].astype(np.float64)
    excess = excess[np.isfinite(excess)]
    if not len(excess):
        raise InputError(
            f"the tree marks no split under cluster {cluster}: say into how many parts"
        )
    ends = np.append(excess[1:], min(REAL, float(excess[-1])))
    return 2 + int((excess - ends).argmax())


def plan_divide(state: State, fresh: int, cluster: int, representatives: ArrayLike) -> Draft:
    """Take some representatives of a cluster into a new one."""
    cluster = existing(state, cluster)
    _unlocked(state, cluster)
    m = len(state.of_representative)
    chosen = row_set(representatives, m)
    mine = state.of_representative == cluster
    if not mine[chosen].all():
        wrong = chosen[~mine[chosen]][0]
        raise InputError(f"representative {wrong} is not in cluster {cluster}")
    taken = int(state.held[chosen].sum())
    if taken in (0, state.sizes[cluster]):
        raise InputError(f"they hold {'none' if not taken else 'all'} of cluster {cluster}'s rows")
    return Draft("divide", {"cluster": cluster, "id": fresh}, chosen)


def plan_move(
    state: State, ground: Ground, fresh: int, rows: ArrayLike, to: int | None, name: str | None
) -> Draft:
    """Move rows to a cluster that is there, or to a new one, perhaps named."""
    chosen = row_set(rows, ground.n_rows)
    places = ground.deciding(chosen)
    if (places < 0).any():
        bad = chosen[places < 0]
        raise InputError(f"row {bad[0]} is quarantined: it can be in no cluster")
    labels = state.labels_of(chosen, places)
    if to is None:
        called = None if name is None else clean_name(name)
        _Others(state, ()).free(called, None)
    else:
        to, called = existing(state, to), None
        if name is not None:
            raise InputError(f"cluster {to} is there: rename it in an edit of its own")
        if (labels == to).all():
            all_ = "row is" if len(chosen) == 1 else f"{len(chosen):,} rows are"
            raise InputError(f"the {all_} in cluster {to} already")
        chosen, labels = chosen[labels != to], labels[labels != to]
    _unlocked(state, *np.unique(labels).tolist(), *([] if to is None else [to]))
    facts: dict[str, Any] = {"to": fresh if to is None else to, "new": to is None}
    return Draft("move", {**facts, "name": called, "count": len(chosen)}, chosen)


def plan_rename(state: State, cluster: int, name: str | None) -> Draft:
    """Name a cluster; None or an empty text takes its name away."""
    cluster = existing(state, cluster)
    _unlocked(state, cluster)
    called = clean_name(name) if name is not None and name.strip() else None
    _Others(state, (cluster,)).free(called, cluster)
    return Draft("rename", {"cluster": cluster, "name": called})


def plan_note(state: State, cluster: int, note: str) -> Draft:
    """Put a note on a cluster; an empty text takes it away."""
    cluster = existing(state, cluster)
    _unlocked(state, cluster)
    if len(note) > _LONGEST_NOTE:
        raise InputError(f"a note of {len(note):,} characters: give at most {_LONGEST_NOTE:,}")
    return Draft("note", {"cluster": cluster, "note": _stored(note)})


def plan_mark(state: State, cluster: int, mark: str | None) -> Draft:
    """Mark a cluster as good or junk, or as neither."""
    cluster = existing(state, cluster)
    _unlocked(state, cluster)
    if mark is not None and mark not in MARKS:
        raise InputError(f"mark {mark!r}: give one of {', '.join(MARKS)}, or none")
    return Draft("mark", {"cluster": cluster, "mark": mark})


def plan_lock(state: State, cluster: int, locked: bool) -> Draft:
    """Lock a cluster against edits, or unlock it."""
    cluster = existing(state, cluster)
    if state.clusters[cluster].locked == locked:
        raise InputError(f"cluster {cluster} is {'' if locked else 'not '}locked already")
    return Draft("lock", {"cluster": cluster, "locked": locked})


def plan_apart(state: State, a: int, b: int) -> Draft:
    """Say that two clusters are not the same; nothing moves."""
    pair = sorted((existing(state, a), existing(state, b)))
    if pair[0] == pair[1]:
        raise InputError(f"cluster {a} and itself: give two clusters")
    return Draft("apart", {"clusters": pair})


def plan_whole(state: State, cluster: int) -> Draft:
    """Say that a cluster is one thing; nothing moves."""
    return Draft("whole", {"cluster": existing(state, cluster)})


def plan_confirm(state: State, ground: Ground, rows: ArrayLike, cluster: int) -> Draft:
    """Say that rows are where they belong: they stay there, whatever their surroundings do."""
    cluster = existing(state, cluster)
    chosen = row_set(rows, ground.n_rows)
    labels = state.labels_of(chosen, ground.deciding(chosen))
    if (labels != cluster).any():
        raise InputError(f"row {chosen[labels != cluster][0]} is not in cluster {cluster}")
    return Draft("confirm", {"to": cluster, "new": False, "count": len(chosen)}, chosen)


def plan_quiz(
    state: State, ground: Ground, cluster: int, right: ArrayLike, wrong: ArrayLike
) -> Draft:
    """Keep answers: rows that belong to a cluster, and rows that do not."""
    cluster = existing(state, cluster)
    told = {
        said: row_set(rows, ground.n_rows) if np.size(rows) else np.empty(0, np.int64)
        for said, rows in (("right", right), ("wrong", wrong))
    }
    both = np.concatenate([told["right"], told["wrong"]])
    asked = row_set(both, ground.n_rows)
    if len(asked) < len(both):
        raise InputError("a row cannot be both right and wrong")
    labels = state.labels_of(asked, ground.deciding(asked))
    if (labels != cluster).any():
        raise InputError(f"row {asked[labels != cluster][0]} is not in cluster {cluster}")
    return Draft("quiz", {"cluster": cluster, **{k: v.tolist() for k, v in told.items()}})


def plan_base(state: State, ground: Ground, layer: int | None, k: int | None) -> Draft:
    """Start anew from another cut."""
    _unlocked(state, *state.clusters)
    chosen = ground.result.chosen_k(layer, k)
    return Draft("base", {"k": ground.base(chosen).k})


def clean_name(name: str) -> str:
    """Return a name as it is kept: composed characters, no control characters, single spaces.

    Raises
    ------
    InputError
        When nothing is left, or it is too long.

    >>> clean_name("  tabby  cats ")
    'tabby cats'
    """
    text = " ".join(_stored(name).split())
    if not text:
        raise InputError(f"{name!r} is not a name: give some letters")
    if len(text) > _LONGEST_NAME:
        raise InputError(f"a name of {len(text)} characters: give at most {_LONGEST_NAME}")
    return text


def _stored(text: str) -> str:
    """Return text that can be stored and shown: composed, without control characters."""
    plain = unicodedata.normalize("NFC", encodable(text))
    return "".join(c for c in plain if c in "\n\t" or unicodedata.category(c) != "Cc")


class _Others:
    """The names that are taken by other clusters."""

    def __init__(self, state: State, own: tuple[int, ...]) -> None:
        self._state = state
        self._own = own

    def free(self, name: str | None, cluster: int | None) -> None:
        """Raise when another cluster has the name, whatever the case of its letters."""
        if name is None:
            return
        for other in self._state.clusters.values():
            if other.id in self._own or other.name is None or _folded(other.name) != _folded(name):
                continue
            rows = self._state.sizes[other.id]
            if cluster is None:
                raise NameTakenError(
                    f"cluster {other.id} ({rows:,} rows) is called “{other.name}” already: move "
                    "the rows there, or give another name",
                    Proposal((other.id,), other.id, (rows,), (other.name,), other.name, other.note),
                )
            merge = proposed(self._state, self._own, other.id)
            goes = " and ".join(
                f"cluster {c} ({n:,} rows)"
                for c, n in zip(merge.clusters, merge.rows, strict=True)
                if c != other.id
            )
            raise NameTakenError(
                f"cluster {other.id} ({rows:,} rows) is called “{other.name}” already: merge them "
                f"({goes} would go into {other.id}), or give another name",
                merge,
            )


def _folded(name: str) -> str:
    """Return a name for comparing."""
    return unicodedata.normalize("NFKC", name).casefold()


def existing(state: State, cluster: Any) -> int:
    """Check that a cluster is there; give its id."""
    found = _whole(cluster, "cluster")
    if found not in state.clusters:
        near = ", ".join(map(str, list(state.clusters)[:8]))
        more = ", …" if len(state.clusters) > 8 else ""
        raise InputError(f"there is no cluster {found}: there are {near}{more}")
    return found


def _unlocked(state: State, *clusters: int) -> None:
    """Raise for a locked cluster."""
    for cluster in clusters:
        if state.clusters[cluster].locked:
            raise LockedError(f"cluster {cluster} is locked: unlock it first")


def _whole(value: Any, what: str) -> int:
    """Return a whole number."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        return index(value)
    except TypeError:
        raise InputError(f"{what} {value!r}: give a whole number") from None


def after(state: State, draft: Draft, ground: Ground) -> State:
    """Return the state that a draft would lead to."""
    return applied(state, draft.op, draft.facts, draft.rows, ground)[0]


def about(draft: Draft, state: State, ground: Ground) -> Touched:
    """Return the clusters that a draft is about as its maker saw them; None for all."""
    facts = draft.facts
    if draft.op in ("undo", "redo", "base"):
        return None
    if draft.op in ("move", "confirm"):
        assert draft.rows is not None
        labels = state.labels_of(draft.rows, ground.deciding(draft.rows))
        there = set(np.unique(labels).tolist())
        return frozenset(there if facts["new"] else there | {facts["to"]})
    return frozenset(facts["clusters"] if "clusters" in facts else [facts["cluster"]])
