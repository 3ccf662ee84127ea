"""An edit of another run could not be done here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.edits.log import Draft
from shoal.edits.operations.base import Operation, Site
from shoal.edits.state import Touched


class Skipped(Operation):
    name = "skipped"

    def plan(self, site: Site, what: str, why: str) -> Draft:
        return Draft(self.name, {"what": what, "why": why})

    def touches(self, state: Any, facts: Any, rows: Any, ground: Any) -> Touched:
        return frozenset()

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        return f"Not carried over: {facts['what']} ({facts['why']})"
