"""A cluster is one thing."""

from __future__ import annotations

from dataclasses import replace

from shoal.edits.log import Draft
from shoal.edits.operations.base import ClusterId, Command, Edit, EditContext, Operation, Words
from shoal.edits.state import State


class Whole(Operation):
    name = "whole"
    commands = (Command("whole", "Record that a cluster is one thing and must not be split."),)

    def plan(self, context: EditContext, cluster: ClusterId) -> Draft:
        return Draft(self.name, {"cluster": context.state.existing(cluster)})

    def apply(self, state: State, edit: Edit) -> State:
        return replace(state, whole=state.whole | {int(edit.facts["cluster"])})

    def describe(self, edit: Edit, words: Words) -> str:
        return f"{words.cluster(edit.facts['cluster'])} will not be split"
