"""The parts that a split would make, with pictures: by the tree, or by a fit of a cluster alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.explore.cuts import Cut
from shoal.explore.drawing import ChildProcess
from shoal.explore.explorer import Explorer
from shoal.explore.orders import ordered
from shoal.explore.positions import Positions

SHOWN = 8
"""Pictures of each part."""

_MOST_PARTS = 24  # with pictures: more would be a contact sheet of the whole cluster


def split_parts(explorer: Explorer, cluster: int, parts: int | None) -> list[dict[str, Any]]:
    """Return what a split by the tree would make: ids, rows, and typical rows to look at."""
    facts, after = explorer.curation.preview("split", cluster=cluster, parts=parts)
    cut = Cut(explorer.atlas, after, "preview")
    cut.reuse_clusters(explorer.cut(None))
    parts_of = {int(cut.ids[n]): cut.positions_of(n) for n in map(cut.number, facts["ids"])}
    return _with_pictures(explorer, parts_of.items(), cut)


def _with_pictures(
    explorer: Explorer, parts: Iterable[tuple[int | None, Positions]], cut: Cut
) -> list[dict[str, Any]]:
    """List parts as id (None for a new one), rows, and of the first ones typical rows."""
    found: list[dict[str, Any]] = []
    for cluster, positions in parts:
        part: dict[str, Any] = {"cluster": cluster, "rows": len(positions)}
        if len(found) < _MOST_PARTS:
            shown = ordered(positions, cut, "typical").take(0, SHOWN)
            part["shown"] = explorer.named(explorer.atlas.rows[shown])
        found.append(part)
    return found


class OwnFit:
    """A fit of one cluster by itself, with features projected for it alone, in another process."""

    def __init__(self, explorer: Explorer, cluster: int) -> None:
        self.explorer, self.cluster = explorer, cluster
        self.seq, self.rows = explorer.curation.seq, explorer.curation.rows_of(cluster)
        self._failure: str | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="shoal-cluster-")
        self._out = Path(self._folder.name) / "own.shoal"
        words = ["fit", str(explorer.run.path), "--cluster", str(cluster), "-o", str(self._out)]
        self._process = ChildProcess(
            "shoal", *words, "-q", "--json", on_line=lambda line: None, on_failure=self._fail
        )

    def _fail(self, reason: str) -> None:
        self._failure = reason

    def stop(self) -> None:
        self._process.stop()
        self._folder.cleanup()

    @property
    def stale(self) -> bool:
        """Whether the cluster has other rows by now."""
        curation = self.explorer.curation
        if curation.seq == self.seq:
            return False
        known = self.cluster in curation.state.clusters
        return not known or not np.array_equal(curation.rows_of(self.cluster), self.rows)

    def facts(self) -> dict[str, Any]:
        """Return whether it is ``done``, and the parts; InputError if it failed."""
        if self._process.running:
            return {"done": False, "parts": []}
        if self._failure is not None:
            raise InputError(
                f"cluster {self.cluster} could not be fitted by itself: {self._failure}"
            )
        return {"done": True, "parts": self._parts}

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """The rows of each part, the largest first."""
        from shoal import api

        labels = api.open(self._out).labels()
        return [self.rows[labels == part] for part in range(int(labels.max(initial=0)) + 1)]

    @cached_property
    def _parts(self) -> list[dict[str, Any]]:
        positions = self.explorer.atlas.positions
        parts = [
            (None if at else self.cluster, Positions.of(positions[rows]))
            for at, rows in enumerate(self.members)
        ]
        return _with_pictures(self.explorer, parts, self.explorer.cut(None))
