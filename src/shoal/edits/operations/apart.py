"""Two clusters are different."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shoal.edits.log import Draft
from shoal.edits.operations.base import (
    ClusterId,
    Command,
    Edit,
    EditContext,
    NewIds,
    Operation,
    Words,
)
from shoal.edits.state import State
from shoal.errors import InputError


class Apart(Operation):
    name = "apart"
    commands = (Command("apart", "Record that two clusters are different and must not be merged."),)

    def plan(self, context: EditContext, a: ClusterId, b: ClusterId) -> Draft:
        pair = sorted((context.state.existing(a), context.state.existing(b)))
        if pair[0] == pair[1]:
            raise InputError(f"cluster {a} and itself: give two clusters")
        return Draft(self.name, {"clusters": pair})

    def apply(self, state: State, edit: Edit) -> State:
        a, b = sorted(edit.facts["clusters"])
        return replace(state, apart=state.apart | {(a, b)})

    def describe(self, edit: Edit, words: Words) -> str:
        one, other = map(words.cluster, edit.facts["clusters"])
        return f"{one} and {other} will not be merged"

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        return dict(zip("ab", map(new_id, edit.facts["clusters"]), strict=True))
