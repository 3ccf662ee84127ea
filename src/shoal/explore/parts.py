"""The parts that a split would make, with pictures: by the tree, or by a fit of a cluster alone."""

from __future__ import annotations

import tempfile
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
    found: list[dict[str, Any]] = []
    for number in map(cut.number, facts["ids"]):
        part: dict[str, Any] = {"cluster": int(cut.ids[number]), "rows": int(cut.sizes[number])}
        if len(found) < _MOST_PARTS:
            positions = ordered(cut.positions_of(number), cut, "typical").take(0, SHOWN)
            part["shown"] = explorer.named(explorer.atlas.rows[positions])
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
        """End it, and delete what it made."""
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
        """Say how it stands: not ``done`` yet, or the parts; the largest first.

        Raises
        ------
        InputError
            When it failed.
        """
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
        explorer, found = self.explorer, list[dict[str, Any]]()
        for at, rows in enumerate(self.members):
            facts: dict[str, Any] = {
                "cluster": self.cluster if at == 0 else None,
                "rows": len(rows),
            }
            if at < _MOST_PARTS:
                positions = Positions.of(explorer.atlas.positions[rows])
                order = ordered(positions, explorer.cut(None), "typical")
                facts["shown"] = explorer.named(explorer.atlas.rows[order.take(0, SHOWN)])
            found.append(facts)
        return found
