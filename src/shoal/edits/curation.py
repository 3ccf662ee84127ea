"""Curation: the log, the fit and the state; the interface for callers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.record_lists import Tabular
from shoal.edits.base_fit import BaseFit
from shoal.edits.errors import ConflictError, Proposal
from shoal.edits.history import Changes, History
from shoal.edits.keywords import ENTRIES, EditKeywords
from shoal.edits.log import Draft, Entry, Log, Writer
from shoal.edits.names import proposed
from shoal.edits.operations import OPERATIONS, EditContext
from shoal.edits.rows import row_set, unpack
from shoal.edits.state import State, first_state
from shoal.errors import InputError, RunError
from shoal.keywords import spelled_out
from shoal.stages.result import Result


@spelled_out(EditKeywords, ENTRIES)
class Curation(Tabular):
    """The edits of a run; see the package for how they work together.

    Parameters
    ----------
    result
        The run's results.
    author
        Default author of edits.
    exclusive
        True if there are no other writers, so that the log may be in an object store.
    """

    def __init__(self, result: Result, author: str = "", *, exclusive: bool = False) -> None:
        self.fit = BaseFit(result)
        self.author = author
        self._log = Log(result.folder.path, self.fit.fingerprint, exclusive=exclusive)
        self._lock = threading.RLock()
        self._read: History | None = None
        self._entries: list[Entry] = []
        self._writer: Writer | None = None

    @property
    def seq(self) -> int:
        """Sequence number of the last entry read; 0 if there is none."""
        return self._history.seq

    @property
    def state(self) -> State:
        """The clustering after the entries read so far; see `refresh`."""
        return self.now()[1]

    def now(self) -> tuple[int, State]:
        """Return the last entry read and the state after it, consistently."""
        with self._lock:
            return self._history.seq, self._history.state

    @property
    def k(self) -> int:
        """The cut that the edits started from."""
        return self.state.base.k

    @property
    def edited(self) -> bool:
        """True if any edit is active."""
        return bool(self._history.done)

    def refresh(self) -> int:
        """Read entries of other processes; return the last sequence number."""
        with self._lock:
            if self._read is None or not self._log.unchanged():
                self._add(self._log.since(self._history.seq))
            return self._history.seq

    def entries(self, seq: int = 0) -> list[Entry]:
        """Return the entries of the log after `seq`, including undone ones and undo itself."""
        with self._lock:
            last = self._history.seq
            return [entry for entry in self._entries if last >= entry.seq > seq]

    @property
    def done(self) -> list[Entry]:
        """The active edits, oldest first."""
        return self._history.done

    @property
    def undone(self) -> list[Entry]:
        """The edits that `redo` would redo, next one first."""
        return self._history.undone

    def steps(self) -> Iterator[tuple[Entry, State, State]]:
        """Iterate over the active edits: entry, state before, state after."""
        return self._history.steps()

    @property
    def next_id(self) -> int:
        """The first id that no cluster ever had."""
        return self._history.next_id

    def changes(self, seq: int) -> Changes:
        """Return what changed after the entry `seq`, up to the last entry read."""
        with self._lock:
            return self._history.changes(self.entries(seq))

    def sizes(self) -> dict[int, int]:
        """Count the rows of each cluster, without quarantined ones."""
        return dict(self.state.sizes)

    def __repr__(self) -> str:
        edits = f"{len(self.done):,} edits in effect"
        return f"<Curation of {len(self.state.clusters):,} clusters, {edits}>"

    def listing(self) -> list[dict[str, Any]]:
        """List the clusters, largest first: cluster, rows, name, note, mark, locked."""
        state = self.state
        order = sorted(state.clusters, key=lambda c: (-state.sizes[c], c))
        return [
            {
                "cluster": c,
                "rows": state.sizes[c],
                **{n: getattr(state.clusters[c], n) for n in ("name", "note", "mark", "locked")},
            }
            for c in order
        ]

    records = listing

    def labels(self, start: int = 0, stop: int | None = None) -> NDArray[np.int32]:
        """Return the cluster of each row from `start` up to `stop`, −1 where quarantined."""
        stop = self.fit.n_rows if stop is None else stop
        found = [
            labels[max(0, start - first) : stop - first]
            for first, labels in self.blocks()
            if first < stop and first + len(labels) > start
        ]
        return np.concatenate(found) if found else np.empty(0, np.int32)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.int32]]]:
        """Iterate over the shards: first row, and the cluster of each row."""
        state = self.state
        for start, places in self.fit.shards():
            rows = np.arange(start, start + len(places))
            yield start, state.labels_of(rows, places)

    def labels_of(self, rows: ArrayLike) -> NDArray[np.int32]:
        """Return the clusters of some rows, in their order."""
        given = np.atleast_1d(np.asarray(rows))
        chosen = row_set(given, self.fit.n_rows)
        state = self.state
        labels = state.labels_of(chosen, self.fit.deciding(chosen))
        return labels[np.searchsorted(chosen, given)]

    def rows_of(self, cluster: int) -> NDArray[np.int64]:
        """Return all rows of a cluster, ascending."""
        found = [start + np.flatnonzero(labels == cluster) for start, labels in self.blocks()]
        return np.concatenate(found)

    def preview_merge(self, clusters: Iterable[int], into: int | None = None) -> Proposal:
        """Return which clusters would go into which, and under which name."""
        return proposed(self.state, clusters, into)

    def preview(self, op: str, **request: Any) -> tuple[dict[str, Any], State]:
        """Return the facts and the resulting state of an edit without doing it."""
        with self._lock:
            draft = OPERATIONS[op].plan(self._context(), **request)
            return draft.facts, OPERATIONS[op].apply(self.state, draft)

    def do(
        self,
        op: str,
        *,
        wanted: int = 0,
        author: str | None = None,
        seen: int | None = None,
        token: str | None = None,
        **request: Any,
    ) -> Entry:
        """Do an edit of any kind; the methods below are shortcuts.

        Parameters
        ----------
        op
            One of `edits.operations.OPERATIONS`.
        wanted
            The id for a new cluster, if no id that high was ever used.
        author, seen, token
            See the package.
        **request
            Arguments of its `plan`.
        """
        with self._lock:
            history = self._history
            with self._writing() as writer:
                self._add(writer.since(history.seq))
                before = writer.find(token) if token is not None else None
                if before is not None:
                    return before
                draft = self._planned(op, seen, wanted, request)
                add = history.checked(draft)
                entry = writer.add(draft, self.author if author is None else author, token)
            add(entry)
            self._entries.append(entry)
            return entry

    def merge(
        self,
        clusters: Iterable[int],
        into: int | None = None,
        name: str | None = None,
        **how: Unpack[EditKeywords],
    ) -> Entry:
        """Merge clusters into one, by default the largest.

        It keeps its name, or gets that of the largest named one; notes are joined.

        Parameters
        ----------
        clusters
            Two or more.
        into
            The cluster whose id is kept.
        name
            Name of the merged cluster.
        """
        return self.do("merge", clusters=list(clusters), into=into, name=name, **how)

    def split(self, cluster: int, parts: int | None = None, **how: Unpack[EditKeywords]) -> Entry:
        """Split a cluster along the tree; the largest part keeps the id.

        Parameters
        ----------
        cluster
            Can also be a merged cluster, or one of moved rows.
        parts
            Number of parts; by default chosen from the tree.
        """
        return self.do("split", cluster=cluster, parts=parts, **how)

    def divide(
        self, cluster: int, representatives: ArrayLike, **how: Unpack[EditKeywords]
    ) -> Entry:
        """Move some representatives of a cluster, with their rows in it, to a new one."""
        return self.do("divide", cluster=cluster, representatives=representatives, **how)

    def move(
        self,
        rows: ArrayLike,
        to: int | None = None,
        name: str | None = None,
        **how: Unpack[EditKeywords],
    ) -> Entry:
        """Move rows to a cluster; without `to` to a new one, optionally named."""
        return self.do("move", rows=rows, to=to, name=name, **how)

    def rename(self, cluster: int, name: str | None, **how: Unpack[EditKeywords]) -> Entry:
        """Name a cluster; None removes the name.

        Raises
        ------
        NameTakenError
            When another cluster has the name; clusters are never merged implicitly.
        """
        return self.do("rename", cluster=cluster, name=name, **how)

    def note(self, cluster: int, note: str, **how: Unpack[EditKeywords]) -> Entry:
        """Add a note to a cluster; an empty one removes it."""
        return self.do("note", cluster=cluster, note=note, **how)

    def mark(self, cluster: int, mark: str | None, **how: Unpack[EditKeywords]) -> Entry:
        """Mark a cluster as ``"good"`` or ``"junk"``; None removes the mark."""
        return self.do("mark", cluster=cluster, mark=mark, **how)

    def lock(self, cluster: int, locked: bool = True, **how: Unpack[EditKeywords]) -> Entry:
        """Lock a cluster against edits, or unlock it."""
        return self.do("lock", cluster=cluster, locked=locked, **how)

    def keep_apart(self, a: int, b: int, **how: Unpack[EditKeywords]) -> Entry:
        """Record that two clusters are different; the review does not ask again."""
        return self.do("apart", a=a, b=b, **how)

    def keep_whole(self, cluster: int, **how: Unpack[EditKeywords]) -> Entry:
        """Record that a cluster is one thing; the review does not ask to split it."""
        return self.do("whole", cluster=cluster, **how)

    def confirm(self, rows: ArrayLike, cluster: int, **how: Unpack[EditKeywords]) -> Entry:
        """Confirm that rows belong to their cluster; they then count as moved there manually."""
        return self.do("confirm", rows=rows, cluster=cluster, **how)

    def answer_quiz(
        self, cluster: int, right: ArrayLike, wrong: ArrayLike = (), **how: Unpack[EditKeywords]
    ) -> Entry:
        """Record the answers of a quiz: rows that belong to the cluster, and rows that do not."""
        return self.do("quiz", cluster=cluster, right=right, wrong=wrong, **how)

    def start_from(
        self, layer: int | None = None, k: int | None = None, **how: Unpack[EditKeywords]
    ) -> Entry:
        """Restart from another cut; undo restores the edits."""
        return self.do("base", layer=layer, k=k, **how)

    def undo(self, n: int = 1, **how: Unpack[EditKeywords]) -> Entry:
        """Undo the last n active edits."""
        return self.do("undo", n=n, **how)

    def redo(self, n: int = 1, **how: Unpack[EditKeywords]) -> Entry:
        """Redo n undone edits; not possible after a new edit."""
        return self.do("redo", n=n, **how)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Lock the log for several edits of this thread, which are done all or none."""
        with self._lock:
            history = self._history
            try:
                with self._log.writing() as writer:
                    self._add(writer.since(history.seq))
                    self._writer = writer
                    yield
            except BaseException:
                self._read, self._entries = None, []  # what was tried is not in the log
                raise
            finally:
                self._writer = None

    def close(self) -> None:
        """Close the log."""
        with self._lock:
            self._log.close()

    @property
    def _history(self) -> History:
        with self._lock:
            if self._read is None:
                self._read = History(first_state(self.fit.base()))
                self._log.unchanged()
                self._add(self._log.since(0))
            return self._read

    def _add(self, entries: list[Entry]) -> None:
        """Add entries of the log to the history."""
        assert self._read is not None
        for entry in entries:
            try:
                if entry.packed is not None:
                    entry.__dict__["rows"] = unpack(entry.packed, self.fit.n_rows)
                self._read.add(entry)
            except RunError:
                raise
            except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
                raise RunError(
                    f"{self._log.path} is damaged at edit {entry.seq}: put back a copy of it, or "
                    "move it away to go on without the edits"
                ) from error
            self._entries.append(entry)

    def _writing(self) -> AbstractContextManager[Writer]:
        return self._log.writing() if self._writer is None else nullcontext(self._writer)

    def _context(self, wanted: int = 0) -> EditContext:
        return EditContext(self.state, max(self.next_id, wanted))

    def _planned(self, op: str, seen: int | None, wanted: int, request: dict[str, Any]) -> Draft:
        try:
            draft = OPERATIONS[op].plan(self._context(wanted), **request)
        except InputError as error:
            if type(error) is InputError and seen is not None and self.entries(seen):
                last = self.entries(seen)[-1]
                raise ConflictError(f"{error} (meanwhile: {last.describe()})") from error
            raise
        if seen is not None:
            self._history.refuse_conflict(draft, self.entries(seen))
        return draft
