"""Unknown means unknown: kinds that were never fitted, and held-out images of those that were."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import shoal
from benchmarks import data
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_least, at_most, values
from benchmarks.labelled import imagenette

_HELD_OUT = 0.1  # of the known kinds: whether these are called unknown is the false alarm
_DIGITS = (0, 2, 4, 6, 8)  # each left out once
_PHOTOS_LESS = ((0, 1), (4, 7))


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Leave kinds out of the fit, then predict them and held-out rows of the others."""
    from shoal.synthetic import digits

    images, truth = digits()
    for seed, left in enumerate(_DIGITS):
        yield _left_out(inputs.scratch, "digits less one", images, truth, (left,), seed)
    if inputs.mnist is not None:
        images, truth = data.mnist_images(inputs.mnist), data.mnist_labels(inputs.mnist)
        yield _left_out(inputs.scratch, "MNIST less 3 and 8", images, truth, (3, 8), 0)
    if inputs.photos is not None:
        photos, kinds = imagenette(inputs.photos)
        images = np.stack([np.asarray(photo) for photo in photos])
        for seed, left in enumerate(_PHOTOS_LESS):
            yield _left_out(inputs.scratch, "photos less two kinds", images, kinds, left, seed)


def _left_out(
    scratch: Path, case: str, images: NDArray, truth: NDArray, kinds: tuple[int, ...], seed: int
) -> Measurement:
    """Fit without some kinds and without a tenth of the others; predict both."""
    unseen = np.isin(truth, kinds)
    known = np.random.default_rng(seed).permutation(np.flatnonzero(~unseen))
    held_out, rows = np.split(known, [int(_HELD_OUT * len(known))])
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        run = shoal.fit(images[np.sort(rows)], Path(folder) / "a.shoal", seed=seed)
        facts = {
            "left_out": list(kinds),
            "k": run.primary.k,
            "unknown_of_unseen": float(run.predict(images[unseen]).unknown.mean()),
            "unknown_of_known": float(run.predict(images[held_out]).unknown.mean()),
        }
    return Measurement(case, len(rows), time.perf_counter() - start, None, seed, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge each case by the mean over what was left out."""
    least = {"MNIST less 3 and 8": 0.85, "photos less two kinds": 0.8, "digits less one": 0.8}
    judged = []
    for case in dict.fromkeys(row["case"] for row in rows):
        mine = [row for row in rows if row["case"] == case]
        unseen = float(np.mean(values(mine, "unknown_of_unseen")))
        known = float(np.mean(values(mine, "unknown_of_known")))
        judged.append(at_least(f"{case}: unseen called unknown, mean", unseen, least[case]))
        judged.append(at_most(f"{case}: known called unknown, mean", known, 0.05))
    return judged


BENCHMARK = Benchmark(
    "unknown",
    "kinds left out of the fit, and held-out rows of the others, at the default rate of 5 %",
    run,
    musts,
)
