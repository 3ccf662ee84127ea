"""Some representatives of a cluster become a new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import ClusterId, Operation, Site
from shoal.edits.operations.split import carry_parts
from shoal.edits.rows import row_set
from shoal.edits.state import Cluster, State
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Divide(Operation):
    name = "divide"

    def plan(self, site: Site, cluster: ClusterId, representatives: ArrayLike) -> Draft:
        state = site.state
        cluster = state.editable(cluster)
        chosen = row_set(representatives, len(state.of_representative))
        mine = state.of_representative == cluster
        if not mine[chosen].all():
            wrong = chosen[~mine[chosen]][0]
            raise InputError(f"representative {wrong} is not in cluster {cluster}")
        taken = int(state.own_rows[chosen].sum())
        if taken in (0, state.sizes[cluster]):
            share = "none" if not taken else "all"
            raise InputError(f"they hold {share} of cluster {cluster}'s rows")
        return Draft(self.name, {"cluster": cluster, "id": site.fresh}, chosen)

    def apply(self, state: State, facts: Any, rows: Any, ground: Any) -> State:
        cluster, new = int(facts["cluster"]), int(facts["id"])
        labels = state.of_representative.copy()
        labels[rows] = new
        goes = (state.row_cluster == cluster) & ~state.foreign & np.isin(state.row_place, rows)
        return state.changed(
            Cluster(new),
            stale=(cluster,),
            of_representative=labels,
            row_cluster=np.where(goes, np.int32(new), state.row_cluster),
            whole=state.whole - {cluster},
        )

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        return f"Took cluster {facts['id']} out of {called(facts['cluster'])}"

    def request(self, facts: Any, rows: Any, called: Callable[[int], int]) -> dict[str, Any]:
        return {"cluster": called(facts["cluster"]), "representatives": rows}

    def made(self, facts: Any) -> list[int]:
        return [facts["id"]]

    def carry(self, to: Carrier, entry: Entry, was: State, now: State) -> None:
        carry_parts(to, entry, was, now, [entry.facts["cluster"], *self.made(entry.facts)])
