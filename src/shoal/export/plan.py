"""The plan of a folder export: which row goes where, under a safe name of its own."""

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
from shoal.rows import Encoded, ImageSource, Source
from shoal.storage import is_remote

Mode = Literal["copy", "symlink", "hardlink"]
MODES: tuple[Mode, ...] = ("copy", "symlink", "hardlink")

_LONGEST = 200
_FOLDER = 80
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file: names that Windows keeps.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Action:
    """One row's place: `target` is relative to the export's folder.

    `origin` is the absolute path of the row's file, None where rows are not files.
    """

    row: int
    name: str | None
    cluster: int
    confidence: float
    outlier: bool
    origin: str | None
    target: str

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def plan_actions(run: FittedRun, mode: Mode, **cut: Unpack[LabelKeywords]) -> list[Action]:
    """Plan the place of every row that has a cluster.

    Names that would collide (also where case does not count) get their row's number; the
    plan depends on nothing but the run, so an interrupted export finds it again.
    """
    source = run.source
    if source.kind != "images" or not isinstance(source, ImageSource):
        raise InputError(
            f"{source.description} have no pictures to lay out: give --as csv or --as parquet"
        )
    filed = isinstance(source, Encoded) and source.path(0) is not None
    if mode not in MODES:
        raise InputError(f"--mode {mode}: give one of {', '.join(MODES)}")
    if mode != "copy" and not filed:
        raise InputError(
            f"{source.description} are not files that a {mode} could lead to: give --mode copy"
        )
    actions = list(_actions(run, source, **cut))
    loose = next((action for action in actions if action.origin is None), None)
    if mode != "copy" and loose is not None:
        raise InputError(
            f"{loose.name or f'row {loose.row}'} is not a file that a {mode} could lead to: give "
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
        if target.casefold() in taken:
            target = _numbered(target, row, taken)
        taken.add(target.casefold())
        yield Action(row, name, cluster, float(confidence), bool(outlier), origin, target)


def _origin(source: Source, row: int, name: str | None, width: int) -> tuple[str | None, str]:
    path = source.path(row) if isinstance(source, Encoded) else None
    if path is not None and not is_remote(path):
        return os.path.abspath(path), safe_name(path.name)
    if isinstance(source, Encoded):
        return None, safe_name(source.file_name(row, name))
    return None, f"row-{row:0{width}d}.png"


def safe_name(name: str, longest: int = _LONGEST) -> str:
    """Make a file name that every system takes: no control or reserved characters, not long.

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


def _numbered(target: str, row: int, taken: set[str]) -> str:
    stem, ending = os.path.splitext(target)
    found, more = f"{stem}~{row}{ending}", 0
    while found.casefold() in taken:
        more += 1
        found = f"{stem}~{row}-{more}{ending}"
    return found
