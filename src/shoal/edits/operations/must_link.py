"""A cluster is one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from shoal.edits.log import Draft
from shoal.edits.operations.base import ClusterId, Command, Operation, Site
from shoal.edits.state import State


class Whole(Operation):
    name = "whole"
    commands = (Command("whole", "Record that a cluster is one thing and must not be split."),)

    def plan(self, site: Site, cluster: ClusterId) -> Draft:
        return Draft(self.name, {"cluster": site.state.existing(cluster)})

    def apply(self, state: State, facts: Any, rows: Any, ground: Any) -> State:
        return replace(state, whole=state.whole | {int(facts["cluster"])})

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        return f"{called(facts['cluster'])} will not be split"
