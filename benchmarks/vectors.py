"""200,000 vectors of 64 dimensions in an .npy file through the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks import quality
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_most, middle
from benchmarks.fits import fit_process, warm

N, D, GROUPS, SEEDS = 200_000, 64, 50, 3
_NULL = N // 10


def draw(seed: int) -> tuple[NDArray[np.float32], NDArray]:
    """Draw 50 Gaussian groups of very different size, and a tenth of rows in none (label −1)."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(GROUPS, D)) * 2
    share = generator.dirichlet(np.full(GROUPS, 2.0)) * 0.9 + 0.1 / GROUPS
    truth = np.concatenate([generator.choice(GROUPS, N - _NULL, p=share), np.full(_NULL, -1)])
    truth = generator.permutation(truth)
    x = generator.normal(size=(N, D)) * np.where(truth < 0, 2.2, 1.0)[:, None]
    x[truth >= 0] += centres[truth[truth >= 0]]
    return x.astype(np.float32), truth


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit a new draw with each seed."""
    path = inputs.scratch / "vectors.npy"
    np.save(path, draw(0)[0])
    warm(path, inputs.scratch)
    for seed in range(SEEDS):
        x, truth = draw(seed)
        np.save(path, x)
        fit = fit_process(path, inputs.scratch, seed)
        known = truth >= 0
        facts = {
            "k": fit.primary.k,
            "ari_of_groups": quality.ari(truth[known], fit.primary.labels[known]),
            "layers": [cut.k for cut in fit.layers],
        }
        yield Measurement("fit", N, fit.usage.seconds, fit.usage.peak_mib, seed, facts)
    path.unlink()


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the time."""
    return [at_most("seconds, median", middle(rows, "seconds"), 60)]


BENCHMARK = Benchmark(
    "vectors", "200,000 vectors of 64 dimensions, by the command line", run, musts
)
