"""scikit-learn's digits through the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import quality
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_least, values
from benchmarks.fits import fit_process, warm
from shoal.synthetic import digits as handwritten

SEEDS = 10


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit with each seed."""
    images, truth = handwritten()
    path = inputs.scratch / "digits.npy"
    np.save(path, images)
    warm(path, inputs.scratch)
    for seed in range(SEEDS):
        fit = fit_process(path, inputs.scratch, seed)
        labels = fit.primary.labels
        facts = {
            "k": fit.primary.k,
            "ami": quality.ami(truth, labels),
            "ari": quality.ari(truth, labels),
            "accuracy": quality.accuracy(truth, labels),
            "layers": [cut.k for cut in fit.layers],
        }
        yield Measurement("fit", len(truth), fit.usage.seconds, fit.usage.peak_mib, seed, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the quality at every seed."""
    return [at_least("AMI, least over the seeds", min(values(rows, "ami")), 0.92)]


BENCHMARK = Benchmark("digits", "scikit-learn's digits, 10 seeds, by the command line", run, musts)
