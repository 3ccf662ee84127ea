"""Two clusters are not the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shoal.edits.log import Draft
from shoal.edits.operations.base import ClusterId, Command, Operation, Site
from shoal.edits.state import State
from shoal.errors import InputError


class Apart(Operation):
    name = "apart"
    commands = (Command("apart", "Record that two clusters are different and must not be merged."),)

    def plan(self, site: Site, a: ClusterId, b: ClusterId) -> Draft:
        pair = sorted((site.state.existing(a), site.state.existing(b)))
        if pair[0] == pair[1]:
            raise InputError(f"cluster {a} and itself: give two clusters")
        return Draft(self.name, {"clusters": pair})

    def apply(self, state: State, facts: Any, rows: Any, ground: Any) -> State:
        a, b = sorted(facts["clusters"])
        return replace(state, apart=state.apart | {(a, b)})

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        one, other = map(called, facts["clusters"])
        return f"{one} and {other} will not be merged"

    def request(self, facts: Any, rows: Any, called: Callable[[int], int]) -> dict[str, Any]:
        a, b = map(called, facts["clusters"])
        return {"a": a, "b": b}
