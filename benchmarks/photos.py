"""Photos through the command line: what is found in Imagenette, speed, and odd files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import quality
from benchmarks.base import (
    Benchmark,
    Inputs,
    Measurement,
    Must,
    Row,
    at_least,
    at_most,
    of_case,
    share,
    values,
)
from benchmarks.fits import fit_command, layers_of
from benchmarks.measure import Usage, measure
from benchmarks.photo_files import classes, photos, write_hostile, write_large, write_photos

SEEDS = 5
_LARGE, _FIRST, _ODD = 100, 300, 500


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit Imagenette with some seeds, then the folders made out of it."""
    archive = inputs.photos
    assert archive is not None
    yield from _imagenette(archive, inputs.scratch)
    some = photos(archive, _ODD)
    yield _first_answer(some[:_FIRST], inputs.scratch)
    yield _large(some, inputs.scratch)
    yield _odd(some, inputs.scratch)


def _imagenette(archive: Path, scratch: Path) -> Iterator[Measurement]:
    """Fit the archive told nothing, and once with little memory."""
    truth = classes(archive)
    _fit(archive, scratch)  # everything compiled and built, the archive in the disk's cache
    for seed in range(SEEDS):
        usage, out = _fit(archive, scratch, "--seed", seed)
        yield Measurement(
            "imagenette", len(truth), usage.seconds, usage.peak_mib, seed, _quality(out, truth)
        )
    usage, out = _fit(archive, scratch, "--memory", "2GiB")
    yield Measurement(
        "in 2 GiB", len(truth), usage.seconds, usage.peak_mib, 0, _quality(out, truth)
    )


def _quality(out: Path, truth: Any) -> dict[str, Any]:
    """Compare a run's layers with the classes."""
    layers = layers_of(out)
    primary = next(layer for layer in layers if layer.primary)
    near = [layer for layer in layers if 9 <= layer.k <= 11]
    return {
        "k": primary.k,
        "ami": quality.ami(truth, primary.labels),
        "accuracy": quality.accuracy(truth, primary.labels),
        "best_accuracy_at_9_to_11": max(
            (quality.accuracy(truth, layer.labels) for layer in near), default=0.0
        ),
        "layers": [layer.k for layer in layers],
        "photos_a_second": len(truth) / _seconds(out, "features"),
    }


def _first_answer(some: list[Any], scratch: Path) -> Measurement:
    """Fit a folder with nothing compiled or built before."""
    folder, caches = scratch / "first", scratch / "caches"
    write_photos(some, folder)
    fresh = {"NUMBA_CACHE_DIR": str(caches / "numba"), "XDG_CACHE_HOME": str(caches)}
    usage, out = _fit(folder, scratch, env={**os.environ, **fresh})
    facts = {"k": layers_of(out)[0].k, "layers": [layer.k for layer in layers_of(out)]}
    return Measurement("first answer", len(some), usage.seconds, usage.peak_mib, 0, facts)


def _large(some: list[Any], scratch: Path) -> Measurement:
    """Fit JPEGs of 4,000 × 3,000 pixels."""
    folder = scratch / "large"
    write_large(some, folder, _LARGE)
    size = sum(file.stat().st_size for file in folder.iterdir())
    usage, out = _fit(folder, scratch, "--features", "photo")
    facts = {
        "photos_a_second": _LARGE / _seconds(out, "features"),
        "mib_a_photo": size / _LARGE / 2**20,
    }
    return Measurement("4000×3000", _LARGE, usage.seconds, usage.peak_mib, 0, facts)


def _odd(some: list[Any], scratch: Path) -> Measurement:
    """Fit good and odd files together; a traceback or another failure would raise."""
    from shoal import api

    folder = scratch / "odd"
    good, bad = write_hostile(some, folder, _ODD)
    usage, out = _fit(folder, scratch)
    run = api.open(out)
    clustered = int((run.labels() >= 0).sum())
    reasons = [reason for reason in run.quarantine["reason"].to_pylist() if reason]
    facts = {
        "clustered": clustered,
        "to_be_clustered": good,
        "listed_with_a_reason": len(reasons),
        "to_be_listed": bad,
        "reasons": len({reason[:30] for reason in reasons}),
    }
    return Measurement("odd files", good + bad, usage.seconds, usage.peak_mib, 0, facts)


def _fit(
    source: Path, scratch: Path, *options: Any, env: dict[str, str] | None = None
) -> tuple[Usage, Path]:
    """Fit by the command line; the run lies there until the next."""
    out = scratch / "run.shoal"
    shutil.rmtree(out, ignore_errors=True)
    given = dict(zip(options[::2], options[1::2], strict=True))
    seed = given.pop("--seed", 0)
    words = [word for pair in given.items() for word in pair]
    return measure(fit_command(source, out, seed, *words), env=env), out


def _seconds(out: Path, stage: str) -> float:
    """Read how long a stage of a run took."""
    return float(json.loads((out / stage / "_done.json").read_bytes())["seconds"])


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge what was found, speed, memory and odd files."""
    fits, large = of_case(rows, "imagenette"), of_case(rows, "4000×3000")
    best = values(fits, "best_accuracy_at_9_to_11")
    odd = of_case(rows, "odd files")[0]["quality"]
    return [
        share("accuracy of a layer with K = 10 ± 1 ≥ 0.95", [x >= 0.95 for x in best], len(fits)),
        at_least("least AMI of the primary layer", min(values(fits, "ami")), 0.90),
        at_least("photos a second", min(values(fits, "photos_a_second")), 60),
        at_least("4,000 × 3,000 JPEGs a second", large[0]["quality"]["photos_a_second"], 12),
        at_most("first answer, seconds", of_case(rows, "first answer")[0]["seconds"], 30),
        at_most("MiB with --memory 2GiB", of_case(rows, "in 2 GiB")[0]["peak_mib"], 2048),
        Must(
            "every good one clustered, every other one listed with its reason",
            f"{odd['clustered']} of {odd['to_be_clustered']}, "
            f"{odd['listed_with_a_reason']} of {odd['to_be_listed']}",
            odd["clustered"] == odd["to_be_clustered"]
            and odd["listed_with_a_reason"] == odd["to_be_listed"],
        ),
    ]


BENCHMARK = Benchmark(
    "photos", "Imagenette and other photos, by the command line", run, musts, ("photos",)
)
