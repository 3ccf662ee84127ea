"""MNIST through the command line, told nothing but the key: ten seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

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
    share,
    values,
)
from benchmarks.fits import fit_process, warm

SEEDS = 10


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit with each seed, then compare every two."""
    path = inputs.mnist
    assert path is not None
    truth = data.mnist_labels(path)
    options = ("--key", "images")
    warm(path, inputs.scratch, *options)
    found = []
    for seed in range(SEEDS):
        fit = fit_process(path, inputs.scratch, seed, *options)
        labels = fit.primary.labels
        found.append(labels)
        yield Measurement(
            "fit",
            len(truth),
            fit.usage.seconds,
            fit.usage.peak_mib,
            seed,
            {
                "k": fit.primary.k,
                "ari": quality.ari(truth, labels),
                "accuracy": quality.accuracy(truth, labels),
                "ami": quality.ami(truth, labels),
                "layers": [cut.k for cut in fit.layers],
            },
        )
    pairs = [quality.ari(a, b) for a, b in combinations(found, 2)]
    facts = {"pairs": len(pairs), "least_ari": min(pairs), "mean_ari": sum(pairs) / len(pairs)}
    yield Measurement("between seeds", len(truth), 0.0, None, None, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge quality, agreement, time and memory."""
    fits = of_case(rows, "fit")
    most = len(fits) - 1
    good = [row["quality"]["ari"] >= 0.955 and row["quality"]["accuracy"] >= 0.98 for row in fits]
    return [
        share("ARI ≥ 0.955 and accuracy ≥ 0.98", good, most),
        share("K from 9 to 12", [9 <= k <= 12 for k in values(fits, "k")], most),
        at_least("least ARI between two seeds", _between(rows), 0.97),
        at_most("seconds, median", middle(fits, "seconds"), 40),
        at_most("MiB, greatest", max(values(fits, "peak_mib")), 2048),
    ]


def _between(rows: Sequence[Row]) -> float:
    """Return the least ARI between two seeds."""
    return float(of_case(rows, "between seeds")[0]["quality"]["least_ari"])


BENCHMARK = Benchmark("mnist", "MNIST, 10 seeds, by the command line", run, musts, ("mnist",))
