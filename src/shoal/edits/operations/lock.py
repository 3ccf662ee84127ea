"""A cluster refuses edits."""

from __future__ import annotations

from typing import Annotated

from shoal.edits.log import Draft
from shoal.edits.operations.base import ClusterId, Command, Edit, EditContext, FieldEdit, Words
from shoal.errors import InputError


class Lock(FieldEdit):
    name = "lock"
    field = "locked"
    commands = (
        Command("lock", "Forbid edits of a cluster until it is unlocked.", {"locked": True}),
        Command("unlock", "Unlock a cluster.", {"locked": False}),
    )

    def plan(
        self,
        context: EditContext,
        cluster: ClusterId,
        locked: Annotated[bool, "Whether it refuses edits."] = True,
    ) -> Draft:
        cluster = context.state.existing(cluster)
        if context.state.clusters[cluster].locked == locked:
            raise InputError(f"cluster {cluster} is {'' if locked else 'not '}locked already")
        return Draft(self.name, {"cluster": cluster, "locked": locked})

    def describe(self, edit: Edit, words: Words) -> str:
        verb = "Locked" if edit.facts["locked"] else "Unlocked"
        return f"{verb} {words.cluster(edit.facts['cluster'])}"
