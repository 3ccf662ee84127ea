"""A cluster is judged as good or as junk."""

from __future__ import annotations

from typing import Annotated

from shoal.edits.log import Draft
from shoal.edits.operations.base import ClusterId, Command, Edit, EditContext, FieldEdit, Words
from shoal.errors import InputError

MARKS = ("good", "junk")


class Mark(FieldEdit):
    name = "mark"
    field = "mark"
    commands = (
        Command("good", "Mark a cluster as good.", {"mark": "good"}),
        Command("junk", "Mark a cluster as junk.", {"mark": "junk"}),
        Command("unmark", "Mark a cluster as neither good nor junk.", {"mark": None}),
    )

    def plan(
        self, context: EditContext, cluster: ClusterId, mark: Annotated[str | None, "good or junk."]
    ) -> Draft:
        cluster = context.state.editable(cluster)
        if mark is not None and mark not in MARKS:
            raise InputError(f"mark {mark!r:.60}: give one of {', '.join(MARKS)}, or none")
        return Draft(self.name, {"cluster": cluster, "mark": mark})

    def describe(self, edit: Edit, words: Words) -> str:
        mark, cluster = edit.facts["mark"], words.cluster(edit.facts["cluster"])
        return f"Marked {cluster} as {mark}" if mark else f"Took the mark off {cluster}"
