"""Rows are where they belong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shoal.core.plural import plural
from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import ClusterId, Command, Edit, EditContext, NewIds, Rows, Words
from shoal.edits.operations.move import Move
from shoal.edits.rows import row_set
from shoal.edits.state import State

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Confirm(Move):
    name = "confirm"
    commands = (Command("confirm", "Confirm that rows belong to their cluster and stay there."),)

    def plan(  # type: ignore[override]
        self, context: EditContext, rows: Rows, cluster: ClusterId
    ) -> Draft:
        cluster = context.state.existing(cluster)
        chosen = row_set(rows, context.fit.n_rows)
        context.state.refuse_elsewhere(chosen, context.fit.deciding(chosen), cluster)
        return Draft(self.name, {"to": cluster, "new": False, "count": len(chosen)}, chosen)

    def apply(self, state: State, edit: Edit) -> State:
        moved = super().apply(state, edit)
        return replace(moved, answers=state.answers, whole=state.whole)

    def describe(self, edit: Edit, words: Words) -> str:
        count, to = edit.facts["count"], words.cluster(edit.facts["to"])
        return f"Confirmed {plural(count, words.noun)} of {to}"

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        return {"rows": edit.rows, "cluster": new_id(edit.facts["to"])}

    def created(self, edit: Edit) -> list[int]:
        return []

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        target, rows = carrier.found(entry.facts["to"], before), carrier.rows(entry)
        there = rows[carrier.edits.labels_of(rows) == target]
        if len(there) < len(rows):
            left = len(rows) - len(there)
            carrier.skip(f"{entry.describe()}: {left:,} of them", f"they are not in {target} now")
        if len(there):
            carrier.do(self.name, rows=there, cluster=target)
