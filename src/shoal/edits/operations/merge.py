"""Several clusters become one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from shoal.edits.errors import NotNowError
from shoal.edits.log import Draft, Entry
from shoal.edits.names import clean_name, proposed, refuse_taken
from shoal.edits.operations.base import Command, Operation, Site
from shoal.edits.state import State

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier


class Merge(Operation):
    name = "merge"
    commands = (Command("merge", "Merge clusters into the largest one, or into --into."),)

    def plan(
        self,
        site: Site,
        clusters: Annotated[list[int], "Two or more cluster ids."],
        into: Annotated[int | None, "The cluster whose id is kept; by default the largest."] = None,
        name: Annotated[str | None, "Name of the merged cluster."] = None,
    ) -> Draft:
        merge = proposed(site.state, clusters, into)
        site.state.refuse_locked(*merge.clusters)
        called = merge.name
        if name is not None:
            called = clean_name(name)
            refuse_taken(site.state, called, merge.clusters)
        facts = {"clusters": merge.clusters, "into": merge.into, "name": called, "note": merge.note}
        return Draft(self.name, facts)

    def apply(self, state: State, facts: Any, rows: Any, ground: Any) -> State:
        into, clusters = int(facts["into"]), tuple(facts["clusters"])
        gone = tuple(c for c in clusters if c != into)
        renamed = np.arange(max(state.clusters) + 1, dtype=np.int32)
        renamed[list(gone)] = into
        pairs = [tuple(sorted(into if c in gone else c for c in pair)) for pair in state.apart]
        return state.changed(
            replace(state.clusters[into], name=facts["name"], note=facts["note"]),
            gone=gone,
            stale=(into,),
            of_representative=renamed[state.of_representative],
            row_cluster=renamed[state.row_cluster] if len(state.rows) else state.row_cluster,
            apart=frozenset((a, b) for a, b in pairs if a != b),
            whole=state.whole - set(clusters),
        )

    def describe(self, facts: Any, called: Callable[[int], str], noun: str) -> str:
        gone = [called(c) for c in facts["clusters"] if c != facts["into"]]
        together = " and ".join([", ".join(gone[:-1]), gone[-1]] if gone[1:] else gone)
        return f"Merged {together} into {called(facts['into'])}"

    def request(self, facts: Any, rows: Any, called: Callable[[int], int]) -> dict[str, Any]:
        clusters = [called(c) for c in facts["clusters"]]
        return {"clusters": clusters, "into": called(facts["into"]), "name": facts["name"]}

    def carry(self, to: Carrier, entry: Entry, was: State, now: State) -> None:
        facts = entry.facts
        union = np.isin(was.of_representative, facts["clusters"])
        found = self._found(to, entry, was, union)
        for cluster in facts["clusters"]:
            to.ids.pop(cluster, None)
        if len(found) < 2:
            to.know(facts["into"], union)
            raise NotNowError("fewer than two of its clusters are left to merge")
        targets = list(dict.fromkeys(found.values()))
        into = found.get(facts["into"], targets[0])
        to.ids[facts["into"]] = into
        if len(targets) > 1:
            to.do("merge", clusters=targets, into=into)
        name = facts["name"]
        if name is not None and to.after.state.clusters[into].name != name:
            to.do("rename", cluster=into, name=name)
        if len(targets) == 1:
            raise NotNowError(f"cluster {into} of the new fit has them together already")

    def _found(self, to: Carrier, entry: Entry, was: State, union: Any) -> dict[int, int]:
        """Return the new clusters of the merged ones that are of their rows for the most part."""
        of_union, _, own = to.spread(union)
        found: dict[int, int] = {}
        for cluster in entry.facts["clusters"]:
            try:
                target = to.holder(cluster, was)
                if target in of_union and 2 * of_union[target] <= own[target]:
                    share = 100 * of_union[target] / own[target]
                    raise NotNowError(
                        f"most of its rows are in cluster {target} now, of which only "
                        f"{share:.0f} % were merged"
                    )
                found[cluster] = target
            except NotNowError as error:
                to.skip(f"{entry.describe()}: cluster {cluster}", str(error))
        return found
