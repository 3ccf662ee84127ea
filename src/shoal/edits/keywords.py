"""What every call that edits takes besides the edit: who, what was seen, and once only."""

import inspect
from typing import TypedDict, TypeVar, get_type_hints

from shoal.keywords import spell_out

Edited = TypeVar("Edited", bound=type)


class EditKeywords(TypedDict, total=False):
    """Keyword arguments of every call that edits."""

    author: str | None
    seen: int | None
    token: str | None


_ENTRIES = """\
author : str, optional
    A name for the log; that of the `Curation` by default.
seen : int, optional
    The `seq` that the caller had seen: refused with `ConflictError` when one of the clusters was
    changed since.
token : str, optional
    Any text of the caller's own: an edit that is sent again with it is not done twice."""


def explicit_edits(kind: Edited) -> Edited:
    """Spell `EditKeywords` out in the methods of a class that take them."""
    types = get_type_hints(EditKeywords)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=type_)
        for name, type_ in types.items()
    ]
    for method in vars(kind).values():
        if not inspect.isfunction(method):
            continue
        last = list(inspect.signature(method).parameters.values())[-1:]
        if last and last[0].kind is last[0].VAR_KEYWORD and last[0].name == "how":
            spell_out(method, added, _ENTRIES)
    return kind
