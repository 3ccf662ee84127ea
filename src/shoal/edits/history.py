"""Undo and redo: which edits of a log are in effect, and the state after each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shoal.edits.base_clusters import Ground
from shoal.edits.errors import ConflictError
from shoal.edits.log import Draft, Entry
from shoal.edits.operations import OPERATIONS
from shoal.edits.state import State, Touched
from shoal.errors import InputError

_LATEST = 64
_EVERY = 64


@dataclass(frozen=True)
class Changes:
    """What changed since an entry of the log."""

    seq: int  # last entry read
    entries: tuple[Entry, ...]  # the entries since
    changed: tuple[int, ...]  # new or changed clusters that exist now
    gone: tuple[int, ...]  # removed clusters, and those created and undone
    everything: bool  # edits restarted from another cut


@dataclass
class _Step:
    entry: Entry
    touched: Touched
    state: State | None


class History:
    """The active edits, oldest first, and undone ones, which a new edit discards."""

    def __init__(self, first: Callable[[], State], ground: Ground) -> None:
        self._ground = ground
        self._first = first()
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self.touched: dict[int, Touched] = {}
        self.fresh = 0
        self._reserve(self._first)

    @property
    def seq(self) -> int:
        """The last entry read, 0 for none."""
        return next(reversed(self.touched), 0)

    @property
    def state(self) -> State:
        return self._state(len(self._done))

    @property
    def done(self) -> list[Entry]:
        return [step.entry for step in self._done]

    @property
    def undone(self) -> list[Entry]:
        """The edits that can be redone, the next one first."""
        return [step.entry for step in reversed(self._undone)]

    def steps(self) -> Iterator[tuple[Entry, State, State]]:
        """Iterate over the active edits: entry, state before, state after."""
        for number, step in enumerate(self._done):
            yield step.entry, self._state(number), self._state(number + 1)

    def checked(self, draft: Draft) -> Callable[[Entry], None]:
        """Apply a draft tentatively; return a function that records its entry when it is logged."""
        if draft.op in ("undo", "redo"):
            n = int(draft.facts["n"])
            there = len(self._done if draft.op == "undo" else self._undone)
            if not 1 <= n <= there:
                if not there:
                    raise InputError(f"there is nothing to {draft.op}")
                amount = f"from 1 to {there}, the number of edits to {draft.op}"
                raise InputError(f"N must be {amount}; got {n}")
            return lambda entry: self._shift(entry, n)
        if draft.op == "skipped":  # nothing was done, so there is nothing to undo
            return lambda entry: self.touched.update({entry.seq: frozenset()})
        operation = OPERATIONS[draft.op]
        change = (self.state, draft.facts, draft.rows, self._ground)
        state, touched = operation.apply(*change), operation.touches(*change)
        return lambda entry: self._add(entry, state, touched)

    def take(self, entry: Entry) -> None:
        rows = entry.rows if entry.packed is not None else None
        self.checked(Draft(entry.op, entry.facts, rows))(entry)

    def changes(self, new: list[Entry]) -> Changes:
        """Return what the latest entries changed."""
        there, sets = self.state.clusters, [self.touched[entry.seq] for entry in new]
        everything = any(ids is None for ids in sets)
        ids = set(there) if everything else set().union(*(s for s in sets if s))
        changed = tuple(sorted(ids & set(there)))
        return Changes(self.seq, tuple(new), changed, tuple(sorted(ids - set(there))), everything)

    def refuse_conflict(self, draft: Draft, since: list[Entry]) -> None:
        """Raise ConflictError if an unseen entry changed a cluster of the draft."""
        touches = OPERATIONS[draft.op].touches
        for entry in since:
            ids = self.touched[entry.seq]
            mine = touches(self.state, draft.facts, draft.rows, self._ground)
            both = mine if ids is None else ids if mine is None else mine & ids
            if both or (mine is None and ids is None):
                who = entry.author or "someone else"
                which = f"cluster {min(both)}" if both else "the clusters"
                raise ConflictError(
                    f"{who} changed {which} in the meantime ({entry.describe()}): check, then "
                    "repeat the edit if it still makes sense"
                )

    def _add(self, entry: Entry, state: State, touched: Touched) -> None:
        """Activate an edit, and discard undone ones."""
        self._done.append(_Step(entry, touched, state))
        self._undone.clear()
        self.touched[entry.seq] = touched
        self._reserve(state)
        old = len(self._done) - _LATEST
        if old > 0 and old % _EVERY:
            self._done[old - 1].state = None

    def _shift(self, entry: Entry, n: int) -> None:
        source, goal = self._done, self._undone
        if entry.op == "redo":
            source, goal = goal, source
        moved = [source.pop() for _ in range(n)]
        goal.extend(moved)
        touched: set[int] = set()
        for step in moved:
            touched |= step.touched or set()
        everything = any(step.touched is None for step in moved)
        self.touched[entry.seq] = None if everything else frozenset(touched)

    def _reserve(self, state: State) -> None:
        """Reserve all ids, including those of undone clusters."""
        self.fresh = max(self.fresh, max(state.clusters) + 1)

    def _state(self, count: int) -> State:
        """Return the state after the first `count` edits, replayed from the nearest stored one."""
        start = count
        while start and self._done[start - 1].state is None:
            start -= 1
        state = self._done[start - 1].state if start else self._first
        assert state is not None
        for step in self._done[start:count]:
            entry = step.entry
            rows = entry.rows if entry.packed is not None else None
            state = OPERATIONS[entry.op].apply(state, entry.facts, rows, self._ground)
            step.state = state
        return state
