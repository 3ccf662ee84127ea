"""An edit of another run that could not be repeated."""

from __future__ import annotations

from shoal.edits.log import Draft
from shoal.edits.operations.base import Edit, EditContext, Operation, Words
from shoal.edits.state import State, Touched


class Skipped(Operation):
    name = "skipped"

    def plan(self, context: EditContext, what: str, why: str) -> Draft:
        return Draft(self.name, {"what": what, "why": why})

    def touches(self, state: State, edit: Edit) -> Touched:
        return frozenset()

    def describe(self, edit: Edit, words: Words) -> str:
        return f"Not carried over: {edit.facts['what']} ({edit.facts['why']})"
