"""A cluster gets a note."""

from __future__ import annotations

from typing import Annotated

from shoal.edits.log import Draft
from shoal.edits.names import LONGEST_NOTE, stored
from shoal.edits.operations.base import ClusterId, Command, Edit, EditContext, FieldEdit, Words
from shoal.errors import InputError


class Note(FieldEdit):
    name = "note"
    field = "note"
    commands = (Command("note", "Add a note to a cluster."),)

    def plan(
        self,
        context: EditContext,
        cluster: ClusterId,
        note: Annotated[str | None, "The note; an empty string removes it."],
    ) -> Draft:
        cluster = context.state.editable(cluster)
        note = note or ""
        if len(note) > LONGEST_NOTE:
            raise InputError(f"a note of {len(note):,} characters: give at most {LONGEST_NOTE:,}")
        return Draft(self.name, {"cluster": cluster, "note": stored(note)})

    def describe(self, edit: Edit, words: Words) -> str:
        verb = "Wrote a" if edit.facts["note"] else "Removed the"
        return f"{verb} note on {words.cluster(edit.facts['cluster'])}"
