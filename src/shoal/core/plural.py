"""Counts in words."""

from __future__ import annotations


def plural(count: int, noun: str, many: str | None = None) -> str:
    """Return a count with its noun, singular or plural.

    >>> plural(1, "cluster"), plural(1200, "row"), plural(2, "copy", "copies")
    ('1 cluster', '1,200 rows', '2 copies')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"
