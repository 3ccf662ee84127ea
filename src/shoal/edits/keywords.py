"""What every call that edits takes besides the edit: who, what was seen, and once only."""

from typing import TypedDict


class EditKeywords(TypedDict, total=False):
    """Keyword arguments of every call that edits."""

    author: str | None
    seen: int | None
    token: str | None


ENTRIES = """\
author : str, optional
    A name for the log; that of the `Curation` by default.
seen : int, optional
    The `seq` that the caller had seen: refused with `ConflictError` when one of the clusters was
    changed since.
token : str, optional
    Any text of the caller's own: an edit that is sent again with it is not done twice."""
