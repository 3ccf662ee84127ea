"""Fashion-MNIST's 60,000 training images through the command line: every layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks import data, quality
from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, share
from benchmarks.fits import fit_process, warm

SEEDS = 5


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Fit with each seed; one measurement a layer."""
    assert inputs.fashion is not None
    path, truth = data.fashion(inputs.fashion)
    warm(path, inputs.scratch)
    for seed in range(SEEDS):
        fit = fit_process(path, inputs.scratch, seed)
        for at, cut in enumerate(fit.layers):
            facts = {
                "k": cut.k,
                "primary": cut.primary,
                "nmi": quality.nmi(truth, cut.labels),
                "ami": quality.ami(truth, cut.labels),
                "ari": quality.ari(truth, cut.labels),
                "accuracy": quality.accuracy(truth, cut.labels),
            }
            seconds, peak = fit.usage.seconds, fit.usage.peak_mib
            yield Measurement(f"layer {at}", len(truth), seconds, peak, seed, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge that each seed has a good layer, and a coarser one."""
    seeds = sorted({row["seed"] for row in rows})
    good: dict[int, list[int]] = {seed: [] for seed in seeds}
    for row in rows:
        if 8 <= row["quality"]["k"] <= 14 and row["quality"]["nmi"] >= 0.70:
            good[row["seed"]].append(row["quality"]["k"])
    ks = {seed: [r["quality"]["k"] for r in rows if r["seed"] == seed] for seed in seeds}
    coarser = [bool(good[s]) and any(1 < k < max(good[s]) for k in ks[s]) for s in seeds]
    return [
        share(
            "a layer with K from 8 to 14 and NMI ≥ 0.70", [bool(good[s]) for s in seeds], len(seeds)
        ),
        share("and a coarser one", coarser, len(seeds)),
    ]


BENCHMARK = Benchmark(
    "fashion", "Fashion-MNIST, 5 seeds, every layer, by the command line", run, musts, ("fashion",)
)
