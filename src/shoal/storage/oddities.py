"""Entries of a run folder that Shoal did not write: links, pipes, files of other programs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shoal.storage.nofollow import BEGUN, DONE, KIND, NOTES, PART
from shoal.storage.parts import TEMPORARY
from shoal.storage.places import is_remote

_SPECIAL = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True)
class _Level:
    """What a folder may hold: patterns of files, and of folders with what these may hold."""

    files: str
    folders: tuple[tuple[str, _Level], ...] = ()
    linked: bool = False  # runs that rows were added to share their parts (hard links)


_PARTS = _Level(PART.pattern, linked=True)
_STAGE = _Level(re.escape(BEGUN) + "|" + re.escape(DONE), ((KIND, _PARTS),))
_STAGES = (
    "index|features|project|summarise|tree|assign|drift|places|leaves|map"
    "|(predict|eval)-[0-9a-f]{16}"
)
_RUN = _Level(
    r"run\.toml|\.lock|\.explore\.lock|edits\.sqlite(-journal)?",
    ((_STAGES, _STAGE), (NOTES, _Level(r"\d+\.json"))),
)


def odd_entries(run: Path) -> list[str]:
    """Describe each entry of a run folder that Shoal did not write; links are not followed."""
    return [] if is_remote(run) else list(_odd(run, "", _RUN))


def _odd(folder: Path, above: str, level: _Level) -> Iterator[str]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name, status = f"{above}{entry.name}", entry.stat(follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        inner = next(
            (inside for known, inside in level.folders if re.fullmatch(known, entry.name)), None
        )
        if kind == stat.S_IFLNK:
            yield f"{name} is a symbolic link to {os.readlink(entry.path)}"
        elif kind == stat.S_IFDIR and inner:
            yield from _odd(Path(entry.path), f"{name}/", inner)
        elif kind != stat.S_IFREG:
            yield f"{name} is {_SPECIAL.get(kind, 'a folder that no run has')}"
        elif not re.fullmatch(f"{level.files}|{TEMPORARY}", entry.name):
            yield f"{name} is a file that no run has"
        elif status.st_nlink > 1 and not level.linked:
            yield f"{name} has another name elsewhere (a hard link)"
