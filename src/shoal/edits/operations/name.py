"""A cluster gets a name."""

from __future__ import annotations

from typing import Annotated

from shoal.edits.log import Draft
from shoal.edits.names import clean_name, refuse_taken
from shoal.edits.operations.base import (
    ClusterId,
    Command,
    Edit,
    EditContext,
    FieldEdit,
    Words,
    shortened,
)


class Rename(FieldEdit):
    name = "rename"
    field = "name"
    commands = (Command("name", "Name a cluster."),)

    def plan(
        self,
        context: EditContext,
        cluster: ClusterId,
        name: Annotated[str | None, "The name; an empty string removes it."],
    ) -> Draft:
        cluster = context.state.editable(cluster)
        called = clean_name(name) if name is not None and name.strip() else None
        refuse_taken(context.state, called, (cluster,))
        return Draft(self.name, {"cluster": cluster, "name": called})

    def describe(self, edit: Edit, words: Words) -> str:
        name, cluster = edit.facts["name"], words.cluster(edit.facts["cluster"])
        if name is None:
            return f"Took the name off {cluster}"
        return f"Renamed {cluster} to “{shortened(name)}”"
