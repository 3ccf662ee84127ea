"""Is the answer right, on all sets at hand: the primary layer beside the best cut, and peers.

All methods get the same vectors in the same run: those that Shoal makes of the images, so that only
the clustering differs. UMAP + HDBSCAN and EVoC run with their defaults where they are installed,
k-means is told the number of groups. A row called noise is a cluster of its own (see `quality`).
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import labelled, peer_fit, quality, structureless
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, share, values

PARTS = ("chosen", "judged", "structureless")
PEERS = {"umap": ("umap", "fast_hdbscan"), "evoc": ("evoc",)}
NEAR, LISTED = 0.05, 0.03  # AMI under the best cut: of the primary layer, of the best layer
_MOST_ROWS = 20_000  # that peers are given here; `peers` has them on all of MNIST
_EVERY, _MOST, _STEP = 60, 800, 1.06  # cuts: each K up to 60, then by steps up to 800


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure the sets of each part; those whose data is missing are left out, and named."""
    for one in labelled.SETS:
        if _asked(inputs, one.half):
            if one.available(inputs):
                yield _labelled(one, inputs)
            else:
                print(f"{one.name}: left out, as {one.needs} is not here", file=sys.stderr)
    if _asked(inputs, "structureless"):
        for seed, (name, draw) in enumerate(structureless.SETS):
            if structureless.available(name, inputs):
                vectors = draw(np.random.default_rng(seed), inputs).astype(np.float32)
                yield _structureless(name, vectors, seed, inputs.scratch)
            else:
                print(f"{name}: left out, as its data is missing", file=sys.stderr)


def _asked(inputs: Inputs, part: str) -> bool:
    """Return whether a part is to be measured."""
    return not inputs.only or part in inputs.only


def _labelled(one: labelled.LabelledSet, inputs: Inputs) -> Measurement:
    """Score all methods on a set with the truth."""
    vectors, truth = one.draw(inputs)
    truth = np.unique(truth, return_inverse=True)[1]
    groups = int(truth.max()) + 1
    facts: dict[str, Any] = {"part": one.half, "groups": groups}
    seconds, found = _shoal(vectors, 0, inputs.scratch, lambda run: _cuts(run, truth, groups))
    facts |= found
    for peer, labels in _peers(vectors, inputs.scratch):
        known = labels is not None
        facts[f"{peer}_k"] = quality.count(labels) if known else None
        facts[f"{peer}_ami"] = _ami(truth, labels) if known else None
        facts[f"{peer}_noise"] = float((labels < 0).mean()) if known else None
    facts["kmeans_ami"] = _ami(truth, _kmeans(vectors, groups))
    return Measurement(one.name, len(vectors), seconds, None, 0, facts)


def _structureless(name: str, vectors: NDArray, seed: int, scratch: Path) -> Measurement:
    """Count the clusters that methods find where there are none."""
    seconds, facts = _shoal(
        vectors,
        seed,
        scratch,
        lambda run: {"k": run.primary.k, "weak": run.primary.weak, "layers": _ks(run)},
    )
    for peer, labels in _peers(vectors, scratch):
        facts[f"{peer}_k"] = None if labels is None else quality.count(labels)
    facts = {"part": "structureless", **facts}
    return Measurement(name, len(vectors), seconds, None, seed, facts)


def _shoal(
    vectors: NDArray, seed: int, scratch: Path, look: Callable[[Any], dict[str, Any]]
) -> tuple[float, dict[str, Any]]:
    """Fit by the Python API; return the seconds, and what `look` finds in the run."""
    from shoal import api

    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        np.save(folder / "x.npy", vectors)
        start = time.perf_counter()
        fitted = api.fit(folder / "x.npy", folder / "a.shoal", seed=seed, as_="vectors", workers=1)
        return time.perf_counter() - start, look(fitted)
    finally:
        shutil.rmtree(folder)


def _ks(run: Any) -> list[int]:
    """List the K of the layers."""
    return [layer.k for layer in run.layers]


def _cuts(run: Any, truth: NDArray, groups: int) -> dict[str, Any]:
    """Score the primary layer, the best layer, and the best cut of the tree."""
    real = 1 + int(np.isfinite(run.tree.excess).sum())
    steps = [int(_EVERY * _STEP**power) for power in range(int(np.log(_MOST) / np.log(_STEP)))]
    wanted = {*range(2, _EVERY + 1), *steps, groups}
    ks = {k for k in wanted if k <= min(real, _MOST)} | set(_ks(run))
    amis = {k: _ami(truth, run.labels(k=k)) for k in sorted(ks)}
    best = max(amis, key=lambda k: amis[k])
    return {
        "k": run.primary.k,
        "ami": amis[run.primary.k],
        "best_layer_ami": max(amis[k] for k in _ks(run)),
        "best_cut_k": best,
        "best_cut_ami": amis[best],
        "layers": _ks(run),
    }


def _ami(truth: NDArray, labels: NDArray) -> float:
    """Score labels, each noise row a cluster of its own; one cluster scores 0."""
    alone = np.unique(quality.alone(labels), return_inverse=True)[1]
    return quality.ami_of(quality.tally(truth, alone)) if alone.any() else 0.0


def _peers(vectors: NDArray, scratch: Path) -> Iterator[tuple[str, NDArray | None]]:
    """Cluster by each peer; None for one that is not installed, takes too long here, or fails."""
    rows = np.ascontiguousarray(vectors, np.float32)
    for peer, modules in PEERS.items():
        here = len(rows) <= _MOST_ROWS and all(find_spec(module) for module in modules)
        yield peer, _peer(peer, rows, scratch) if here else None


def _peer(peer: str, rows: NDArray[np.float32], scratch: Path) -> NDArray | None:
    """Cluster by one peer; a failure of its own is said and ends nothing."""
    try:
        return np.asarray(getattr(peer_fit, peer)(rows, scratch))
    except Exception as error:  # EVoC takes no rows of three columns
        print(f"{peer} failed: {type(error).__name__}: {error}", file=sys.stderr)
        return None


def _kmeans(vectors: NDArray, groups: int) -> NDArray:
    """Cluster by k-means, the best of ten tries, told the number of groups."""
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(groups, n_init=10, random_state=0).fit_predict(vectors))


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the parts by themselves: what a rule was chosen on proves little about it."""
    judged = []
    for part in PARTS[:2]:
        mine = [row for row in rows if row["quality"]["part"] == part]
        if mine:
            best = np.array(values(mine, "best_cut_ami"))
            primary, listed = (np.array(values(mine, name)) for name in ("ami", "best_layer_ami"))
            near = (best - primary <= NEAR).tolist()
            some = (best - listed <= LISTED).tolist()
            what = f"{part}: primary layer within {NEAR} AMI of the tree's best cut"
            judged.append(share(what, near, ceil(0.8 * len(near))))
            judged.append(share(f"{part}: a layer within {LISTED} of it", some, len(some)))
    none = [row for row in rows if row["quality"]["part"] == "structureless"]
    if none:
        one = [k == 1 for k in values(none, "k")]
        judged.append(share("structureless: K = 1", one, ceil(0.96 * len(one))))
    return judged


BENCHMARK = Benchmark(
    "quality",
    "the right answer on all sets at hand, beside peers on the same vectors",
    run,
    musts,
    about=(
        "Labelled sets (`benchmarks.labelled`): those on which the rule of the primary layer was "
        "chosen, and those on which it was judged, which are related (`docs/method.md`). Sets "
        "without structure (`benchmarks.structureless`), which were used to set the null model. "
        "AMI, with noise as an error; `best_cut_ami` is the best of the cuts into 2 to 60, then "
        "in steps of 6 % to 800, which cannot be selected without the labels. Seconds are those "
        "of Shoal's fit. Other tools run with default settings, and only up to 20,000 rows; "
        "k-means gets the true number of groups."
    ),
    parts=PARTS,
    piecemeal=True,
    by_name=True,
)
