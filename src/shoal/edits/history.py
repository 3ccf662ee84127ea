"""Undo and redo: which edits of a log are in effect, and the state after each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shoal.edits.errors import ConflictError
from shoal.edits.log import Draft, Entry
from shoal.edits.operations import OPERATIONS
from shoal.edits.operations.base import Edit
from shoal.edits.state import State, Touched
from shoal.errors import InputError

# States kept for undo: those of the latest edits, and every 64th before.
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

    def __init__(self, first: State) -> None:
        self._first = first
        self._done: list[_Step] = []
        self._undone: list[_Step] = []
        self.touched: dict[int, Touched] = {}
        self.next_id = 0
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

    def checked(self, edit: Edit) -> Callable[[Entry], None]:
        """Apply an edit tentatively; return a function that adds its entry when it is logged."""
        if edit.op in ("undo", "redo"):
            n = int(edit.facts["n"])
            most = len(self._done if edit.op == "undo" else self._undone)
            if not most:
                raise InputError(f"there is nothing to {edit.op}")
            if not 1 <= n <= most:
                counted = f"the number of edits to {edit.op}"
                raise InputError(f"N must be from 1 to {most}, {counted}; got {n}")
            return lambda entry: self._shift(entry, n)
        if edit.op == "skipped":  # nothing was done, so there is nothing to undo
            return lambda entry: self.touched.update({entry.seq: frozenset()})
        operation, before = OPERATIONS[edit.op], self.state
        state, touched = operation.apply(before, edit), operation.touches(before, edit)
        return lambda entry: self._add(entry, state, touched)

    def add(self, entry: Entry) -> None:
        self.checked(entry)(entry)

    def changes(self, new: list[Entry]) -> Changes:
        """Return what the latest entries changed."""
        clusters = frozenset(self.state.clusters)
        touched = _union(self.touched[entry.seq] for entry in new)
        ids = clusters if touched is None else touched
        changed, gone = tuple(sorted(ids & clusters)), tuple(sorted(ids - clusters))
        return Changes(self.seq, tuple(new), changed, gone, touched is None)

    def refuse_conflict(self, draft: Draft, since: list[Entry]) -> None:
        """Raise ConflictError if an unseen entry changed a cluster of the draft."""
        mine = OPERATIONS[draft.op].touches(self.state, draft)
        for entry in since:
            ids = self.touched[entry.seq]
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
        self.touched[entry.seq] = _union(step.touched for step in moved)

    def _reserve(self, state: State) -> None:
        """Reserve all ids, including those of undone clusters."""
        self.next_id = max(self.next_id, max(state.clusters) + 1)

    def _state(self, count: int) -> State:
        """Return the state after the first `count` edits, replayed from the nearest stored one."""
        start = count
        while start and self._done[start - 1].state is None:
            start -= 1
        state = self._done[start - 1].state if start else self._first
        assert state is not None
        for step in self._done[start:count]:
            state = OPERATIONS[step.entry.op].apply(state, step.entry)
            step.state = state
        return state


def _union(sets: Iterable[Touched]) -> Touched:
    """Unite sets of clusters, where None stands for all clusters."""
    found: frozenset[int] = frozenset()
    for ids in sets:
        if ids is None:
            return None
        found |= ids
    return found
