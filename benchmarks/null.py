"""Fifty sets without any structure: K = 1 is the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, share, values
from benchmarks.fits import fit_here

Draw = Callable[[np.random.Generator, int, int], NDArray]


def gaussian(generator: np.random.Generator, n: int, d: int) -> NDArray:
    """Draw from a round Gaussian."""
    return generator.normal(size=(n, d))


def uneven(generator: np.random.Generator, n: int, d: int) -> NDArray:
    """Draw from a Gaussian whose axes fall from 1 to 1/20, turned at random."""
    turned, _ = np.linalg.qr(generator.normal(size=(d, d)))
    return (generator.normal(size=(n, d)) * np.geomspace(1, 0.05, d)) @ turned


def uniform(generator: np.random.Generator, n: int, d: int) -> NDArray:
    """Draw from a cube."""
    return generator.uniform(size=(n, d))


def heavy(generator: np.random.Generator, n: int, d: int) -> NDArray:
    """Draw from Student's t with 3 degrees of freedom, round."""
    return generator.normal(size=(n, d)) / np.sqrt(generator.chisquare(3, (n, 1)) / 3)


def laplace(generator: np.random.Generator, n: int, d: int) -> NDArray:
    """Draw from Laplace's law on each axis."""
    return generator.laplace(size=(n, d))


_SETS: dict[Draw, tuple[tuple[int, int], ...]] = {
    gaussian: (
        (500, 2),
        (2_000, 3),
        (5_000, 2),
        (1_000, 5),
        (10_000, 10),
        (500, 20),
        (20_000, 64),
        (3_000, 64),
        (100_000, 2),
        (100_000, 8),
    ),
    uneven: (
        (500, 5),
        (1_000, 10),
        (2_000, 64),
        (5_000, 20),
        (10_000, 3),
        (20_000, 10),
        (50_000, 32),
        (100_000, 64),
    ),
    uniform: (
        (500, 2),
        (1_000, 2),
        (5_000, 3),
        (2_000, 4),
        (10_000, 2),
        (4_000, 8),
        (500, 10),
        (20_000, 16),
        (3_000, 32),
        (10_000, 64),
        (100_000, 2),
        (100_000, 5),
    ),
    heavy: (
        (500, 2),
        (1_000, 3),
        (5_000, 2),
        (2_000, 10),
        (10_000, 5),
        (20_000, 20),
        (3_000, 64),
        (100_000, 10),
    ),
    laplace: ((1_000, 2), (5_000, 10), (20_000, 3), (50_000, 20)),
}
_PERMUTED = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 70_000)


def sets() -> list[tuple[str, int, int]]:
    """List the fifty sets: kind, rows, dimensions (0: as many as the features of MNIST)."""
    drawn = [(draw.__name__, n, d) for draw, shapes in _SETS.items() for n, d in shapes]
    return drawn + [("permuted", n, 0) for n in _PERMUTED]


def draw(kind: str, n: int, d: int, seed: int, features: NDArray) -> NDArray[np.float32]:
    """Draw a set; for `permuted`, each column of some rows of `features` on its own."""
    generator = np.random.default_rng([seed, n, d])
    if kind == "permuted":
        rows = features[generator.choice(len(features), n, replace=False)]
        return np.asarray(generator.permuted(rows, axis=0), np.float32)
    return next(one for one in _SETS if one.__name__ == kind)(generator, n, d).astype(np.float32)


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit each set, the t-th of them drawn and fitted with seed t."""
    assert inputs.mnist is not None
    features = data.mnist_features(inputs.mnist)
    for seed, (kind, n, d) in enumerate(sets()):
        x = draw(kind, n, d, seed, features)
        fit = fit_here(x, inputs.scratch, seed)
        facts = {"k": fit.primary.k, "layers": [cut.k for cut in fit.layers]}
        case = f"{kind}, {x.shape[1]}-d"
        yield Measurement(case, n, fit.usage.seconds, None, seed, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge that nearly none is split."""
    return [share("K = 1", [k == 1 for k in values(rows, "k")], 48)]


BENCHMARK = Benchmark("null", "50 sets without structure", run, musts, ("mnist",))
