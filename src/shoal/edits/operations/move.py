"""Rows go to another cluster, or out into a new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from shoal.core.plural import plural
from shoal.edits.base_clusters import Ground
from shoal.edits.log import Draft, Entry
from shoal.edits.names import clean_name, refuse_taken
from shoal.edits.operations.base import Command, Operation, RowNumbers, Rows, Site, shortened
from shoal.edits.rows import row_set
from shoal.edits.state import Cluster, State, Touched
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Move(Operation):
    name = "move"
    commands = (Command("move", "Move rows to another cluster or to a new one."),)

    def plan(
        self,
        site: Site,
        rows: Rows,
        to: Annotated[int | None, "Target cluster; by default a new one."] = (None),
        name: Annotated[str | None, "Name of the new cluster."] = None,
    ) -> Draft:
        state = site.state
        chosen = row_set(rows, site.ground.n_rows)
        places = site.ground.deciding(chosen)
        if (places < 0).any():
            bad = chosen[places < 0]
            raise InputError(f"row {bad[0]} is quarantined: it can be in no cluster")
        labels = state.labels_of(chosen, places)
        called = None
        if to is None:
            called = None if name is None else clean_name(name)
            refuse_taken(state, called)
        else:
            to = state.existing(to)
            if name is not None:
                raise InputError(f"cluster {to} is there: rename it in an edit of its own")
            if (labels == to).all():
                all_ = "row is" if len(chosen) == 1 else f"{len(chosen):,} rows are"
                raise InputError(f"the {all_} in cluster {to} already")
            chosen, labels = chosen[labels != to], labels[labels != to]
        state.refuse_locked(*np.unique(labels).tolist(), *([] if to is None else [to]))
        facts: dict[str, Any] = {"to": site.fresh if to is None else to, "new": to is None}
        return Draft(self.name, {**facts, "name": called, "count": len(chosen)}, chosen)

    def apply(self, state: State, facts: Any, rows: RowNumbers, ground: Ground) -> State:
        to, places = int(facts["to"]), ground.deciding(rows)
        stays = ~np.isin(state.rows, rows, assume_unique=True)
        all_rows = np.concatenate([state.rows[stays], rows])
        order = np.argsort(all_rows, kind="stable")
        to_all = np.full(len(rows), to, np.int32)
        origins = np.unique(state.labels_of(rows, places)).tolist()
        return state.changed(
            *([Cluster(to, facts["name"])] if facts["new"] else []),
            stale=(to, *origins),
            rows=all_rows[order],
            row_cluster=np.concatenate([state.row_cluster[stays], to_all])[order],
            row_place=np.concatenate([state.row_place[stays], places])[order],
            whole=state.whole - {to},
        )

    def touches(self, state: State, facts: Any, rows: RowNumbers, ground: Ground) -> Touched:
        labels = state.labels_of(rows, ground.deciding(rows))
        return frozenset({int(facts["to"]), *np.unique(labels).tolist()})

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        to = f"new cluster {facts['to']}" if facts["new"] else called(facts["to"])
        if facts["name"] is not None:
            to = f"new cluster “{shortened(facts['name'])}”"
        return f"Moved {plural(facts['count'], noun)} to {to}"

    def request(self, facts: Any, rows: Any, called: Callable[[int], int]) -> dict[str, Any]:
        to = None if facts["new"] else called(facts["to"])
        return {"rows": rows, "to": to, "name": facts["name"]}

    def made(self, facts: Any) -> list[int]:
        return [facts["to"]]

    def carry(self, to: Carrier, entry: Entry, was: State, now: State) -> None:
        rows, facts = to.rows(entry), entry.facts
        wanted = self.request(facts, rows, lambda c: to.found(c, was))
        done = to.do(self.name, wanted=facts["to"] if facts["new"] else 0, **wanted)
        if facts["new"]:
            to.ids[facts["to"]] = done.facts["to"]
