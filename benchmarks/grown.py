"""Rows added to a run: the time against a whole fit, new sources proposed, and false alarms."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_least, of_case, values
from benchmarks.fits import fit_command
from benchmarks.measure import measure
from shoal.synthetic import SHAPE, TileSet

_OLD, _MORE, _SPARE = 200_000, 20_000, 40_000
_ABSENT = (5, 10, 15, 20, 25)  # sources of 3.7 to 0.8 %
_OWN = 0.8  # of a source in a cluster, and of the cluster from the source
_SPLITS = 20
_SHAPE = ("--shape", ",".join(map(str, SHAPE)))
Draw = Callable[[np.random.Generator, int], NDArray]


def _blobs(generator: np.random.Generator, n: int) -> NDArray:
    """Draw from twelve round groups in 16 dimensions."""
    centres = 6 * generator.normal(size=(12, 16))
    return centres[generator.integers(0, 12, n)] + generator.normal(size=(n, 16))


def _uneven(generator: np.random.Generator, n: int) -> NDArray:
    """Draw from thirty groups, sizes by Zipf's law, of many densities, in 10 dimensions."""
    share = 1 / np.arange(1, 31)
    of = generator.choice(30, n, p=share / share.sum())
    centres, width = 5 * generator.normal(size=(30, 10)), generator.uniform(0.2, 1.5, (30, 1))
    return centres[of] + width[of] * generator.normal(size=(n, 10))


def _gaussian(generator: np.random.Generator, n: int) -> NDArray:
    """Draw from one round cloud in 8 dimensions."""
    return generator.normal(size=(n, 8))


def _heavy(generator: np.random.Generator, n: int) -> NDArray:
    """Draw from Student's t with 3 degrees of freedom in 5 dimensions."""
    return generator.normal(size=(n, 5)) / np.sqrt(generator.chisquare(3, (n, 1)) / 3)


def _uniform(generator: np.random.Generator, n: int) -> NDArray:
    """Draw from a square."""
    return generator.uniform(size=(n, 2))


def _lattice(generator: np.random.Generator, n: int) -> NDArray:
    """Draw small whole numbers, most rows of which are there many times."""
    return generator.poisson(2, size=(n, 4)).astype(np.float64)


def _digits(generator: np.random.Generator, n: int) -> NDArray:
    """Take images of scikit-learn's digits in another order."""
    from sklearn.datasets import load_digits

    images = (load_digits().images * 15.9).astype(np.uint8)
    return images[generator.permutation(len(images))[:n]]


def _tiles(generator: np.random.Generator, n: int) -> NDArray:
    """Take some made tiles."""
    first = int(generator.integers(0, 10**7))
    return TileSet().images(first, first + n)


_DRAWS: dict[str, tuple[Draw, int, int | None]] = {
    "gaussian": (_gaussian, 2_400, None),
    "heavy": (_heavy, 2_400, None),
    "uniform": (_uniform, 2_400, None),
    "blobs": (_blobs, 2_400, None),
    "uneven": (_uneven, 2_400, None),
    "lattice": (_lattice, 2_400, None),
    "digits": (_digits, 1_797, None),
    "blobs, m = 1,000": (_blobs, 6_000, 1_000),
    "uneven, m = 800": (_uneven, 6_000, 800),
    "heavy, m = 1,500": (_heavy, 6_000, 1_500),
    "tiles, m = 4,000": (_tiles, 24_000, 4_000),
}


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure the time, then the proposals, then the alarms."""
    parts = {"time": _time, "absent": _absent, "same": _same}
    for name, part in parts.items():
        if not inputs.only or name in inputs.only:
            yield from part(inputs)


def _write(folder: Path, *pieces: NDArray[np.uint8]) -> Path:
    """Write tiles as raw files, one for each piece."""
    folder.mkdir()
    for number, piece in enumerate(pieces):
        piece.tofile(folder / f"{number:02}.bin")
    return folder


def _time(inputs: Inputs) -> Iterator[Measurement]:
    """Fit tiles, then more of them with the earlier run, then all of them anew."""
    tiles = TileSet().images(0, _OLD + _MORE)
    with tempfile.TemporaryDirectory(dir=inputs.scratch) as name:
        folder = Path(name)
        old = _write(folder / "old", tiles[:_OLD])
        both = _write(folder / "both", tiles[:_OLD], tiles[_OLD:])
        shutil.copy2(old / "00.bin", both / "00.bin")  # with its time, as when files are added
        measure(fit_command(both, folder / "warm", 0, *_SHAPE))
        measure(fit_command(old, folder / "a", 0, *_SHAPE))
        whole = measure(fit_command(both, folder / "b", 0, *_SHAPE))
        yield Measurement("whole fit", _OLD + _MORE, whole.seconds, whole.peak_mib, 0)
        command = fit_command(both, folder / "c", 0, *_SHAPE, "--previous", folder / "a")
        grown = measure(command)
        facts = {"times_faster": whole.seconds / grown.seconds, **_report(folder / "c")}
        yield Measurement("rows added", _OLD + _MORE, grown.seconds, grown.peak_mib, 0, facts)


def _report(run: Path) -> dict[str, Any]:
    """Return the verdict of a grown run."""
    from shoal import api

    drift = api.open(run).drift
    assert drift is not None
    shares = {name: drift.report[name]["share"] for name in ("stretched", "unlike")}
    return {"fits": drift.fits, "proposals": len(drift.proposals), **shares}


def _absent(inputs: Inputs) -> Iterator[Measurement]:
    """Add a source that the earlier run has no tile of; fit all anew to compare."""
    tiles = TileSet()
    truth, _ = tiles.truth(0, _OLD + _SPARE + _MORE)
    images = tiles.images(0, len(truth))
    for source in _ABSENT:
        kept = np.flatnonzero(truth[: _OLD + _SPARE] != source)[:_OLD]
        rows = np.concatenate([kept, np.arange(_OLD + _SPARE, len(truth))])
        mine = truth[rows] == source
        with tempfile.TemporaryDirectory(dir=inputs.scratch) as name:
            folder = Path(name)
            old = _write(folder / "old", images[kept])
            measure(fit_command(old, folder / "a", 0, *_SHAPE))
            both = _write(folder / "both", images[kept], images[rows[_OLD:]])
            shutil.copy2(old / "00.bin", both / "00.bin")
            grown = fit_command(both, folder / "b", 0, *_SHAPE, "--previous", folder / "a")
            usage = measure(grown)
            measure(fit_command(both, folder / "c", 0, *_SHAPE))
            facts = {"new": int(mine.sum()), **_report(folder / "b")}
            facts |= _proposed(folder / "b", mine) | _clustered(folder / "c", mine)
        yield Measurement(
            f"without source {source}", len(rows), usage.seconds, usage.peak_mib, 0, facts
        )


def _proposed(run: Path, mine: NDArray[np.bool_]) -> dict[str, float]:
    """Return purity and recall of the proposal that has most of a source."""
    from shoal import api

    drift = api.open(run).drift
    assert drift is not None
    found = [(0, 1)]
    for number in range(len(drift.proposals)):
        rows = drift.rows(number)
        found.append((int(mine[rows].sum()), len(rows)))
    hits, size = max(found)
    return {"purity": hits / size, "recall": hits / int(mine.sum())}


def _clustered(run: Path, mine: NDArray[np.bool_]) -> dict[str, float]:
    """Return purity and recall of the cluster of the finest layer that has most of a source."""
    from shoal import api

    opened = api.open(run)
    labels = opened.labels(layer=len(opened.layers) - 1)
    counts = np.bincount(labels[mine])
    best = int(counts.argmax())
    purity = counts[best] / int((labels == best).sum())
    return {"fit_purity": float(purity), "fit_recall": float(counts[best] / mine.sum())}


def _same(inputs: Inputs) -> Iterator[Measurement]:
    """Add rows of the same law, a fifth as many as there are."""
    from shoal import api

    for case, (draw, n, m) in _DRAWS.items():
        reports, began = [], time.perf_counter()
        for seed in range(_SPLITS):
            generator = np.random.default_rng([seed, n])
            rows = draw(generator, n)
            rows = rows[generator.permutation(n)]
            rows = rows if rows.dtype == np.uint8 else rows.astype(np.float32)
            with tempfile.TemporaryDirectory(dir=inputs.scratch) as folder:
                old = Path(folder) / "a"
                api.fit(rows[: n * 5 // 6], old, representatives=m)
                api.fit(rows, Path(folder) / "b", previous=str(old))
                reports.append(_report(Path(folder) / "b"))
        facts = {
            "splits": _SPLITS,
            "false_alarms": sum(not one["fits"] for one in reports),
            "false_proposals": sum(one["proposals"] > 0 for one in reports),
            **{
                name: float(np.mean([one[name] for one in reports]))
                for name in ("stretched", "unlike")
            },
        }
        yield Measurement(f"same law: {case}", n, time.perf_counter() - began, None, None, facts)


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge: quick, right about what is new, and silent where nothing is."""
    found = [
        at_least("times faster than a whole fit", values([row], "times_faster")[0], 3)
        for row in of_case(rows, "rows added")
    ]
    own = [row["quality"] for row in rows if row["case"].startswith("without source")]
    clear = [q for q in own if min(q["fit_purity"], q["fit_recall"]) >= _OWN]
    hits = sum(min(q["purity"], q["recall"]) >= _OWN for q in clear)
    if own:
        what = "absent sources proposed (80 % of it, 80 % pure), of those that a whole fit finds so"
        found.append(Must(what, f"{hits} of {len(clear)}", hits == len(clear)))
    same = [row["quality"] for row in rows if row["case"].startswith("same law")]
    if same:
        splits, alarms = (sum(q[name] for q in same) for name in ("splits", "false_alarms"))
        what = "false alarms where nothing is new, at most 1 in 100 or as chance has it"
        found.append(Must(what, f"{alarms} of {splits}", alarms <= splits / 100 + 2))
    return found


BENCHMARK = Benchmark(
    "grown",
    "rows added to a run, against a whole fit",
    run,
    musts,
    about=(
        "200,000 tiles and 20,000 added ones. An absent source has no tile among the first. For "
        "the same distribution, five sixths are fitted and the rest added, in 20 splits of each "
        "kind."
    ),
    parts=("time", "absent", "same"),
    piecemeal=True,
)
