"""The name that was probably meant by one that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePath

# One letter in four may differ. Extensions do not count, because all names have the same.
_SIMILARITY = 0.75


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name most similar to `name`, apart from extension and case; None if none is.

    >>> nearest_name("mnsit.npy", ["mnist.npz", "photos"]), nearest_name("a.shoal", ["b.shoal"])
    ('mnist.npz', None)
    """
    stems: dict[str, str] = {}
    for one in names:
        stems.setdefault(PurePath(one).stem.lower(), one)
    close = get_close_matches(PurePath(name).stem.lower(), stems, 1, _SIMILARITY)
    return stems[close[0]] if close else None
