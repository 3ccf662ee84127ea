"""Some representatives of a cluster become a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import ClusterId, Edit, EditContext, NewIds, Operation, Words
from shoal.edits.operations.split import carry_parts
from shoal.edits.rows import row_set
from shoal.edits.state import Cluster, State
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Divide(Operation):
    name = "divide"

    def plan(self, context: EditContext, cluster: ClusterId, representatives: ArrayLike) -> Draft:
        state = context.state
        cluster = state.editable(cluster)
        chosen = row_set(representatives, len(state.of_representative))
        mine = state.of_representative == cluster
        if not mine[chosen].all():
            wrong = chosen[~mine[chosen]][0]
            raise InputError(f"representative {wrong} is not in cluster {cluster}")
        taken = int(state.own_rows[chosen].sum())
        if taken in (0, state.sizes[cluster]):
            share = "none" if not taken else "all"
            raise InputError(
                f"the chosen representatives hold {share} of the rows of cluster {cluster}"
            )
        return Draft(self.name, {"cluster": cluster, "id": context.next_id}, chosen)

    def apply(self, state: State, edit: Edit) -> State:
        cluster, new = int(edit.facts["cluster"]), int(edit.facts["id"])
        labels = state.of_representative.copy()
        labels[edit.rows] = new
        goes = (state.row_cluster == cluster) & ~state.foreign & np.isin(state.row_place, edit.rows)
        return state.changed(
            Cluster(new),
            stale=(cluster,),
            of_representative=labels,
            row_cluster=np.where(goes, np.int32(new), state.row_cluster),
            whole=state.whole - {cluster},
        )

    def describe(self, edit: Edit, words: Words) -> str:
        return f"Took cluster {edit.facts['id']} out of {words.cluster(edit.facts['cluster'])}"

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        return {"cluster": new_id(edit.facts["cluster"]), "representatives": edit.rows}

    def created(self, edit: Edit) -> list[int]:
        return [edit.facts["id"]]

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        carry_parts(carrier, entry, before, after, self.created(entry))
