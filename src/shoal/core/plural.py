"""Counts in words."""

from __future__ import annotations

from collections.abc import Sequence


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return a count with its noun, singular or plural.

    >>> plural(1, "cluster"), plural(1200, "row"), plural(2, "copy", "copies")
    ('1 cluster', '1,200 rows', '2 copies')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Write the first of some names.

    >>> listed(list("abcdefg"))
    'a, b, c, d, e and 2 more'
    """
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
