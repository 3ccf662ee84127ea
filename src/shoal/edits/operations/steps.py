"""Undo and redo, which `history` does."""

from __future__ import annotations

from typing import Annotated

from shoal.core.plural import plural
from shoal.edits.log import Draft
from shoal.edits.operations.base import Edit, EditContext, Operation, Words
from shoal.edits.state import State


class Undo(Operation):
    """Undo the last edits in effect."""

    name = "undo"
    past = "Undid"

    def plan(self, context: EditContext, n: Annotated[int, "How many."] = 1) -> Draft:
        return Draft(self.name, {"n": n})

    def touches(self, state: State, edit: Edit) -> None:
        return None

    def describe(self, edit: Edit, words: Words) -> str:
        return f"{self.past} {plural(edit.facts.get('n', 1), 'edit')}"


class Redo(Undo):
    """Do undone edits again; a new edit puts them out of reach."""

    name = "redo"
    past = "Redid"
