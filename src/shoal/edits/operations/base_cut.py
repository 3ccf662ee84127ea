"""The edits begin anew from another cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from shoal.core.plural import plural
from shoal.edits.base_clusters import Ground
from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import Command, Operation, Site
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
        site: Site,
        layer: Annotated[int | None, "The layer to start from."] = None,
        k: Annotated[int | None, "The number of clusters to start from."] = None,
    ) -> Draft:
        site.state.refuse_locked(*site.state.clusters)
        chosen = site.ground.result.resolve_k(layer, k)
        return Draft(self.name, {"k": site.ground.base(chosen).k})

    def apply(self, state: State, facts: Any, rows: Any, ground: Ground) -> State:
        return first_state(ground.base(int(facts["k"])))

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        return f"Restarted from the cut into {plural(facts['k'], 'cluster')}"

    def carry(self, to: Carrier, entry: Entry, was: State, now: State) -> None:
        k = entry.facts["k"]
        layers = to.after.ground.result.layers
        nearest = min((layer.k for layer in layers), key=lambda other: abs(np.log(other / k)))
        to.do(self.name, k=nearest)
        to.match(now)
