"""Passes over all rows that refine what a method found from representatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SettingError
from shoal.methods import Partition, Rule
from shoal.methods.gmm import least_variance, shares_of
from shoal.methods.passes import COSTS, moved, pass_sums, sums_shape
from shoal.stages.context import Context
from shoal.stages.method_result import Frame
from shoal.stages.shards import Shards
from shoal.stages.totals import SUMS, drop_totals, total
from shoal.stages.vectors import read_vectors
from shoal.storage import StageFolder, read_npy, write_npy


@dataclass(frozen=True)
class _SumGroup:
    """Sums the usable rows of a group of shards by a rule; see `methods.passes`."""

    shards: Shards
    groups: list[tuple[int, ...]]
    rule: Rule
    frame: Frame | None
    project: StageFolder
    folder: StageFolder
    first: int

    def setup(self) -> None: ...

    def __call__(self, item: int) -> None:
        sums = np.zeros(sums_shape(self.rule))
        for number in self.groups[item]:
            rows = read_vectors(self.project, number)[read_npy(self.project.part("ok", number))]
            sums += pass_sums(self.rule, rows if self.frame is None else self.frame.apply(rows))
        write_npy(self.folder.part(SUMS, self.first + item), sums)


def _task(
    context: Context, rule: Rule, frame: Frame | None, groups: list[tuple[int, ...]], first: int
) -> _SumGroup:
    project, folder = context.stage("project"), context.stage("tree")
    return _SumGroup(context.shards, groups, rule, frame, project, folder, first)


def refined(
    context: Context,
    found: Partition,
    vectors: NDArray,
    weights: NDArray[np.float64],
    values: Mapping[str, Any],
    frame: Frame | None,
) -> Partition:
    """Refine a method's rule with ``values["passes"]`` passes over all rows: Lloyd's or EM steps.

    Sums are merged in group order, so results are identical for any number of workers and on any
    engine.

    Parameters
    ----------
    found, values
        The method's result, and its parameters.
    vectors, weights
        The representatives in the space of the rule, (m, D) and (m,).
    frame
        From the space of the rows to that of the rule.
    """
    assert found.rule is not None  # all methods that take passes have a rule
    rule, folder, costs = found.rule, context.stage("tree"), []
    size = 8 * int(np.prod(sums_shape(rule)))
    if size * (2 + (context.settings.workers or 1)) > context.settings.memory // 2:
        raise SettingError(
            f"passes {values['passes']} needs sums of {size >> 20:,} MiB in each worker for "
            f"{len(rule.centres):,} clusters: leave passes out, or give --set covariance=diagonal, "
            "a smaller K or more memory"
        )
    exact = vectors.astype(np.float64)
    added = least_variance(exact, weights, values.get("ridge", 0.0))
    for number in range(values["passes"]):
        task = partial(_task, context, rule, frame)
        sums = total(context, folder, number, sums_shape(rule), task)
        before, rule = rule, moved(rule, sums, values.get("covariance", ""), added)
        costs.append(float(sums[:, 1].sum()))
        if np.array_equal(before.centres, rule.centres):
            break
    drop_totals(folder)
    labels = rule.assign(vectors)
    used = np.unique(labels)
    rule = rule.only(used.astype(np.int64))
    shares = None if found.memberships is None else shares_of(rule, exact)[0].astype(np.float32)
    note = f"{len(costs)} passes over all rows: {COSTS[rule.kind]} {costs[0]:.6g} before, " + (
        f"{costs[-1]:.6g} before the last." if len(costs) > 1 else "one pass."
    )
    return replace(
        found,
        labels=np.searchsorted(used, labels).astype(np.int32),
        memberships=shares,
        rule=rule,
        notes=(*found.notes, note),
    )
