"""Undo and redo, which `history` does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from shoal.core.plural import plural
from shoal.edits.log import Draft
from shoal.edits.operations.base import Operation, Site


class Undo(Operation):
    """Undo the last edits in effect."""

    name = "undo"
    past = "Undid"

    def plan(self, site: Site, n: Annotated[int, "How many."] = 1) -> Draft:
        return Draft(self.name, {"n": n})

    def touches(self, state: Any, facts: Any, rows: Any, ground: Any) -> None:
        return None

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        return f"{self.past} {plural(facts.get('n', 1), 'edit')}"


class Redo(Undo):
    """Do undone edits again; a new edit puts them out of reach."""

    name = "redo"
    past = "Redid"
