"""The parts that a split would make, with pictures: by the tree, or by a fit of a cluster alone."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.explore.cuts import Cut
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
    cut.learn(explorer.cut(None))
    found: list[dict[str, Any]] = []
    for number in map(cut.number, facts["ids"]):
        part: dict[str, Any] = {"cluster": int(cut.ids[number]), "rows": int(cut.sizes[number])}
        if len(found) < _MOST_PARTS:
            positions = ordered(cut.positions_of(number), cut, "typical").take(0, SHOWN)
            part["shown"] = explorer.named(explorer.atlas.rows[positions])
        found.append(part)
    return found


@dataclass
class OwnFit:
    """A fit of one cluster by itself, with features projected for it alone, in another process.

    Parameters
    ----------
    explorer : Explorer
    cluster : int
        Its id, as edited.
    """

    explorer: Explorer
    cluster: int
    seq: int = field(init=False)
    rows: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        curation = self.explorer.curation
        self.seq, self.rows = curation.seq, curation.rows_of(self.cluster)
        self._folder = tempfile.TemporaryDirectory(prefix="shoal-cluster-")
        out = Path(self._folder.name) / "own.shoal"
        self._out, self._errors = out, ""
        words = ["fit", str(self.explorer.run.path), "--cluster", str(self.cluster)]
        command = [sys.executable, "-m", "shoal", *words, "-o", str(out), "-q", "--json"]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # so that its workers end with it
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def _listen(self) -> None:
        """Keep what it says of errors."""
        assert self._process.stderr is not None
        with self._process.stderr as errors:
            self._errors = errors.read()

    def stop(self) -> None:
        """End it, and delete what it made."""
        atexit.unregister(self.stop)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()
        self._thread.join(5)
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
        if self._process.poll() is None:
            return {"done": False, "parts": []}
        self._thread.join(5)
        if self._process.returncode:
            lines = self._errors.strip().splitlines() or ["it ended unexpectedly"]
            raise InputError(f"cluster {self.cluster} could not be fitted by itself: {lines[-1]}")
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
