"""Rows are where they belong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shoal.core.plural import plural
from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import ClusterId, Command, RowNumbers, Rows, Site
from shoal.edits.operations.move import Move
from shoal.edits.rows import row_set
from shoal.edits.state import State

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Confirm(Move):
    name = "confirm"
    commands = (Command("confirm", "Confirm that rows belong to their cluster and stay there."),)

    def plan(self, site: Site, rows: Rows, cluster: ClusterId) -> Draft:  # type: ignore[override]
        cluster = site.state.existing(cluster)
        chosen = row_set(rows, site.ground.n_rows)
        site.state.refuse_elsewhere(chosen, site.ground.deciding(chosen), cluster)
        return Draft(self.name, {"to": cluster, "new": False, "count": len(chosen)}, chosen)

    def apply(self, state: State, facts: Any, rows: RowNumbers, ground: Any) -> State:
        moved = super().apply(state, facts, rows, ground)
        return replace(moved, answers=state.answers, whole=state.whole)

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        return f"Confirmed {plural(facts['count'], noun)} of {called(facts['to'])}"

    def request(self, facts: Any, rows: Any, called: Callable[[int], int]) -> dict[str, Any]:
        return {"rows": rows, "cluster": called(facts["to"])}

    def made(self, facts: Any) -> list[int]:
        return []

    def carry(self, to: Carrier, entry: Entry, was: State, now: State) -> None:
        target, rows = to.found(entry.facts["to"], was), to.rows(entry)
        there = rows[to.after.labels_of(rows) == target]
        if len(there) < len(rows):
            left = len(rows) - len(there)
            to.skip(f"{entry.describe()}: {left:,} of them", f"they are not in {target} now")
        if len(there):
            to.do(self.name, rows=there, cluster=target)
