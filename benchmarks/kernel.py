"""Microseconds an image that the gradients take on one core; writes one JSON row.

python -m benchmarks.kernel [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_sample_images
from sklearn.neighbors import NearestNeighbors

from shoal.features import Gradients, Moments, fit_projection

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


def microseconds(shape: tuple[int, int, int]) -> float:
    """Give the median time an image over some repeats, compiled before."""
    encoder, images = Gradients(shape), cut(shape, N)
    encoder.setup()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        encoder.encode(images)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) / N * 1e6


def purity() -> float:
    """Give the share of a digit's ten nearest digits that are of its kind."""
    digits = load_digits()
    images = np.minimum(digits.images * 16, 255).astype(np.uint8)[..., None]
    encoder = Gradients((8, 8, 1))
    features = encoder.encode(images)
    rows = fit_projection(Moments.of(features), whiten=encoder.whiten).apply(features)
    near = NearestNeighbors(n_neighbors=11).fit(rows).kneighbors(rows, return_distance=False)
    return float((digits.target[near[:, 1:]] == digits.target[:, None]).mean())


def measure() -> dict[str, object]:
    """Measure everything: one JSON-able row."""
    start = time.perf_counter()
    times = {"x".join(map(str, shape)): round(microseconds(shape), 2) for shape in SHAPES}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "benchmark": "kernel",
        "commit": commit,
        "machine": f"{platform.processor() or platform.machine()}, 1 core",
        "n": N,
        "seconds": round(time.perf_counter() - start, 2),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "microseconds": times,
        "digits_purity": round(purity(), 4),
    }


def main() -> None:
    """Print the row, and add it to a file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    out = parser.parse_args().out
    row = json.dumps(measure())
    print(row)
    if out:
        with out.open("a") as file:
            file.write(row + "\n")


if __name__ == "__main__":
    main()
