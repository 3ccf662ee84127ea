"""Rows of a cluster were judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import ArrayLike

from shoal.edits.errors import NotNowError
from shoal.edits.log import Draft, Entry
from shoal.edits.operations.base import ClusterId, Command, Edit, EditContext, Operation, Words
from shoal.edits.rows import row_set
from shoal.edits.state import Answers, State
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits.carry import Carrier

Right = Annotated[ArrayLike, "Rows of the sample that belong to the cluster, such as 17,20-29."]
Wrong = Annotated[ArrayLike, "Rows of the sample that do not."]


class Quiz(Operation):
    name = "quiz"
    commands = (Command("quiz", "Record which rows of a sample belong to their cluster."),)

    def plan(
        self, context: EditContext, cluster: ClusterId, right: Right, wrong: Wrong = ()
    ) -> Draft:
        cluster, n_rows = context.state.existing(cluster), context.fit.n_rows
        answers = {
            answer: row_set(rows, n_rows) if np.size(rows) else np.empty(0, np.int64)
            for answer, rows in (("right", right), ("wrong", wrong))
        }
        both = np.concatenate([*answers.values()])
        judged = row_set(both, n_rows)
        if len(judged) < len(both):
            raise InputError("a row cannot be both right and wrong")
        context.state.refuse_elsewhere(judged, context.fit.deciding(judged), cluster)
        return Draft(self.name, {"cluster": cluster, **{k: v.tolist() for k, v in answers.items()}})

    def apply(self, state: State, edit: Edit) -> State:
        cluster = int(edit.facts["cluster"])
        right, wrong = tuple(edit.facts["right"]), tuple(edit.facts["wrong"])
        answers = Answers(right, wrong, state.sizes[cluster])
        return replace(state, answers={**state.answers, cluster: answers})

    def describe(self, edit: Edit, words: Words) -> str:
        right, wrong = len(edit.facts["right"]), len(edit.facts["wrong"])
        return f"Quiz on {words.cluster(edit.facts['cluster'])}: {right} right, {wrong} wrong"

    def carry(self, carrier: Carrier, entry: Entry, before: State, after: State) -> None:
        target = carrier.found(entry.facts["cluster"], before)
        answers = {}
        for answer in ("right", "wrong"):
            rows = carrier.overlap.rows(np.asarray(entry.facts[answer], np.int64))
            there = carrier.edits.labels_of(rows) == target if len(rows) else slice(0)
            answers[answer] = rows[there]
        if not any(map(len, answers.values())):
            raise NotNowError(f"none of the rows is in cluster {target} now")
        carrier.do(self.name, cluster=target, **answers)
