"""Rows go to another cluster, or out into a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from shoal.core.plural import plural
from shoal.edits.log import Draft, Entry
from shoal.edits.names import clean_name, refuse_taken
from shoal.edits.operations.base import (
    Command,
    Edit,
    EditContext,
    NewIds,
    Operation,
    Rows,
    Words,
    shortened,
)
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
        context: EditContext,
        rows: Rows,
        to: Annotated[int | None, "Target cluster; by default a new one."] = None,
        name: Annotated[str | None, "Name of the new cluster."] = None,
    ) -> Draft:
        state = context.state
        chosen = row_set(rows, context.fit.n_rows)
        places = context.fit.deciding(chosen)
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
                raise InputError(f"cluster {to} already exists: rename it with a separate edit")
            if (labels == to).all():
                all_ = "row is" if len(chosen) == 1 else f"{len(chosen):,} rows are"
                raise InputError(f"the {all_} in cluster {to} already")
            chosen, labels = chosen[labels != to], labels[labels != to]
        state.refuse_locked(*np.unique(labels).tolist(), *([] if to is None else [to]))
        facts: dict[str, Any] = {"to": context.next_id if to is None else to, "new": to is None}
        return Draft(self.name, {**facts, "name": called, "count": len(chosen)}, chosen)

    def apply(self, state: State, edit: Edit) -> State:
        to, places = int(edit.facts["to"]), state.fit.deciding(edit.rows)
        stays = ~np.isin(state.rows, edit.rows, assume_unique=True)
        all_rows = np.concatenate([state.rows[stays], edit.rows])
        order = np.argsort(all_rows, kind="stable")
        to_all = np.full(len(edit.rows), to, np.int32)
        origins = np.unique(state.labels_of(edit.rows, places)).tolist()
        return state.changed(
            *([Cluster(to, edit.facts["name"])] if edit.facts["new"] else []),
            stale=(to, *origins),
            rows=all_rows[order],
            row_cluster=np.concatenate([state.row_cluster[stays], to_all])[order],
            row_place=np.concatenate([state.row_place[stays], places])[order],
            whole=state.whole - {to},
        )

    def touches(self, state: State, edit: Edit) -> Touched:
        labels = state.labels_of(edit.rows, state.fit.deciding(edit.rows))
        return frozenset({int(edit.facts["to"]), *np.unique(labels).tolist()})

    def describe(self, edit: Edit, words: Words) -> str:
        facts = edit.facts
        to = f"new cluster {facts['to']}" if facts["new"] else words.cluster(facts["to"])
        if facts["name"] is not None:
            to = f"new cluster “{shortened(facts['name'])}”"
        return f"Moved {plural(facts['count'], words.noun)} to {to}"

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        to = None if edit.facts["new"] else new_id(edit.facts["to"])
        return {"rows": edit.rows, "to": to, "name": edit.facts["name"]}

    def created(self, edit: Edit) -> list[int]:
        return [edit.facts["to"]]

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        rows, facts = carrier.rows(entry), entry.facts
        request = self.request(entry, lambda c: carrier.found(c, before)) | {"rows": rows}
        done = carrier.do(self.name, wanted=facts["to"] if facts["new"] else 0, **request)
        if facts["new"]:
            carrier.ids[facts["to"]] = done.facts["to"]
