"""Microseconds an image that the gradients take on one core, compiled before."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.datasets import load_sample_images
from threadpoolctl import threadpool_limits

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_most, middle, of_case
from shoal.features import Gradients

SHAPES = ((8, 8, 1), (28, 28, 1), (16, 16, 3), (32, 32, 3), (64, 64, 3))
N = 4096
REPEATS = 7


def cut(shape: tuple[int, int, int], n: int) -> np.ndarray:
    """Cut `n` pieces of scikit-learn's photos, at random places."""
    photos = load_sample_images().images
    generator = np.random.default_rng(0)
    height, width, channels = shape
    pieces = np.empty((n, *shape), np.uint8)
    for i in range(n):
        photo = photos[i % len(photos)]
        y = generator.integers(photo.shape[0] - height)
        x = generator.integers(photo.shape[1] - width)
        pieces[i] = photo[y : y + height, x : x + width, :channels]
    return pieces


def seconds(shape: tuple[int, int, int]) -> float:
    """Return the median time of all images over some repeats."""
    encoder, images = Gradients(shape), cut(shape, N)
    encoder.setup()
    times = []
    with threadpool_limits(1):
        for _ in range(REPEATS):
            start = time.perf_counter()
            encoder.encode(images)
            times.append(time.perf_counter() - start)
    return float(np.median(times))


def run(_inputs: Inputs) -> Iterator[Measurement]:
    """Measure each shape."""
    for shape in SHAPES:
        took = seconds(shape)
        facts = {"microseconds": took / N * 1e6}
        yield Measurement("×".join(map(str, shape)), N, took, None, None, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge the small colour tile."""
    tile = middle(of_case(rows, "16×16×3"), "microseconds")
    return [at_most("microseconds a 16×16×3 tile", tile, 10.0)]


BENCHMARK = Benchmark("kernel", "gradients on one core, microseconds an image", run, musts)
