"""Patterns for several paths: ``shard-{000..010}.tar``, ``*.tar``."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from shoal.errors import SourceError
from shoal.rows.images.listing import natural_key
from shoal.storage import as_place

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"([0-9]+)\.\.([0-9]+)")
_MOST = 1_000_000


def is_pattern(text: str) -> bool:
    """Return whether a text is a pattern for several paths rather than a path.

    >>> is_pattern("shard-{000..010}.tar"), is_pattern("a/*.tar"), is_pattern("a.tar")
    (True, True, False)
    """
    if "://" in text:
        return bool(_BRACES.search(text) or _has_magic(text))
    return bool(_BRACES.search(text) or glob.has_magic(text)) and not os.path.lexists(text)


def expand(text: str) -> list[Path]:
    """Return the paths of a pattern.

    ``{000..010}`` and ``{a,b}`` are expanded in that order, as in a shell, and each path must
    exist; ``*``, ``?`` and ``[…]`` in natural order must match at least one.
    """
    paths: list[Path] = []
    for one in braces(text):
        if "://" in one:
            paths.extend(_in_store(one))
            continue
        if glob.has_magic(one):
            found = sorted(glob.glob(one, recursive=True), key=natural_key)
            if not found:
                raise SourceError(f"{one} matches nothing: check the folder and the pattern")
        else:
            found = [one]
            if not os.path.exists(one):
                raise SourceError(f"{one} does not exist, but {text} includes it")
        paths.extend(Path(name) for name in found)
    return paths


def has_wildcard(text: str) -> bool:
    """Return whether a pattern matches existing files (``*``), not a fixed list (``{1..9}``).

    >>> has_wildcard("photos/*"), has_wildcard("shard-{000..010}.tar")
    (True, False)
    """
    return _has_magic(text) if "://" in text else glob.has_magic(text)


def _has_magic(url: str) -> bool:
    """Return whether an address has wildcards; in a web address ``?`` begins the query."""
    return "*" in url or ("?" in url and not url.startswith(("http://", "https://")))


def _in_store(url: str) -> list[Path]:
    """Return the files of an address; one without wildcards need not exist."""
    if not _has_magic(url):
        return [as_place(url)]
    folder, _, name = url.rpartition("/")
    if _has_magic(folder):
        raise SourceError(f"{url} has a pattern in a folder name: use one only in the file name")
    found = sorted(as_place(folder).glob(name), key=lambda path: natural_key(path.name))
    if not found:
        raise SourceError(f"{url} matches nothing: check the folder and the pattern")
    return found


def stem(text: str) -> str:
    """Return a name for the files of a pattern.

    >>> stem("data/shard-{000..010}.tar"), stem("*.tar")
    ('shard', '')
    """
    name = re.split(r"[{*?\[]", os.path.basename(text))[0]
    return name.rstrip("-_. ")


def braces(text: str) -> list[str]:
    """Expand ``{000..010}`` and ``{a,b}``, the last one varying fastest.

    >>> braces("x-{08..10}.tar"), braces("{a,b}{1..2}")
    (['x-08.tar', 'x-09.tar', 'x-10.tar'], ['a1', 'a2', 'b1', 'b2'])
    """
    match = _BRACES.search(text)
    if match is None:
        return [text]
    before, after = text[: match.start()], braces(text[match.end() :])
    inner = _inner(match[1], text)
    if len(inner) * len(after) > _MOST:
        raise SourceError(f"{text} expands to more than {_MOST:,} paths")
    return [f"{before}{one}{rest}" for one in inner for rest in after]


def _inner(inside: str, text: str) -> list[str]:
    span = _RANGE.fullmatch(inside)
    if span is None:
        return inside.split(",") if "," in inside else ["{" + inside + "}"]
    low, high = int(span[1]), int(span[2])
    if abs(high - low) >= _MOST:
        raise SourceError(f"{text} expands to more than {_MOST:,} paths")
    padded = any(len(end) > 1 and end.startswith("0") for end in (span[1], span[2]))
    width = max(len(span[1]), len(span[2])) if padded else 0
    step = 1 if high >= low else -1
    return [f"{number:0{width}d}" for number in range(low, high + step, step)]
