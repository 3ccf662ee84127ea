"""The explorer: MNIST in a real browser, and millions of tiles asked for one by one.

``python -m benchmarks explore --mnist FILE`` measures the page, with ``--photos FILE`` how soon
4,000 photos have their map, and with ``--n=48000000`` the run that ``python -m benchmarks tiles
--n=48000000`` left; ``--only PART`` one part of it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_least, at_most, of_case
from benchmarks.explore_page import clicks, drags, first_paint
from benchmarks.explore_server import Server
from benchmarks.fits import fit_command
from benchmarks.measure import measure
from shoal.synthetic import TileSet

FULL = 48_000_000
_PAINTS = 7
_ROUNDS = 8
_TILES = 120
_MERGES = 5
_MAPS = 5


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure the parts one after the other; those whose data is missing are left out."""
    for name, part in PARTS.items():
        if not inputs.only or name in inputs.only:
            yield from part(inputs)


def page(inputs: Inputs) -> Iterator[Measurement]:
    """Look at MNIST in Chromium as a person does."""
    source = inputs.mnist
    assert source is not None
    with tempfile.TemporaryDirectory(dir=inputs.scratch) as folder:
        out = Path(folder) / "mnist.shoal"
        measure(fit_command(source, out, 0, "--key", "images"))
        n = len(np.load(source, mmap_mode="r")["labels"])
        yield _map(out, n)
        with Server(out) as server:
            paints = [first_paint(server.url) for _ in range(_PAINTS + 1)][1:]
            middle = float(np.median(paints))
            facts = {"p95_ms": _p95(paints), "times_measured": _PAINTS}
            yield Measurement("first useful paint", n, middle / 1000, None, None, facts)
            waits = clicks(server.url, _ROUNDS)
            peak = server.peak_mib()
            frames = drags(server.url)
    for name, found in frames.items():
        facts = {"p95_ms": _p95(found), "times_measured": len(found)}
        facts["frames_per_second"] = 1000 * len(found) / sum(found)
        yield Measurement(f"dragging {name}", n, sum(found) / 1000, None, None, facts)
    for name, found in waits.items():
        facts = {"p95_ms": _p95(found), "times_measured": len(found)}
        yield Measurement(f"click: {name}", n, float(np.median(found)) / 1000, None, None, facts)
    every = [wait for found in waits.values() for wait in found]
    facts = {"p95_ms": _p95(every), "times_measured": len(every)}
    yield Measurement("any click", n, float(np.median(every)) / 1000, peak, None, facts)


def photos(inputs: Inputs) -> Iterator[Measurement]:
    """Open the page of a new run of photos, again and again, until its map is drawn."""
    if inputs.photos is None:
        return
    waits, listening, n = [], [], 0
    with tempfile.TemporaryDirectory(dir=inputs.scratch) as folder:
        out = Path(folder) / "photos.shoal"
        measure(fit_command(inputs.photos, out, 0))
        for _ in range(_MAPS):
            for made in ("leaves", "map"):
                shutil.rmtree(out / made, ignore_errors=True)
            with Server(out) as server:
                listening.append(server.listening)
                waits.append(first_paint(server.url, "firstMap"))
                n = int(server.ask("/api/run")["rows"])
    facts = {"p95_ms": _p95(waits), "times_measured": _MAPS}
    facts["listening_seconds"] = float(np.median(listening))
    yield Measurement("first map", n, float(np.median(waits)) / 1000, None, None, facts)


def tiles(inputs: Inputs) -> Iterator[Measurement]:
    """Open the run of a set of tiles, ask for its map, and merge its largest clusters."""
    assert inputs.tiles is not None
    name = f"tiles-{inputs.n}-{TileSet.recipe}.shoal"
    with tempfile.TemporaryDirectory(dir=inputs.tiles) as folder:
        out = Path(folder) / name
        # A run of its own, without copies of what is large: links to files that never change.
        fresh = shutil.ignore_patterns("edits.sqlite*", "leaves", "map", "*.lock")
        shutil.copytree(inputs.tiles / name, out, copy_function=os.link, ignore=fresh)
        yield _map(out, inputs.n)
        yield from _asked(out, inputs.n)


def _map(out: Path, n: int) -> Measurement:
    """Make the leaves and the map of a run."""
    leaves = "import sys; from pathlib import Path; from shoal.explore.prepare import "
    leaves += "prepare_leaves; from shoal.storage import RunFolder; "
    leaves += "prepare_leaves(RunFolder.open(sys.argv[1]), Path(sys.argv[1]))"
    made = measure([sys.executable, "-c", leaves, out])
    drawn = measure([sys.executable, "-m", "shoal.explore.drawing", out, out, "local"])
    peak = max(made.peak_mib or 0, drawn.peak_mib or 0)
    facts = {"leaves_seconds": made.seconds, "map_seconds": drawn.seconds}
    return Measurement("building the map", n, made.seconds + drawn.seconds, peak, None, facts)


def _asked(out: Path, n: int) -> Iterator[Measurement]:
    """Ask the server of a run as the page does."""
    with Server(out) as server:
        facts = {"listening_seconds": server.listening, "clusters": len(server.clusters())}
        yield Measurement("opening", n, server.opened(), server.peak_mib(), None, facts)
        cold, warm = server.tiles(_TILES)
        facts = {"p95_ms": _p95(warm), "cold_p95_ms": _p95(cold), "times_measured": len(warm)}
        yield Measurement("map tile, warm", n, float(np.median(warm)) / 1000, None, None, facts)
        merges = [server.merge_two(1_000_000) for _ in range(_MERGES)]
        waits = [wait for wait, _ in merges]
        facts = {"slowest_seconds": max(waits), "rows": merges[0][1], "times_measured": _MERGES}
        yield Measurement("merge", n, float(np.median(waits)), None, None, facts)
        server.look_around()
        yield Measurement("server memory", n, 0.0, server.peak_mib(), None, {})


def _p95(found: Sequence[float]) -> float:
    """Return the 95th percentile of times in ms."""
    return float(np.percentile(found, 95))


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the page on MNIST and the server at 48 million."""
    found = []
    small, full = [[r for r in rows if (r["n"] == FULL) is large] for large in (False, True)]
    if paint := of_case(small, "first useful paint"):
        found.append(at_most("MNIST: first useful paint, seconds", paint[0]["seconds"], 1.5))
    if click := of_case(small, "any click"):
        what = "MNIST: any click to its result, ms, p95"
        found.append(at_most(what, click[0]["quality"]["p95_ms"], 120))
    for name in ("the map", "its pictures"):
        for row in of_case(small, f"dragging {name}"):
            what = f"MNIST: frames a second, dragging {name}, software rendering"
            found.append(at_least(what, row["quality"]["frames_per_second"], 30))
    for row in of_case(rows, "first map"):
        found.append(at_most("4,000 photos: page open to map, seconds", row["seconds"], 5))
    for case, what, field, bound in _FULL:
        for row in of_case(full, case)[:1]:
            value = row["quality"].get(field, row.get(field))
            found.append(at_most(f"48 million: {what}", value, bound))
    return found


_FULL: tuple[tuple[str, str, str, float], ...] = (
    ("server memory", "peak MiB of the server", "peak_mib", 1024),
    ("map tile, warm", "a warm tile of the map, ms, p95", "p95_ms", 60),
    ("opening", "opening, seconds", "seconds", 3),
    ("merge", "merging two of a million or more each, slowest, seconds", "slowest_seconds", 1),
    ("building the map", "building the map, seconds", "seconds", 300),
)

PARTS: dict[str, Any] = {"page": page, "photos": photos, "tiles": tiles}

BENCHMARK = Benchmark(
    "explore",
    "the explorer: MNIST in Chromium, tiles by their run",
    run,
    musts,
    needs=("mnist",),
    about="A click is timed in the page, from the key press or click until the result, including "
    "images, is loaded and drawn; this includes both the browser and the server. Two "
    "hundred concurrent edits with kills, and fuzzed requests, are covered by tests: `make "
    "test-slow` and `make test`.",
    parts=tuple(PARTS),
    piecemeal=True,
    by_name=True,
)
