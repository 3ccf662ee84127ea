"""Methods that go over all rows out of core, beside scikit-learn's on the same projected rows.

``python -m benchmarks.streams PEER RUN OUT K`` is the process of a peer: it reads the projected
rows that a run has on disk, as Shoal's own stages do.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import quality
from benchmarks.base import Inputs, Measurement, Must, Row, at_least, at_most, of_case, values
from benchmarks.fits import fit_command
from benchmarks.identical import differing
from benchmarks.measure import processor_seconds
from benchmarks.tiles import SHAPE, Place
from benchmarks.tiles_musts import K

_BATCH = 16_384
_CHUNK = 65_536
_AFTER = ("summarise", "tree", "assign")  # the stages behind the projected rows
_CASES = {
    "epoch": ("kmeans", ("starts=1", "passes=1"), "4GiB", "MiniBatchKMeans"),
    "streaming": ("streaming-kmeans", ("passes=1",), "1GiB", "KMeans"),
    "birch": ("birch", (), "4GiB", ""),
}
PARTS = tuple(_CASES)


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure the parts that were asked for, on as many tiles as were asked for."""
    place = Place(inputs, inputs.n)
    for part in PARTS:
        if not inputs.only or part in inputs.only:
            yield from _part(place, part)


def _part(place: Place, part: str) -> Iterator[Measurement]:
    method, given, memory, peer = _CASES[part]
    out, name = place.inputs.scratch / f"{part}.shoal", f"{method} on tiles"
    options = ["--shape", ",".join(map(str, SHAPE)), "--memory", memory, "--method", method]
    options += ["--k", str(K), *(word for text in given for word in ("--set", text))]
    command = fit_command(place.tiles, out, 0, *options, "--workers", 2)
    whole, peak = processor_seconds(command)
    facts: dict[str, object] = {"memory": memory, "whole_seconds": round(whole, 1)}
    facts["ami"] = round(quality.ami_of(quality.tally(place.source, _labels(out))), 4)
    seconds = whole
    if peer:  # the stages behind the projection once more, by one worker
        other = out.with_name("two_workers.shoal")
        shutil.copytree(out, other, ignore=shutil.ignore_patterns("project"))
        for stage in _AFTER:
            shutil.rmtree(out / stage)
        seconds, _ = processor_seconds([*command[:-1], "1"])
        changed = [name for name in differing(out, other) if not name.startswith("project")]
        facts |= {"inertia": inertia(out, _centres(out)), "differing": changed[:10]}
        shutil.rmtree(other)
    yield Measurement(name, place.n, round(seconds, 1), peak, 0, facts)
    if peer:
        centres = out.with_suffix(".npy")
        words = [sys.executable, "-m", "benchmarks.streams", peer, out, centres, K]
        seconds, peak = processor_seconds(words)
        facts = {"inertia": inertia(out, np.load(centres))}
        if part == "epoch":  # and from the files, by the pixels as they are
            script = Path(__file__).with_name("tiles_peer.py")
            words = [sys.executable, script, "sklearn", place.tiles, out.parent, K]
            facts["whole_seconds"] = round(processor_seconds(words)[0], 1)
        yield Measurement(f"{peer} on tiles", place.n, round(seconds, 1), peak, 0, facts)
    shutil.rmtree(out)


def _labels(run: Path) -> NDArray[np.int32]:
    from shoal import api

    return api.open(run).labels()


def _centres(run: Path) -> NDArray[np.float64]:
    """Return the centres that rows are assigned by."""
    from shoal.stages.method_result import Found
    from shoal.stages.result import Result
    from shoal.storage import RunFolder

    rule = Found(Result(RunFolder.open(run))).rule
    assert rule is not None  # of k-means
    return rule.centres


def blocks(run: Path, rows: int) -> Iterator[NDArray[np.float32]]:
    """Return the projected rows of a run in order, at most so many at a time."""
    from shoal.stages.vectors import read_vectors
    from shoal.storage import RunFolder

    folder = RunFolder.open(run).stage("project")
    for number in range(len(list(folder.part("vectors", 0).parent.glob("*.npy")))):
        part = read_vectors(folder, number)
        for start in range(0, len(part), rows):
            yield part[start : start + rows]


def inertia(run: Path, centres: NDArray) -> float:
    """Return the sum of squared distances of all rows to their nearest centre."""
    half = (centres.astype(np.float64) ** 2).sum(axis=1) / 2
    total = 0.0
    for rows in blocks(run, _CHUNK):
        exact = rows.astype(np.float64)
        total += float((exact**2).sum() + 2 * (half - exact @ centres.T).min(axis=1).sum())
    return total


def fit_peer(name: str, run: Path, out: Path, k: int) -> None:
    """Cluster the projected rows of a run by scikit-learn, have it predict them, write centres."""
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if name == "KMeans":
        model = KMeans(k, random_state=0).fit(np.concatenate(list(blocks(run, _BATCH))))
    else:
        model = MiniBatchKMeans(k, batch_size=_BATCH, random_state=0)
        for rows in blocks(run, _BATCH):
            model.partial_fit(rows)
        for rows in blocks(run, _BATCH):
            model.predict(rows)
    np.save(out, model.cluster_centers_)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge inertia, time and memory at each number of tiles."""
    found = []
    for part, (method, _, _, peer) in _CASES.items():
        for own in of_case(rows, f"{method} on tiles"):
            n, facts = own["n"], own["quality"]
            if part == "birch":
                found.append(at_least(f"birch on {n:,} tiles ends, AMI", facts["ami"], 0.0))
                continue
            theirs = [row for row in of_case(rows, f"{peer} on tiles") if row["n"] == n][-1:]
            found += [
                at_most(
                    f"{method} on {n:,} tiles, inertia over {peer}'s",
                    facts["inertia"] / values(theirs, "inertia")[0],
                    1.05 if part == "streaming" else 1.0,
                ),
                Must(
                    f"{method} on {n:,} tiles, 1 or 2 workers",
                    f"{len(facts['differing'])} files differ",
                    not facts["differing"],
                ),
            ]
            if part == "epoch":
                for what, field in (("projected rows", "seconds"), ("files", "whole_seconds")):
                    ratio = values([own], field)[0] / values(theirs, field)[0]
                    said = f"{method} on {n:,} tiles, time from {what} over {peer}'s"
                    found.append(at_most(said, ratio, 1.0))
            else:
                peak = own["peak_mib"]
                found.append(at_most(f"{method} on {n:,} tiles, MiB at the peak", peak, 1024))
    return found


if __name__ == "__main__":
    fit_peer(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
