"""The edits, one file each, by the name of its command; a new one is one more line here."""

from __future__ import annotations

from shoal.edits.operations.apart import Apart
from shoal.edits.operations.base import EditContext, Operation
from shoal.edits.operations.confirm import Confirm
from shoal.edits.operations.divide import Divide
from shoal.edits.operations.lock import Lock
from shoal.edits.operations.mark import Mark
from shoal.edits.operations.merge import Merge
from shoal.edits.operations.move import Move
from shoal.edits.operations.name import Rename
from shoal.edits.operations.note import Note
from shoal.edits.operations.quiz import Quiz
from shoal.edits.operations.skipped import Skipped
from shoal.edits.operations.split import Split
from shoal.edits.operations.start import Start
from shoal.edits.operations.steps import Redo, Undo
from shoal.edits.operations.whole import Whole

__all__ = ["OPERATIONS", "EditContext", "Operation"]

OPERATIONS: dict[str, Operation] = {
    one.name: one
    for one in (
        Merge(),
        Split(),
        Divide(),
        Move(),
        Rename(),
        Note(),
        Mark(),
        Lock(),
        Apart(),
        Whole(),
        Confirm(),
        Quiz(),
        Start(),
        Undo(),
        Redo(),
        Skipped(),
    )
}
"""By the name that each has in the log."""
