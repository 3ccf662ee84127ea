"""One cluster falls into pieces of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.null import REAL
from shoal.core.tree import Tree
from shoal.edits.base_fit import BaseFit
from shoal.edits.errors import NotNowError
from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import (
    ClusterId,
    Command,
    Edit,
    EditContext,
    NewIds,
    Operation,
    Words,
)
from shoal.edits.state import Cluster, State, whole_number
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier

# Parts that a split without a number makes at most: what a person can look through at once.
_MOST_OWN = 12


class Split(Operation):
    name = "split"
    commands = (Command("split", "Split a cluster along the tree; the largest part keeps the id."),)

    def plan(
        self,
        context: EditContext,
        cluster: ClusterId,
        parts: Annotated[int | None, "Number of parts; by default chosen from the tree."] = None,
    ) -> Draft:
        state, fit = context.state, context.fit
        cluster = state.editable(cluster)
        positions, counts = splitting(state, cluster, fit.position)
        ranks = splits_under(fit, positions)
        if parts is None:
            wanted = own_parts(fit.tree, ranks, cluster)
        else:
            wanted = whole_number(parts, "parts")
        if not 2 <= wanted <= len(ranks) + 1:
            at_most = f"it has {len(ranks) + 1} pieces in the tree"
            rule = f"give 2 to {len(ranks) + 1}" if len(ranks) else "take rows out of it instead"
            raise InputError(f"cluster {cluster} into {wanted} parts, but {at_most}: {rule}")
        cuts = np.sort(fit.tree.splits[ranks[: wanted - 1]])
        at = np.searchsorted(cuts, positions, side="right")
        sizes = np.zeros(wanted, np.int64)
        np.add.at(sizes, at, counts)
        ids = np.empty(wanted, np.int64)
        largest_first = np.argsort(-sizes, kind="stable")
        ids[largest_first] = [cluster, *range(context.next_id, context.next_id + wanted - 1)]
        return Draft(self.name, {"cluster": cluster, "cuts": cuts.tolist(), "ids": ids.tolist()})

    def apply(self, state: State, edit: Edit) -> State:
        cluster, ids = int(edit.facts["cluster"]), np.asarray(edit.facts["ids"], np.int32)
        cuts = np.asarray(edit.facts["cuts"], np.int64)
        part = ids[np.searchsorted(cuts, state.fit.position, side="right")]
        labels = np.where(state.of_representative == cluster, part, state.of_representative)
        anchored = bool(((state.of_representative == cluster) & (state.own_rows > 0)).any())
        moved = state.row_cluster == cluster
        # Rows that were moved in from elsewhere have no place among the pieces: they stay.
        goes = moved & ~state.foreign if anchored else moved
        return state.changed(
            *(Cluster(int(c)) for c in ids if c != cluster),
            stale=(cluster,),
            of_representative=labels,
            row_cluster=np.where(goes, part[state.row_place], state.row_cluster),
            whole=state.whole - {cluster},
        )

    def describe(self, edit: Edit, words: Words) -> str:
        return (
            f"Split {words.cluster(edit.facts['cluster'])} into {len(edit.facts['ids'])} clusters"
        )

    def request(self, edit: Edit, new_id: NewIds) -> dict[str, Any]:
        return {"cluster": new_id(edit.facts["cluster"]), "parts": len(edit.facts["ids"])}

    def created(self, edit: Edit) -> list[int]:
        return list(edit.facts["ids"])

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        carry_parts(carrier, entry, before, after, self.created(entry))


def carry_parts(
    carrier: Carrier, entry: Entry, before: State, after: State, ids: list[int]
) -> None:
    """Separate the parts of a cluster, one by one, where they are in one cluster."""
    cluster = entry.facts["cluster"]
    if cluster not in carrier.ids:
        raise NotNowError(carrier.why_gone(cluster, before))
    mine = before.of_representative == cluster
    for part in sorted(ids):  # a number that is less than one given before is not free
        if part == cluster:
            continue
        try:
            _carry_part(carrier, part, mine & (after.of_representative == part))
        except InputError as error:
            carrier.skip(f"{entry.describe()}: the part {part}", str(error))


def _carry_part(carrier: Carrier, part: int, old: NDArray[np.bool_]) -> None:
    there, total, own = carrier.spread(old)
    best = max(there, key=lambda c: there[c], default=-1)
    if best < 0 or 2 * there[best] <= total:
        raise NotNowError("its rows are spread over several clusters of the new fit")
    if 2 * there[best] > own[best]:
        carrier.ids[part] = best
        raise NotNowError(f"it is cluster {best} of the new fit already")
    shared = carrier.overlap.shared(old)
    labels = carrier.edits.state.of_representative
    chosen = np.flatnonzero((labels == best) & (2 * shared > carrier.overlap.known))
    if not len(chosen):
        raise NotNowError("no representative of the new fit stands for its rows")
    done = carrier.do("divide", cluster=best, representatives=chosen, wanted=part)
    carrier.ids[part] = done.facts["id"]


def splitting(
    state: State, cluster: int, position: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what a split by the tree goes by: positions in leaf order, and rows at each.

    They are those of the cluster's representatives that hold rows in it; where it has none, being
    made of moved rows only, those of the rows' own representatives.
    """
    mine = np.flatnonzero((state.of_representative == cluster) & (state.own_rows > 0))
    if len(mine):
        return position[mine], state.own_rows[mine]
    places, counts = np.unique(state.row_place[state.row_cluster == cluster], return_counts=True)
    return position[places], counts


def splits_under(fit: BaseFit, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the ranks of the splits that tell some leaves of the tree apart, ascending.

    Between two leaves that follow each other, of those given, the most telling split in between
    counts; so the first one parts what the tree parts first, and so on.
    """
    at = np.sort(positions)
    if len(at) < 2:
        return np.empty(0, np.int64)
    between = np.minimum.reduceat(fit.rank[: at[-1] + 1], at[:-1] + 1)
    return np.sort(between)


def own_parts(tree: Tree, ranks: NDArray[np.int64], cluster: int) -> int:
    """Choose how many parts the tree itself marks in a cluster: up to the widest gap."""
    excess = tree.excess[ranks[: _MOST_OWN - 1]].astype(np.float64)
    excess = excess[np.isfinite(excess)]
    if not len(excess):
        raise InputError(
            f"the tree suggests no split of cluster {cluster}: give the number of parts"
        )
    ends = np.append(excess[1:], min(REAL, float(excess[-1])))
    return 2 + int((excess - ends).argmax())
