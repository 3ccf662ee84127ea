"""The files that a source of a few large files reads: archives, tables, arrays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from shoal.rows.base import Source
from shoal.storage import is_remote

Origin = tuple[str, int, int, str | None]
"""Name, bytes, time in nanoseconds, and the real path if a symbolic link leads to it."""


def origins(source: Source) -> list[Origin]:
    """Return the current state of a source's files, in its order; none for a folder of images."""
    paths = [Path(os.path.abspath(path)) for path in dict.fromkeys(_paths(source))]
    if not paths:
        return []
    # Links on the way to their common folder are the user's own choice.
    above = os.path.commonpath([path.parent for path in paths])
    return [_origin(path, above, os.path.realpath(above)) for path in paths]


def _paths(part: Any) -> Iterator[Path]:
    if isinstance(part, tuple | list):
        for inner in part:
            yield from _paths(inner)
    elif hasattr(part, "large_files"):
        yield from (path for path in part.large_files if not is_remote(path))
    elif is_dataclass(part) and not (is_remote(part) or isinstance(part, type)):
        for field in fields(part):
            value = getattr(part, field.name)
            if field.name == "path" and isinstance(value, Path):
                yield value
            elif field.name != "beside":  # labels are not what was fitted
                yield from _paths(value)


def _origin(path: Path, above: str, really: str) -> Origin:
    name, real = os.path.relpath(path, above), os.path.realpath(path)
    link = None if real == os.path.join(really, name) else real
    try:
        found = os.stat(path)
    except OSError:
        return name, -1, 0, link
    return name, found.st_size, found.st_mtime_ns, link
