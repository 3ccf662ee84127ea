"""MNIST through 5,000 representatives against all its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks import data, quality
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_most, of_case, values
from benchmarks.fits import fit_process, warm

SEEDS = 5
_CASES = {"all rows": (), "m = 5,000": ("--representatives", 5000)}


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit both ways with each seed."""
    path = inputs.mnist
    assert path is not None
    truth = data.mnist_labels(path)
    for options in _CASES.values():
        warm(path, inputs.scratch, "--key", "images", *options)
    for seed in range(SEEDS):
        for case, options in _CASES.items():
            fit = fit_process(path, inputs.scratch, seed, "--key", "images", *options)
            labels = fit.primary.labels
            facts = {
                "k": fit.primary.k,
                "ari": quality.ari(truth, labels),
                "accuracy": quality.accuracy(truth, labels),
                "layers": [cut.k for cut in fit.layers],
            }
            yield Measurement(case, len(truth), fit.usage.seconds, fit.usage.peak_mib, seed, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the loss of the mean over the seeds."""
    full, less = (values(of_case(rows, case), "ari") for case in _CASES)
    loss = sum(full) / len(full) - sum(less) / len(less)
    return [at_most("loss of ARI, mean over the seeds", loss, 0.015)]


BENCHMARK = Benchmark(
    "representatives", "MNIST through 5,000 representatives, 5 seeds", run, musts, ("mnist",)
)
