"""What in a run folder is not as Shoal writes it: links, pipes, files of other programs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
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
# Besides those of a fit: of earlier versions, of the explorer, of passes on an engine
_OTHER_STAGES = ("places", "leaves", "map", "(predict|eval)-[0-9a-f]{16}")
_FILES = r"run\.toml|\.lock|\.explore\.lock|edits\.sqlite(-journal)?"


def odd_entries(run: Path, stages: Iterable[str]) -> list[str]:
    """Describe each entry of a run folder that Shoal did not write; follow no link.

    `stages`: The names of the stages of a fit.
    """
    if is_remote(run):
        return []
    known = "|".join((*stages, *_OTHER_STAGES))
    folders = (known, _STAGE), (NOTES, _Level(r"\d+\.json"))
    return list(_odd(run, "", _Level(_FILES, folders)))


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
            yield f"{name} is {_SPECIAL.get(kind, 'an unexpected folder')}"
        elif not re.fullmatch(f"{level.files}|{TEMPORARY}", entry.name):
            yield f"{name} is an unexpected file"
        elif status.st_nlink > 1 and not level.linked:
            yield f"{name} has another name elsewhere (a hard link)"
