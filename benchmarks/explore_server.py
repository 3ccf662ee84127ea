"""The explorer as a process of its own, asked over HTTP as the page asks it."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks.measure import watching

_ZOOMS = 8
_ORDERS = ("typical", "boundary", "outliers", "random", "duplicates", "tree")


class Server:
    """``shoal explore`` on a run; its clocks begin with the process."""

    def __init__(self, run: Path, *words: str) -> None:
        command = [sys.executable, "-m", "shoal", "explore", str(run), "--no-open", *words]
        self._command = command
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        self._began = time.perf_counter()
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = self._stack.enter_context(
            subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
        self._stack.callback(self._process.terminate)
        self.peak_mib = self._stack.enter_context(watching(self._process.pid))
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.search(r"is at (http://([^/]+)/)", line):
                self.url, host = found[1], found[2]
                break
        else:
            raise RuntimeError(f"{' '.join(self._command)} told no address")
        self.listening = time.perf_counter() - self._began
        self._connection = http.client.HTTPConnection(host)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._stack.close()

    def ask(self, path: str, body: Any = None) -> Any:
        """Ask once over the connection that is kept; give what is answered, read to its end."""
        method = "GET" if body is None else "POST"
        data = None if body is None else json.dumps(body)
        self._connection.request(method, path, data, {"x-shoal": "1"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if "json" in answer.headers["content-type"] else content

    def clusters(self) -> list[dict[str, Any]]:
        """List the clusters."""
        found: list[dict[str, Any]] = self.ask("/api/clusters")["clusters"]
        return found

    def opened(self) -> float:
        """Ask for all that the page asks for first; give the seconds since the process began."""
        self.ask("/")
        self.ask("/api/run")
        self.ask("/api/map")
        largest = sorted(self.clusters(), key=lambda c: -c["rows"])[:12]
        ids = ",".join(str(c["id"]) for c in largest)
        seen = self.ask(f"/api/overview?clusters={ids}&each=12")["clusters"]
        rows = [row["row"] for rows in seen.values() for row in rows][:96]
        self.ask(f"/api/thumbs?rows={','.join(map(str, rows))}")
        self.ask("/api/map/tile?z=0&x=0&y=0&what=density")
        return time.perf_counter() - self._began

    def tiles(self, n: int) -> tuple[list[float], list[float]]:
        """Ask for tiles where there are clusters, at all zooms, twice; give the ms of both."""
        places = np.array([c["xy"] for c in self.clusters() if c["xy"]])
        deepest = min(_ZOOMS, int(self.ask("/api/map")["deepest"]))
        from_ = self.ask("/api/map")["pictures_from"]
        draw = np.random.default_rng(0)
        times: tuple[list[float], list[float]] = ([], [])
        paths = []
        for at in range(n):
            zoom = at % (deepest + 1)
            x, y = np.minimum(places[draw.integers(len(places))] * 2**zoom, 2**zoom - 1).astype(int)
            near = from_ is not None and zoom >= from_
            what = "tile?what=frames" if near else "tile?what=density"
            what = "mosaic?v=1" if near and at % 2 else what
            paths.append(f"/api/map/{what}&z={zoom}&x={x}&y={y}")
        for found in times:
            for path in paths:
                began = time.perf_counter()
                self.ask(path)
                found.append(1000 * (time.perf_counter() - began))
        return times

    def merge_two(self, least: int) -> tuple[float, list[int]]:
        """Merge two clusters, list the clusters anew, and undo it; give the seconds and rows.

        They are the smallest two of at least so many rows, the largest where there are none.
        """
        by_size = sorted(self.clusters(), key=lambda c: c["rows"])
        large = [c for c in by_size if c["rows"] >= least]
        two = large[:2] if len(large) >= 2 else by_size[-2:]
        began = time.perf_counter()
        self.ask("/api/edits", {"op": "merge", "clusters": [c["id"] for c in two]})
        self.clusters()
        seconds = time.perf_counter() - began
        self.ask("/api/edits", {"op": "undo"})
        return seconds, [c["rows"] for c in two]

    def _largest_area(self) -> str:
        """Draw around as much of the map's middle as the server takes; give the set's name."""
        for half in (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02):
            low, high = 0.5 - half, 0.5 + half
            square = [[low, low], [high, low], [high, high], [low, high]]
            try:
                found = self.ask("/api/sets", {"area": square})
            except RuntimeError:
                continue  # too many rows: it says so
            return str(found["set"])
        raise RuntimeError("no area of the map is small enough")

    def look_around(self) -> None:
        """Ask for what takes most memory: every order, splits, the review queue, large areas."""
        largest = max(self.clusters(), key=lambda c: c["rows"])["id"]
        names = [self.ask("/api/sets", {"clusters": [largest]})["set"], self._largest_area()]
        for name in names:
            for order in _ORDERS:
                for start in (0, 100_000):
                    self.ask(f"/api/rows?set={name}&order={order}&start={start}&count=48")
            self.ask(f"/api/map/tile?what=density&z=0&x=0&y=0&set={name}")
        for order in _ORDERS:
            self.ask(f"/api/rows?order={order}&start=1000&count=48")
        for k in (2, 50, 200):
            self.ask(f"/api/clusters?k={k}")
        self.ask("/api/preview", {"op": "split", "cluster": largest})
        self.ask("/api/review")
