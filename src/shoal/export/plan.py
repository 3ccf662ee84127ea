"""The plan of a folder export: a unique, safe path for each row."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Unpack

from shoal.errors import InputError
from shoal.export.base import cluster_folder
from shoal.fitted_run import FittedRun
from shoal.keywords import LabelKeywords
from shoal.rows import EncodedSource, ImageSource, Source
from shoal.storage import is_remote

Mode = Literal["copy", "symlink", "hardlink"]
MODES: tuple[Mode, ...] = ("copy", "symlink", "hardlink")

_LONGEST = 200
_FOLDER = 80
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: names that Windows keeps.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Action:
    """The export of one row."""

    row: int
    name: str | None
    cluster: int
    confidence: float
    outlier: bool
    origin: str | None  # absolute path of the row's file, if it is one
    target: str  # relative to the export's folder

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def plan_actions(run: FittedRun, mode: Mode, **cut: Unpack[LabelKeywords]) -> list[Action]:
    """Plan the path of every row that has a cluster.

    Names that would collide, ignoring case, get the row's number. The plan depends only on the run,
    so that an interrupted export can continue.
    """
    source = run.source
    if source.kind != "images" or not isinstance(source, ImageSource):
        raise InputError(
            f"{source.description} are not images, as this export needs: give --as csv or parquet"
        )
    filed = isinstance(source, EncodedSource) and source.path(0) is not None
    if mode not in MODES:
        raise InputError(f"--mode must be one of {', '.join(MODES)}; got {mode}")
    if mode != "copy" and not filed:
        raise InputError(
            f"{source.description} are not local files, which a {mode} needs: give --mode copy"
        )
    actions = list(_actions(run, source, **cut))
    loose = next((action for action in actions if action.origin is None), None)
    if mode != "copy" and loose is not None:
        raise InputError(
            f"{loose.name or f'row {loose.row}'} is not a local file, which a {mode} needs: give "
            "--mode copy"
        )
    return actions


def _actions(run: FittedRun, source: Source, **cut: Unpack[LabelKeywords]) -> Iterator[Action]:
    table, names = run.table(**cut), run.clustering(**cut).names
    folders = {c: cluster_folder(c, safe_name(name, _FOLDER)) for c, name in names.items()}
    columns = ("row", "name", "cluster", "confidence", "outlier")
    values = [table[column].to_pylist() for column in columns]
    width = len(str(max(source.n_rows - 1, 0)))
    taken: set[str] = set()
    for row, name, cluster, confidence, outlier in zip(*values, strict=True):
        if cluster is None or cluster < 0:
            continue
        origin, file_name = _origin(source, row, name, width)
        target = f"{folders.get(cluster) or cluster_folder(cluster)}/{file_name}"
        target = free_name(target, row, taken)
        yield Action(row, name, cluster, float(confidence), bool(outlier), origin, target)


def _origin(source: Source, row: int, name: str | None, width: int) -> tuple[str | None, str]:
    path = source.path(row) if isinstance(source, EncodedSource) else None
    if path is not None and not is_remote(path):
        return os.path.abspath(path), safe_name(path.name)
    if isinstance(source, EncodedSource):
        return None, safe_name(source.file_name(row, name))
    return None, f"row-{row:0{width}d}.png"


def safe_name(name: str, longest: int = _LONGEST) -> str:
    """Return a file name valid on every system: no control or reserved characters, not too long.

    >>> safe_name("a:b?.jpg"), safe_name(".hidden.png"), safe_name("CON.gif"), safe_name("é.png")
    ('a_b_.jpg', '_.hidden.png', '_CON.gif', 'é.png')
    """
    name = re.sub("[\ud800-\udc7f\udd00-\udfff]", "_", name)  # no bytes of any name
    clean = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    clean = re.sub(r'[\x00-\x1f\x7f<>:"/\\|?*\ufffd]', "_", clean).rstrip(". ") or "_"
    if clean.startswith((".", "-")) or _RESERVED.fullmatch(clean):
        clean = f"_{clean}"
    stem, ending = os.path.splitext(clean)
    room = longest - len(ending.encode())
    if len(clean.encode()) > longest:
        stem = stem.encode()[: max(room, 1)].decode("utf-8", "ignore")
    return f"{stem}{ending}" if room > 0 else clean.encode()[:longest].decode("utf-8", "ignore")


def free_name(target: str, row: int, taken: set[str]) -> str:
    """Return a path that is not taken, ignoring case, and add it to `taken`."""
    stem, ending = os.path.splitext(target)
    found, more = target, 0
    while found.casefold() in taken:
        found = f"{stem}~{row}{f'-{more}' if more else ''}{ending}"
        more += 1
    taken.add(found.casefold())
    return found
