"""Edits begin anew from another cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np

from shoal.core.plural import plural
from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import Command, Edit, EditContext, Operation, Words
from shoal.edits.state import State, first_state

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Start(Operation):
    name = "base"
    commands = (
        Command(
            "start", "Discard the current edits and start from another cut; undo restores them."
        ),
    )
    restarts = True

    def plan(
        self,
        context: EditContext,
        layer: Annotated[int | None, "The layer to start from."] = None,
        k: Annotated[int | None, "The number of clusters to start from."] = None,
    ) -> Draft:
        context.state.refuse_locked(*context.state.clusters)
        chosen = context.fit.result.resolve_k(layer, k)
        return Draft(self.name, {"k": context.fit.base(chosen).k})

    def apply(self, state: State, edit: Edit) -> State:
        return first_state(state.fit.base(int(edit.facts["k"])))

    def describe(self, edit: Edit, words: Words) -> str:
        return f"Restarted from the cut into {plural(edit.facts['k'], 'cluster')}"

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        k = entry.facts["k"]
        layers = carrier.edits.fit.result.layers
        nearest = min((layer.k for layer in layers), key=lambda other: abs(np.log(other / k)))
        carrier.do(self.name, k=nearest)
        carrier.match_all(after)
