"""Several clusters become one of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from shoal.edits.errors import NotNowError
from shoal.edits.log import Draft, Entry
from shoal.edits.names import clean_name, proposed, refuse_taken
from shoal.edits.operations.base import Command, Edit, EditContext, NewIds, Operation, Words
from shoal.edits.state import State

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Merge(Operation):
    name = "merge"
    commands = (Command("merge", "Merge clusters into the largest one, or into --into."),)

    def plan(
        self,
        context: EditContext,
        clusters: Annotated[list[int], "Two or more cluster ids."],
        into: Annotated[int | None, "The cluster whose id is kept; by default the largest."] = None,
        name: Annotated[str | None, "Name of the merged cluster."] = None,
    ) -> Draft:
        merge = proposed(context.state, clusters, into)
        context.state.refuse_locked(*merge.clusters)
        called = merge.name
        if name is not None:
            called = clean_name(name)
            refuse_taken(context.state, called, merge.clusters)
        facts = {"clusters": merge.clusters, "into": merge.into, "name": called, "note": merge.note}
        return Draft(self.name, facts)

    def apply(self, state: State, edit: Edit) -> State:
        into, clusters = int(edit.facts["into"]), tuple(edit.facts["clusters"])
        gone = tuple(c for c in clusters if c != into)
        renamed = np.arange(max(state.clusters) + 1, dtype=np.int32)
        renamed[list(gone)] = into
        pairs = [tuple(sorted(into if c in gone else c for c in pair)) for pair in state.apart]
        return state.changed(
            replace(state.clusters[into], name=edit.facts["name"], note=edit.facts["note"]),
            gone=gone,
            stale=(into,),
            of_representative=renamed[state.of_representative],
            row_cluster=renamed[state.row_cluster] if len(state.rows) else state.row_cluster,
            apart=frozenset((a, b) for a, b in pairs if a != b),
            whole=state.whole - set(clusters),
        )

    def describe(self, edit: Edit, words: Words) -> str:
        gone = [words.cluster(c) for c in edit.facts["clusters"] if c != edit.facts["into"]]
        together = " and ".join([", ".join(gone[:-1]), gone[-1]] if gone[1:] else gone)
        return f"Merged {together} into {words.cluster(edit.facts['into'])}"

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        facts = edit.facts
        clusters = [new_id(c) for c in facts["clusters"]]
        return {"clusters": clusters, "into": new_id(facts["into"]), "name": facts["name"]}

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        facts = entry.facts
        union = np.isin(before.of_representative, facts["clusters"])
        found = self._found(carrier, entry, before, union)
        for cluster in facts["clusters"]:
            carrier.ids.pop(cluster, None)
        if len(found) < 2:
            carrier.match(facts["into"], union)
            raise NotNowError("fewer than two of its clusters are left to merge")
        targets = list(dict.fromkeys(found.values()))
        into = found.get(facts["into"], targets[0])
        carrier.ids[facts["into"]] = into
        if len(targets) > 1:
            carrier.do("merge", clusters=targets, into=into)
        name = facts["name"]
        if name is not None and carrier.edits.state.clusters[into].name != name:
            carrier.do("rename", cluster=into, name=name)
        if len(targets) == 1:
            raise NotNowError(f"cluster {into} of the new fit has them together already")

    def _found(self, carrier: Carrier, entry: Entry, before: State, union: Any) -> dict[int, int]:
        """Map each merged cluster to the new cluster that holds most of its rows.

        A merged cluster is skipped, with a note, if there is none, or if that one consists mostly
        of rows that were not merged.
        """
        of_union, _, own = carrier.spread(union)
        found: dict[int, int] = {}
        for cluster in entry.facts["clusters"]:
            try:
                target = carrier.holder(cluster, before)
                if target in of_union and 2 * of_union[target] <= own[target]:
                    share = 100 * of_union[target] / own[target]
                    raise NotNowError(
                        f"most of its rows are in cluster {target} now, of which only "
                        f"{share:.0f}% were merged"
                    )
                found[cluster] = target
            except NotNowError as error:
                carrier.skip(f"{entry.describe()}: cluster {cluster}", str(error))
        return found
