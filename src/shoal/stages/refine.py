"""Passes over all rows that move the centres of k-means, which were found by representatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoal.methods import Partition, Rule
from shoal.stages.base import Context, Shards, read_vectors
from shoal.storage import StageFolder, delete, read_npy, write_npy

_PART = "pass_sums"


@dataclass(frozen=True)
class _SumGroup:
    """Sums the rows of a group of shards by their nearest centre: (K, d + 2) float64.

    The last two columns are the rows, and their squared distances to the centre.
    """

    shards: Shards
    groups: list[tuple[int, ...]]
    centres: NDArray[np.float64]
    project: StageFolder
    folder: StageFolder
    number: int

    def setup(self) -> None:
        """Nothing to load: the centres are few."""

    def __call__(self, item: int) -> None:
        k, d = self.centres.shape
        sums, rule = np.zeros((k, d + 2)), Rule("euclidean", self.centres)
        for number in self.groups[item]:
            rows = read_vectors(self.project, number)[read_npy(self.project.part("ok", number))]
            own, rows = rule.assign(rows), rows.astype(np.float64)
            for at in range(d):
                sums[:, at] += np.bincount(own, rows[:, at], minlength=k)
            sums[:, d] += np.bincount(own, minlength=k)
            apart = ((rows - self.centres[own]) ** 2).sum(axis=1)
            sums[:, d + 1] += np.bincount(own, apart, minlength=k)
        write_npy(self.folder.part(f"{_PART}_{self.number}", item), sums)


def refined(
    context: Context, found: Partition, vectors: NDArray[np.float32], passes: int
) -> Partition:
    """Move the centres to the means of the rows nearest to them, `passes` times (Lloyd 1982).

    Sums are merged in the order of the groups, so the bytes are the same for any number of workers
    and on any engine. A centre without rows stays.
    """
    assert found.rule is not None  # k-means has one
    centres, folder = found.rule.centres, context.stage("tree")
    groups, costs = context.shards.groups(8 * (centres.size + 2 * len(centres))), []
    for number in range(passes):
        kind = f"{_PART}_{number}"
        project = context.stage("project")
        task = _SumGroup(context.shards, groups, centres, project, folder, number)
        context.each_group(task, groups, lambda kind=kind: folder.numbers(kind), counted=False)  # type: ignore[misc]
        sums = np.zeros((len(centres), centres.shape[1] + 2))
        for path in folder.parts(kind):
            sums += read_npy(path)
        rows = sums[:, -2:-1]
        moved = np.where(rows > 0, sums[:, :-2] / np.maximum(rows, 1), centres)
        costs.append(float(sums[:, -1].sum()))
        still, centres = np.array_equal(moved, centres), moved
        if still:
            break
    for kind in [kind for kind in folder.kinds() if kind.startswith(_PART)]:
        for path in folder.parts(kind):
            delete(path)
    rule = Rule("euclidean", centres)
    labels = rule.assign(vectors)
    used = np.unique(labels)
    note = f"{len(costs)} passes over all rows: inertia {costs[0]:.6g} before, " + (
        f"{costs[-1]:.6g} before the last." if len(costs) > 1 else "one pass."
    )
    return replace(
        found,
        labels=np.searchsorted(used, labels).astype(np.int32),
        rule=rule.only(used.astype(np.int64)),
        notes=(*found.notes, note),
    )
