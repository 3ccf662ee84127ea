"""Edits carried over from an earlier fit to a new one, each where it still makes sense.

A cluster of the earlier fit *is* one of the new fit when each has more than half of its rows in
the other. Edits are done again in their order, on the clusters that are meant; what a new fit
shows already, or what has lost its clusters, is left out, with the reason in the log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.edits.bridge import Bridge
from shoal.edits.curation import Curation
from shoal.edits.log import Entry
from shoal.edits.state import State
from shoal.errors import InputError


@dataclass(frozen=True)
class Carried:
    """What became of the edits of an earlier run.

    Attributes
    ----------
    edits
        How many there were in effect.
    skipped
        Those that were not done, in words, each with the reason.
    """

    edits: int
    skipped: tuple[tuple[str, str], ...]


def carry_over(before: Curation, after: Curation) -> Carried:
    """Do the edits of an earlier run again on a new one: all that make sense, or on failure none.

    Nothing is dropped without a word: what could not be done is in the new log as ``skipped``,
    with the reason.

    Parameters
    ----------
    before
        The edits of the earlier run.
    after
        Those of the new run.

    Raises
    ------
    InputError
        When the runs have no rows in common.
    """
    carrier = _Carrier(before, after, Bridge.between(before.ground, after.ground))
    done = len(before.done)
    with after.together():
        carrier.run()
    return Carried(done, tuple(carrier.skipped))


class _NotNowError(InputError):
    """An edit makes no sense on the new fit."""


class _Carrier:
    """Does the edits again, and keeps what the clusters are called in the new run."""

    def __init__(self, before: Curation, after: Curation, bridge: Bridge) -> None:
        self.after, self.bridge = after, bridge
        self.steps = before.steps()
        self.ids: dict[int, int] = {}
        self.skipped: list[tuple[str, str]] = []
        self._common = bridge.known
        self._entry: Entry | None = None

    def run(self) -> None:
        """Do every edit that was in effect."""
        for number, (entry, was, now) in enumerate(self.steps):
            if number == 0:
                self._match(was)
            self._entry = entry
            try:
                _DO[entry.op](self, entry, was, now)
            except InputError as error:
                self._skip(entry.describe(), str(error))

    def _skip(self, what: str, why: str) -> None:
        """Note what was not done."""
        self.skipped.append((what, why))
        self.after.skip(what, why, author="" if self._entry is None else self._entry.author)

    def _match(self, was: State) -> None:
        """Find the new clusters that the earlier ones are."""
        self.ids = {}
        for cluster in was.clusters:
            self._know(cluster, was.of_representative == cluster)

    def _know(self, cluster: int, old: NDArray[np.bool_]) -> None:
        """Note which new cluster an earlier one is, if any."""
        there, total, own = self._spread(old)
        if there and total:
            best = max(there, key=lambda c: there[c])
            if 2 * there[best] > total and 2 * there[best] > own[best]:
                self.ids[cluster] = best

    def _spread(self, old: NDArray[np.bool_]) -> tuple[dict[int, int], int, dict[int, int]]:
        """Count rows of an earlier cluster: by new cluster, in all; and all rows of those."""
        shared = self.bridge.shared(old)
        labels = self.after.state.of_representative
        top = int(labels.max()) + 1
        there, own = np.zeros(top, np.int64), np.zeros(top, np.int64)
        np.add.at(there, labels, shared)
        np.add.at(own, labels, self._common)
        found = np.flatnonzero(there).tolist()
        return {c: int(there[c]) for c in found}, int(there.sum()), {c: int(own[c]) for c in found}

    def _is(self, cluster: int, was: State) -> int:
        """Return the new cluster that an earlier one is."""
        if cluster in self.ids and self.ids[cluster] in self.after.state.clusters:
            return self.ids[cluster]
        raise _NotNowError(self._gone(cluster, was))

    def _gone(self, cluster: int, was: State) -> str:
        """Say why an earlier cluster is none of the new ones."""
        there, total, own = self._spread(was.of_representative == cluster)
        if not total:
            return f"no row of cluster {cluster} is in the new data"
        best = sorted(there, key=lambda c: -there[c])[:3]
        if 2 * there[best[0]] > total:
            share = 100 * there[best[0]] / own[best[0]]
            return (
                f"cluster {cluster} is only {share:.0f} % of cluster {best[0]}, in which most of "
                "its rows are now"
            )
        where = ", ".join(f"{c} ({100 * there[c] / total:.0f} %)" for c in best)
        return f"the rows of cluster {cluster} are spread over clusters {where} now"

    def merge(self, entry: Entry, was: State, _now: State) -> None:
        """Merge what the clusters are now, if it is of their rows for the most part."""
        facts = entry.facts
        union = np.isin(was.of_representative, facts["clusters"])
        of_union, _, own = self._spread(union)
        found: dict[int, int] = {}
        for cluster in facts["clusters"]:
            try:
                found[cluster] = self._place(cluster, was)
                target = found[cluster]
                if target in of_union and 2 * of_union[target] <= own[target]:
                    share = 100 * of_union[target] / own[target]
                    del found[cluster]
                    raise _NotNowError(
                        f"most of its rows are in cluster {target} now, of which only "
                        f"{share:.0f} % were merged"
                    )
            except _NotNowError as error:
                self._skip(f"{entry.describe()}: cluster {cluster}", str(error))
        for cluster in facts["clusters"]:
            self.ids.pop(cluster, None)
        if len(found) < 2:
            self._know(facts["into"], union)
            raise _NotNowError("fewer than two of its clusters are left to merge")
        targets = list(dict.fromkeys(found.values()))
        into = found.get(facts["into"], targets[0])
        self.ids[facts["into"]] = into
        if len(targets) > 1:
            self.after.merge(targets, into, **self._how())
        self._name(into, facts["name"])
        if len(targets) == 1:
            raise _NotNowError(f"cluster {into} of the new fit has them together already")

    def _place(self, cluster: int, was: State) -> int:
        """Return the new cluster that holds an earlier one, or more than half of its rows."""
        if cluster in self.ids:
            return self._is(cluster, was)
        there, total, _ = self._spread(was.of_representative == cluster)
        best = max(there, key=lambda c: there[c], default=-1)
        if best < 0 or 2 * there[best] <= total:
            raise _NotNowError(self._gone(cluster, was))
        return best

    def _name(self, cluster: int, name: str | None) -> None:
        """Restore the name that a cluster had."""
        if name is not None and self.after.state.clusters[cluster].name != name:
            self.after.rename(cluster, name, **self._how())

    def split(self, entry: Entry, was: State, now: State) -> None:
        """Take the parts apart, one by one, where they are in one cluster."""
        cluster = entry.facts["cluster"]
        if cluster not in self.ids:
            raise _NotNowError(self._gone(cluster, was))
        new = entry.facts["ids"] if "ids" in entry.facts else [cluster, entry.facts["id"]]
        mine = was.of_representative == cluster
        for part in sorted(new):  # a number that is less than one given before is not free
            if part == cluster:
                continue
            try:
                self._part(part, mine & (now.of_representative == part))
            except InputError as error:
                self._skip(f"{entry.describe()}: the part {part}", str(error))

    def _part(self, part: int, old: NDArray[np.bool_]) -> None:
        """Take one part of an earlier cluster out of the new one that it is in."""
        there, total, own = self._spread(old)
        best = max(there, key=lambda c: there[c], default=-1)
        if best < 0 or 2 * there[best] <= total:
            raise _NotNowError("its rows are spread over several clusters of the new fit")
        if 2 * there[best] > own[best]:
            self.ids[part] = best
            raise _NotNowError(f"it is cluster {best} of the new fit already")
        shared = self.bridge.shared(old)
        labels = self.after.state.of_representative
        chosen = np.flatnonzero((labels == best) & (2 * shared > self._common))
        if not len(chosen):
            raise _NotNowError("no representative of the new fit stands for its rows")
        done = self.after.divide(best, chosen, wanted=part, **self._how())
        self.ids[part] = done.facts["id"]

    def move(self, entry: Entry, was: State, _now: State) -> None:
        """Move the rows that are in the new data."""
        facts = entry.facts
        rows = self._rows(entry)
        if facts["new"]:
            done = self.after.move(rows, None, facts["name"], wanted=facts["to"], **self._how())
            self.ids[facts["to"]] = done.facts["to"]
        else:
            self.after.move(rows, self._is(facts["to"], was), **self._how())

    def confirm(self, entry: Entry, was: State, _now: State) -> None:
        """Hold the rows that are in their cluster."""
        target, rows = self._is(entry.facts["to"], was), self._rows(entry)
        there = rows[self.after.labels_of(rows) == target]
        if len(there) < len(rows):
            left = len(rows) - len(there)
            self._skip(f"{entry.describe()}: {left:,} of them", f"they are not in {target} now")
        if len(there):
            self.after.confirm(there, target, **self._how())

    def _rows(self, entry: Entry) -> NDArray[np.int64]:
        """Return the new rows of an edit; those that are gone are noted."""
        rows = self.bridge.rows(entry.rows)
        bad = self.after.labels_of(rows) < 0 if len(rows) else np.empty(0, np.bool_)
        rows = rows[~bad]
        gone = len(entry.rows) - len(rows)
        if not len(rows):
            raise _NotNowError("none of the rows is in the new data")
        if gone:
            self._skip(f"{entry.describe()}: {gone:,} of them", "they are not in the new data")
        return rows

    def said(self, entry: Entry, was: State, _now: State) -> None:
        """Name, note, mark or lock what the cluster is now."""
        facts, target = entry.facts, self._is(entry.facts["cluster"], was)
        if entry.op == "lock":
            self.after.lock(target, facts["locked"], **self._how())
        elif entry.op == "whole":
            self.after.keep_whole(target, **self._how())
        else:
            asked: Callable[..., Entry] = getattr(self.after, entry.op)
            asked(target, facts[_SAID[entry.op]], **self._how())

    def apart(self, entry: Entry, was: State, _now: State) -> None:
        """Keep apart what the two clusters are now."""
        one, other = (self._is(c, was) for c in entry.facts["clusters"])
        self.after.keep_apart(one, other, **self._how())

    def quiz(self, entry: Entry, was: State, _now: State) -> None:
        """Keep the answers on rows that are in the cluster."""
        target = self._is(entry.facts["cluster"], was)
        told = []
        for said in ("right", "wrong"):
            rows = self.bridge.rows(np.asarray(entry.facts[said], np.int64))
            told.append(rows[self.after.labels_of(rows) == target] if len(rows) else rows)
        if not len(told[0]) + len(told[1]):
            raise _NotNowError(f"none of the rows is in cluster {target} now")
        self.after.answer_quiz(target, *told, **self._how())

    def base(self, entry: Entry, _was: State, now: State) -> None:
        """Start from the layer that is nearest to the one that they started from."""
        layers = self.after.ground.result.layers
        k = entry.facts["k"]
        nearest = min((layer.k for layer in layers), key=lambda other: abs(np.log(other / k)))
        self.after.start_from(k=nearest, **self._how())
        self._match(now)

    def _how(self) -> dict[str, Any]:
        """Say who made the edit."""
        return {"author": "" if self._entry is None else self._entry.author}


_SAID = {"rename": "name", "note": "note", "mark": "mark"}

_DO: dict[str, Callable[[_Carrier, Entry, State, State], None]] = {
    "merge": _Carrier.merge,
    "split": _Carrier.split,
    "divide": _Carrier.split,
    "move": _Carrier.move,
    "confirm": _Carrier.confirm,
    "rename": _Carrier.said,
    "note": _Carrier.said,
    "mark": _Carrier.said,
    "lock": _Carrier.said,
    "whole": _Carrier.said,
    "apart": _Carrier.apart,
    "quiz": _Carrier.quiz,
    "base": _Carrier.base,
}
