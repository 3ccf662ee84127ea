"""Near duplicates among a run's images, found once by another process and stored beside the map.

``python -m shoal.explore.copies RUN HOME`` finds them, and writes its progress in JSON.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from shoal.explore.drawing import (
    ChildProcess,
    Shares,
    run_beside_page,
    start_drawing,
    write_line,
)
from shoal.explore.metadata import Column, make_metadata
from shoal.explore.prepare import run_stage
from shoal.stages.leaves import leaves_fingerprint
from shoal.storage import RunFolder, StageFolder, fingerprint, read_npy, write_npy

if TYPE_CHECKING:
    from shoal.explore.explorer import Explorer

NAME = "copies"
LEAST = 0.85
"""Lower end of the slider, far below `duplicates.find.SIMILAR`; different photos pass it."""

_USUAL = 0.93
_MEMORY = "2GiB"
_GROUPS = 60
_SHOWN = 24
_FIELDS = ("group", "row", "similarity")


@dataclass
class Copies:
    """The near duplicates of an explorer's run."""

    explorer: Explorer
    progress: dict[str, Any] = field(default_factory=lambda: {"share": 0.0, "trouble": None})
    _search: ChildProcess | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def _folder(self) -> StageFolder:
        return StageFolder(self.explorer.home / NAME)

    @property
    def ready(self) -> bool:
        return self._folder.is_done(_fingerprint(self.explorer.atlas.run))

    def start(self) -> None:
        with self._lock:
            if self.ready or self._search is not None:
                return
            self._search = start_drawing(
                self.explorer.run.path,
                self.explorer.home,
                self.progress.update,
                module=__name__,
                trouble="the search for near duplicates failed",
            )

    @cached_property
    def table(self) -> dict[str, Any]:
        """Group, row and similarity to the kept one, the first of each group; `group` ascends."""
        found = {name: read_npy(self._folder.whole(name)) for name in _FIELDS}
        fitted = self.explorer.atlas.positions[found["row"]] >= 0
        return {name: values[fitted] for name, values in found.items()}

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        n, table = self.explorer.atlas.n_rows, self.table
        first = np.diff(table["group"], prepend=-1) > 0
        alike, group = np.full(n, np.nan), np.full(n, None, object)
        alike[table["row"][~first]] = (100 * table["similarity"][~first].astype(float)).round(1)
        usual = table["similarity"] >= _USUAL
        there = np.bincount(table["group"][usual]) > 1
        for at, row in zip(table["group"][usual], table["row"][usual], strict=True):
            if there[at]:
                group[row] = f"group {at + 1}"
        if not len(first):
            return ()
        groups = make_metadata(pa.table({"near-duplicate group": pa.array(group, pa.string())}), "")
        return (Column("copy, %", "number", pa.array(alike)), *groups.columns)

    def groups(self, least: float, k: int | None) -> dict[str, Any]:
        """Return groups of at least this similarity, the image to keep first, or the progress."""
        if not self.ready:
            self.start()
            return {**self.progress, "share": min(self.progress["share"], 0.99)}
        explorer, table = self.explorer, self.table
        alike = table["similarity"] >= np.float32(least)
        size = np.bincount(table["group"][alike], minlength=1)
        in_order = np.argsort(-size, kind="stable")[: np.count_nonzero(size > 1)]
        shown = []
        for number in in_order[:_GROUPS].tolist():
            at = np.flatnonzero(alike & (table["group"] == number))[:_SHOWN]
            facts = explorer.rows_shown(explorer.atlas.positions[table["row"][at]], k)
            likeness = table["similarity"][at].astype(float).round(3).tolist()
            rows = [{**f, "similarity": s} for f, s in zip(facts, likeness, strict=True)]
            shown.append({"size": int(size[number]), "rows": rows})
        total = int(size[size > 1].sum()) - len(in_order)
        return {"share": 1, "groups": len(in_order), "copies": total, "shown": shown}


def _fingerprint(run: RunFolder) -> str:
    return fingerprint({"stage": NAME, "version": 1, "least": LEAST}, leaves_fingerprint(run))


def _search(run: RunFolder, home: Path) -> None:
    from shoal import api
    from shoal.duplicates import find_duplicates

    def make(folder: StageFolder) -> dict[str, Any]:
        source, bars = api.open(run.path).source, Shares(write_line)
        table = find_duplicates(source, threshold=LEAST, memory=_MEMORY, progress=bars).table
        for name in _FIELDS:
            write_npy(folder.whole(name), table[name].to_numpy())
        return {"rows": table.num_rows}

    run_stage(home, NAME, _fingerprint(run), make)


if __name__ == "__main__":
    sys.exit(run_beside_page(lambda: _search(RunFolder.open(sys.argv[1]), Path(sys.argv[2]))))
