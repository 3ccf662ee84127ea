"""MNIST by EVoC and by UMAP + HDBSCAN with their defaults, beside Shoal, in the same run.

Each method is a whole process that reads the same file and ends with labels on disk. Each is run
before, unmeasured (the peers on some of the rows), so that all are compiled. They take turns, so
that a busy moment of the machine does not fall on one of them alone. Noise counts as an error
(see `quality`).

Two inputs: the pixels, as a user would give them, and Shoal's own features, on which only the
clustering differs. Beyond the defaults, for fairness: EVoC's best layer by the truth, which nobody
could pick without it, and HDBSCAN on the same map with clusters of at least 0.5 % of the rows.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import data, quality
from benchmarks.base import (
    Benchmark,
    Inputs,
    Measurement,
    Must,
    Row,
    at_least,
    at_most,
    middle,
    of_case,
)
from benchmarks.fits import fit_process, warm
from benchmarks.measure import measure

REPEATS = {"pixels": 3, "features": 1}
_WARM = 8_000  # rows of the run that compiles the peers; from 4,096 on they take the same paths
PEERS = ("evoc", "umap")


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure the three on pixels, then on features."""
    path = inputs.mnist
    assert path is not None
    truth = data.mnist_labels(path)
    features = inputs.scratch / "features.npy"
    np.save(features, data.mnist_features(path))
    for what, source, options in (
        ("pixels", path, ("--key", "images")),
        ("features", features, ("--as", "vectors")),
    ):
        warm(source, inputs.scratch, *options)
        few = _few(source, inputs.scratch)
        for peer in PEERS:
            measure(_peer(peer, few, inputs.scratch))
        for seed in range(REPEATS[what]):
            fit = fit_process(source, inputs.scratch, seed, *options)
            facts = _scores(truth, fit.primary.labels)
            seconds, peak = fit.usage.seconds, fit.usage.peak_mib
            yield Measurement(f"shoal on {what}", len(truth), seconds, peak, seed, facts)
            for peer in PEERS:
                usage = measure(_peer(peer, source, inputs.scratch))
                facts = _peer_scores(peer, truth, inputs.scratch)
                seconds, peak = usage.seconds, usage.peak_mib
                yield Measurement(f"{peer} on {what}", len(truth), seconds, peak, None, facts)
    features.unlink()


def _few(source: Path, scratch: Path) -> Path:
    """Write the first rows of a source as a source of the same kind."""
    few = scratch / f"few{source.suffix}"
    if source.suffix == ".npz":
        np.savez(few, images=data.mnist_images(source)[:_WARM])
    else:
        np.save(few, np.load(source)[:_WARM])
    return few


def _peer(peer: str, source: Path, scratch: Path) -> list[str | Path]:
    """Return the command of a peer; it writes its labels, and more, into `scratch`."""
    return [sys.executable, Path(__file__).with_name("peer_fit.py"), peer, source, scratch]


def _scores(truth: NDArray, labels: NDArray) -> dict[str, object]:
    """Score labels, noise as an error."""
    return {
        "k": quality.count(labels),
        "ari": quality.ari(truth, labels),
        "accuracy": quality.accuracy(truth, labels),
        "nmi": quality.nmi(truth, labels),
        "noise": float((labels < 0).mean()),
    }


def _peer_scores(peer: str, truth: NDArray, scratch: Path) -> dict[str, object]:
    """Score what a peer wrote: its own labels, and what a fair reader would also look at."""
    facts = _scores(truth, np.load(scratch / "labels.npy"))
    if peer == "umap":
        return {**facts, "ari_at_larger_size": quality.ari(truth, _larger(scratch))}
    layers = np.load(scratch / "layers.npy")
    facts["layer"] = int(np.load(scratch / "layer.npy"))
    facts["layers"] = [quality.count(labels) for labels in layers]
    return {**facts, "ari_of_best_layer": max(quality.ari(truth, labels) for labels in layers)}


def _larger(scratch: Path) -> NDArray:
    """Cluster UMAP's map again with clusters of at least 0.5 % of the rows."""
    from fast_hdbscan import HDBSCAN

    drawn = np.load(scratch / "map.npy")
    return np.asarray(HDBSCAN(min_cluster_size=len(drawn) // 200).fit_predict(drawn))


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge pixels, as the issue asks, against the peers that were run; features are not judged."""
    shoal, evoc, umap = (of_case(rows, f"{name} on pixels") for name in ("shoal", *PEERS))
    judged = []
    if shoal and evoc:
        gap, times = _gap(shoal, evoc), middle(shoal, "seconds") / middle(evoc, "seconds")
        judged += [at_least("ARI above that of EVoC, by", gap, 0.0)]
        judged += [at_most("times the seconds of EVoC", times, 2.0)]
    if shoal and umap:
        gap, times = _gap(shoal, umap), middle(umap, "seconds") / middle(shoal, "seconds")
        judged += [at_least("ARI above that of UMAP + HDBSCAN, by", gap, 0.0)]
        judged += [at_least("times faster than UMAP + HDBSCAN", times, 4.0)]
    return judged


def _gap(shoal: Sequence[Row], peer: Sequence[Row]) -> float:
    """Return by how much the ARI is higher."""
    return middle(shoal, "ari") - middle(peer, "ari")


BENCHMARK = Benchmark(
    "peers",
    "MNIST beside EVoC and UMAP + HDBSCAN, whole processes",
    run,
    musts,
    ("mnist",),
    piecemeal=True,
)
