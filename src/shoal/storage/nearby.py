"""What was perhaps meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePath

# One letter in four may differ; an extension that all names have makes none alike.
_LIKE = 0.75


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is most like `name` but for extension and case, if any is.

    >>> nearest_name("mnsit.npy", ["mnist.npz", "photos"]), nearest_name("a.shoal", ["b.shoal"])
    ('mnist.npz', None)
    """
    stems: dict[str, str] = {}
    for one in names:
        stems.setdefault(PurePath(one).stem.lower(), one)
    close = get_close_matches(PurePath(name).stem.lower(), stems, 1, _LIKE)
    return stems[close[0]] if close else None
