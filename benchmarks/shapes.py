"""Drawn groups whose truth is known: blobs, moons, circles, uneven sizes and densities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import make_blobs, make_circles, make_moons

from benchmarks import quality
from benchmarks.base import (
    Benchmark,
    Inputs,
    Measurement,
    Must,
    Row,
    at_least,
    cases,
    of_case,
    values,
)
from benchmarks.fits import fit_here

SEEDS = 5
Drawn = tuple[NDArray, NDArray]


def spread(sizes: Sequence[int], scales: Sequence[float], d: int, gap: float, seed: int) -> Drawn:
    """Draw Gaussian groups, of standard deviations `scales`, that do not overlap.

    Their centres are drawn until no two are nearer than `gap` times the sum of their scales.
    """
    generator = np.random.default_rng(seed)
    side = 2.0 * gap * float(np.max(scales)) * len(sizes) ** (1 / d)
    centres: list[NDArray] = []
    while len(centres) < len(sizes):
        one = generator.uniform(0, side, d)
        reach = gap * (np.asarray(scales[: len(centres)]) + scales[len(centres)])
        if not centres or (np.linalg.norm(np.asarray(centres) - one, axis=1) > reach).all():
            centres.append(one)
        side *= 1.0005  # room is found in the end
    x = np.concatenate(
        [
            c + s * generator.normal(size=(n, d))
            for c, s, n in zip(centres, scales, sizes, strict=True)
        ]
    )
    y = np.repeat(np.arange(len(sizes)), sizes)
    order = generator.permutation(len(x))
    return x[order].astype(np.float32), y[order]


def blobs(k: int, d: int, n: int) -> Callable[[int], Drawn]:
    """Return a draw of `k` equal groups of `n` rows in all."""
    return lambda seed: spread([n // k] * k, [1.0] * k, d, 4.0, seed)


def sklearn_blobs(seed: int) -> Drawn:
    """Draw scikit-learn's blobs as its examples do."""
    return make_blobs(1500, centers=[[-6, -6], [0, 0], [6, 6]], random_state=seed)[:2]


SHAPES: dict[str, Callable[[int], Drawn]] = {
    "blobs, 2 centres, 2-d": blobs(2, 2, 2000),
    "blobs, 2 centres, 10-d": blobs(2, 10, 2000),
    "blobs, 3 centres, scikit-learn's": sklearn_blobs,
    "blobs, 25 centres, 2-d": blobs(25, 2, 10_000),
    "blobs, 25 centres, 10-d": blobs(25, 10, 10_000),
    "blobs, 300 centres, 2-d": blobs(300, 2, 30_000),
    "blobs, 300 centres, 20-d": blobs(300, 20, 30_000),
    "moons": lambda seed: make_moons(2000, noise=0.05, random_state=seed),
    "circles": lambda seed: make_circles(2000, factor=0.5, noise=0.05, random_state=seed),
    "sizes 1:1000, 2-d": lambda seed: spread([20_000, 2_000, 200, 20], [1.0] * 4, 2, 4.0, seed),
    "sizes 1:1000, 10-d": lambda seed: spread([20_000, 2_000, 200, 20], [1.0] * 4, 10, 4.0, seed),
    "densities 1:20, 2-d": lambda seed: spread(
        [1000] * 5, list(20 ** np.linspace(0, 0.5, 5)), 2, 4.0, seed
    ),
    "densities 1:20, 5-d": lambda seed: spread(
        [1000] * 5, list(20 ** np.linspace(0, 0.2, 5)), 5, 4.0, seed
    ),
    "tens: 40 groups of 10, 10-d": blobs(40, 10, 400),
}


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Draw and fit each shape with each seed."""
    for case, draw in SHAPES.items():
        for seed in range(SEEDS):
            x, truth = draw(seed)
            fit = fit_here(np.asarray(x, np.float32), inputs.scratch, seed)
            labels = fit.primary.labels
            facts = {
                "ari": quality.ari(truth, labels),
                "k": fit.primary.k,
                "layers": [cut.k for cut in fit.layers],
            }
            yield Measurement(case, len(x), fit.usage.seconds, None, seed, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the worst seed of each shape."""
    return [
        at_least(
            f"{case}: ARI, least over the seeds", min(values(of_case(rows, case), "ari")), 0.99
        )
        for case in cases(rows)
    ]


BENCHMARK = Benchmark("shapes", "blobs, moons, circles, uneven sizes and densities", run, musts)
