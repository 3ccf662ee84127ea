"""Assign: the places of added rows; those of the earlier run keep theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from shoal.stages.assign import VERSION, assign_rows
from shoal.stages.base import Context, Stage
from shoal.stages.fitted import Fitted
from shoal.stages.growth.grown import Grown
from shoal.stages.growth.judging import kept_rows
from shoal.stages.result import Result
from shoal.storage import StageFolder

_WHOLE = ("ids", "held_out_place", "held_out_scores")


@dataclass(frozen=True)
class _Kept:
    """Puts back what was said of rows of the earlier run that are as they were."""

    grown: Grown
    project: StageFolder

    def __call__(self, number: int, columns: dict[str, NDArray]) -> None:
        kept = kept_rows(self.grown, self.project, number, len(columns["margin"]))
        if not kept.any():
            return
        for name, column in columns.items():
            (before,) = self.grown.before.read_shard(number, name)
            mine = kept[: len(before)]
            column[: len(mine)][mine] = before[mine]


def _work(context: Context) -> dict[str, Any]:
    grown, result = context.added_to, Result(context.run)
    grown.take_over(
        context.stage("assign"),
        lambda kind, number: kind in _WHOLE if number is None else grown.keeps(number),
    )
    limits = None
    if result.fitted_rows_are_representatives:  # which are at no distance from themselves
        labels = result.tree.labels(result.primary.k)
        limits = Fitted(grown.before).limits(labels)[labels]
    extends = grown.before if grown.kept else None
    keep = _Kept(grown, context.stage("project"))
    return assign_rows(context, extends, coded=False, limits=limits, keep=keep)[0]


STAGE = Stage(
    "assign", ("project", "summarise", "tree"), lambda _: {**VERSION, "previous": None}, _work
)
