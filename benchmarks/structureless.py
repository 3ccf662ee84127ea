"""Fifty more sets without structure, of stranger shapes than those of `null`: K = 1 is the answer.

Shuffled real features, the patches of one photo, one digit alone, curved sheets, spheres, tails
that are heavier, long thin pieces, pictures of noise: small, so that all take some minutes on
one core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks import data
from benchmarks.base import Inputs
from benchmarks.labelled import gradients

Draw = Callable[[np.random.Generator, Inputs], NDArray]


def swiss_roll(n: int, noise: float) -> Draw:
    """Draw points of a rolled-up sheet in three dimensions."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        turn = 1.5 * np.pi * (1 + 2 * generator.uniform(size=n))
        x = np.stack([turn * np.cos(turn), 21 * generator.uniform(size=n), turn * np.sin(turn)], 1)
        return x + noise * generator.normal(size=x.shape)

    return draw


def sphere(n: int, d: int) -> Draw:
    """Draw points of a sphere's surface."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        x = generator.normal(size=(n, d))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    return draw


def tails(n: int, d: int, freedom: float) -> Draw:
    """Draw from Student's t on each axis by itself, or with one radius for all (freedom < 0)."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        if freedom > 0:
            return generator.standard_t(freedom, size=(n, d))
        return generator.normal(size=(n, d)) / np.sqrt(
            generator.chisquare(-freedom, (n, 1)) / -freedom
        )

    return draw


def skewed(n: int, d: int, sigma: float) -> Draw:
    """Draw from a lognormal law on each axis."""
    return lambda generator, inputs: np.exp(sigma * generator.normal(size=(n, d)))


def cigar(n: int, d: int, ratio: float) -> Draw:
    """Draw from a Gaussian, or from a uniform bar (ratio < 0), many times as long as wide."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        x = generator.normal(size=(n, d))
        if ratio < 0:
            x[:, 0] = generator.uniform(-1.7, 1.7, n)
        x[:, 0] *= abs(ratio)
        return x

    return draw


def ring(n: int, d: int, noise: float) -> Draw:
    """Draw points of a circle, with noise in all dimensions."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        angle = generator.uniform(0, 2 * np.pi, n)
        x = noise * generator.normal(size=(n, d))
        x[:, 0] += np.cos(angle)
        x[:, 1] += np.sin(angle)
        return x

    return draw


def simplex(n: int, d: int) -> Draw:
    """Draw shares that add up to 1, all alike likely."""
    return lambda generator, inputs: generator.dirichlet(np.ones(d + 1), n)[:, :d]


def noise_images(n: int, side: int, smooth: int) -> Draw:
    """Encode pictures of noise, blurred by a box of `smooth` pixels."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        x = generator.normal(size=(n, side, side))
        for axis in (1, 2):
            x = sum(np.roll(x, shift, axis) for shift in range(smooth))
        x = x / x.std()
        return gradients(np.clip(128 + 50 * x, 0, 255).astype(np.uint8))

    return draw


def one_digit(digit: int, n: int) -> Draw:
    """Encode images of one digit of MNIST alone."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        assert inputs.mnist is not None
        rows = np.flatnonzero(data.mnist_labels(inputs.mnist) == digit)
        return gradients(data.mnist_images(inputs.mnist)[generator.choice(rows, n, replace=False)])

    return draw


def patches(photo: str, n: int, side: int) -> Draw:
    """Encode square pieces of one of scikit-learn's photos."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        from sklearn.datasets import load_sample_image

        image = load_sample_image(photo).mean(2).astype(np.uint8)
        top = generator.integers(0, image.shape[0] - side, n)
        left = generator.integers(0, image.shape[1] - side, n)
        return gradients(
            np.stack([image[a : a + side, b : b + side] for a, b in zip(top, left, strict=True)])
        )

    return draw


def shuffled(name: str, n: int) -> Draw:
    """Shuffle each component of a real set's features by itself."""

    def draw(generator: np.random.Generator, inputs: Inputs) -> NDArray:
        from benchmarks.labelled import SETS

        x, _ = next(one for one in SETS if one.name == name).draw(inputs)
        return generator.permuted(
            x[generator.choice(len(x), min(n, len(x)), replace=False)], axis=0
        )

    return draw


def available(name: str, inputs: Inputs) -> bool:
    """Return whether all that a set is made of is there."""
    from benchmarks.labelled import SETS

    if name.startswith("one digit"):
        return inputs.mnist is not None
    # "shuffled fashion" is made of a part of "fashion", and needs the same files
    base = next((one for one in SETS if one.name == name.removeprefix("shuffled ")), None)
    return base is None or base.available(inputs)


SETS: tuple[tuple[str, Draw], ...] = (
    *(
        (f"one digit, {d}", one_digit(d, n))
        for d, n in enumerate((500, 3000, 1000, 2000, 5000) * 2)
    ),
    ("patches, china", patches("china.jpg", 3000, 16)),
    ("patches, flower", patches("flower.jpg", 3000, 16)),
    ("patches, china, few", patches("china.jpg", 600, 24)),
    ("patches, flower, few", patches("flower.jpg", 600, 24)),
    ("shuffled digits", shuffled("digits", 1797)),
    ("shuffled mnist, 5,000", shuffled("mnist, 5,000", 5000)),
    ("shuffled fashion", shuffled("fashion, 10,000", 4000)),
    ("shuffled objects", shuffled("20 objects × 72", 1440)),
    ("shuffled heads", shuffled("40 heads × 10", 400)),
    ("shuffled wine", shuffled("wine", 178)),
    ("shuffled breast cancer", shuffled("breast cancer", 569)),
    ("shuffled hand signs", shuffled("hand signs", 2000)),
    ("swiss roll, 2,000", swiss_roll(2000, 0.0)),
    ("swiss roll, 5,000", swiss_roll(5000, 0.3)),
    ("swiss roll, 500", swiss_roll(500, 0.1)),
    ("sphere, 3-d", sphere(2000, 3)),
    ("sphere, 10-d", sphere(3000, 10)),
    ("sphere, 50-d", sphere(1000, 50)),
    ("sphere, 3-d, few", sphere(400, 3)),
    ("t of 2, 3-d", tails(2000, 3, 2.0)),
    ("t of 2, 20-d", tails(2000, 20, 2.0)),
    ("t of 1.5, round, 5-d", tails(1000, 5, -1.5)),
    ("t of 2, round, 30-d", tails(5000, 30, -2.0)),
    ("t of 3, 10-d, few", tails(300, 10, 3.0)),
    ("lognormal, 2-d", skewed(2000, 2, 1.0)),
    ("lognormal, 10-d", skewed(3000, 10, 0.7)),
    ("cigar 30, 3-d", cigar(2000, 3, 30.0)),
    ("cigar 100, 10-d", cigar(3000, 10, 100.0)),
    ("cigar 20, 50-d", cigar(1000, 50, 20.0)),
    ("bar 50, 2-d", cigar(2000, 2, -50.0)),
    ("bar 30, 5-d, few", cigar(400, 5, -30.0)),
    ("ring, 2-d", ring(2000, 2, 0.1)),
    ("ring, 10-d", ring(3000, 10, 0.05)),
    ("ring, 3-d, few", ring(300, 3, 0.02)),
    ("simplex, 3-d", simplex(2000, 3)),
    ("simplex, 20-d", simplex(3000, 20)),
    ("noise images, 16×16", noise_images(2000, 16, 1)),
    ("noise images, 28×28, smooth", noise_images(2000, 28, 4)),
    ("noise images, 28×28, smooth, few", noise_images(300, 28, 3)),
    ("noise images, 48×48, smooth", noise_images(1000, 48, 8)),
)
