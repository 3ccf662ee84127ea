"""Tiles by the million: Shoal beside k-means that is told K, and what must hold at 48 million.

``python -m benchmarks tiles`` measures a million, ``--n=48000000`` the full set; ``--only PART``
one part. The sets, and the last run of each, stay in a folder (`default_folder`).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import quality
from benchmarks.base import Benchmark, Inputs, Measurement
from benchmarks.cold import chill
from benchmarks.fits import fit_command
from benchmarks.identical import contents, differing, kill_after, kill_often
from benchmarks.measure import measure
from benchmarks.tiles_musts import CONSTANTS, K, musts
from shoal.progress import RichProgress
from shoal.rows.direct_io import read_direct
from shoal.synthetic import SHAPE, TileSet, make_tiles

KILLS = 20
KILLED_ROWS = 1_000_000
NEW_ROWS = 1_000_000
_MADE_ROWS = 4_000_000
_WARM_ROWS = 150_000  # more than are each their own representative
_MEMORY = "4GiB"
_READ = 64 << 20
_GEMM = (262_144, 176, 64)
_GEMMS = 5
_OPTIONS = ("--shape", ",".join(map(str, SHAPE)), "--memory", _MEMORY)


@dataclass(frozen=True)
class Place:
    """A set of tiles on disk, and the run of it."""

    inputs: Inputs
    n: int

    @property
    def tiles(self) -> Path:
        """The folder of the set, made if it is not there."""
        folder = self._base / f"tiles-{self.n}-{TileSet.recipe}"
        if not (folder / "truth.parquet").exists():
            size = self.n * np.prod(SHAPE) / 1e9
            told = f"{self.n:,} tiles are made and kept in {folder}: {size:.1f} GB"
            print(told, file=sys.stderr, flush=True)
        with RichProgress() as bars:
            make_tiles(folder, self.n, progress=bars)  # does nothing where all is there
        return folder

    @property
    def files(self) -> list[Path]:
        """The files of the set."""
        return sorted(self.tiles.glob("tiles-*.bin"))

    @property
    def run(self) -> Path:
        """The folder of the run, which may not be there."""
        return self._base / f"tiles-{self.n}-{TileSet.recipe}.shoal"

    @property
    def source(self) -> NDArray[np.uint16]:
        """The source of every tile."""
        import pyarrow.parquet as pq

        table = pq.read_table(self.tiles / "truth.parquet", columns=["source"])
        return table["source"].to_numpy()

    @property
    def _base(self) -> Path:
        return self.inputs.tiles or default_folder()


def default_folder() -> Path:
    """Return the folder in the user's cache where sets are kept unless another is given."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "shoal" / "tiles"


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure the parts one after the other."""
    place = Place(inputs, inputs.n)
    for name, part in PARTS.items():
        if not inputs.only or name in inputs.only:
            yield from part(place)


def make(place: Place) -> Iterator[Measurement]:
    """Make a set anew."""
    n = min(place.n, _MADE_ROWS)
    with tempfile.TemporaryDirectory(dir=place.inputs.scratch) as folder:
        usage = measure(_shoal("make-tiles", "-o", Path(folder) / "t", "--n", n, "--quiet"))
    facts = {"mb_per_second": n * np.prod(SHAPE) / 1e6 / usage.seconds}
    yield Measurement("make tiles", n, usage.seconds, usage.peak_mib, 0, facts)


def floor(place: Place) -> Iterator[Measurement]:
    """Read all files once and project as many rows of 176 features to 64 numbers."""
    rows, features, components = _GEMM
    generator = np.random.default_rng(0)
    a = generator.standard_normal((rows, features), np.float32)
    b = generator.standard_normal((features, components), np.float32)
    out = np.empty((rows, components), np.float32)
    times = []
    for _ in range(_GEMMS + 1):  # the first one warms up
        began = time.perf_counter()
        np.matmul(a, b, out)
        times.append(time.perf_counter() - began)
    gemm = float(np.median(times[1:])) * place.n / rows
    chill(place.files)
    direct = _read_direct(place.files)
    cold = chill(place.files)
    read = _read(place.files)
    facts = {
        "read_seconds": read,
        "direct_read_seconds": direct,
        "read_mb_per_second": place.n * np.prod(SHAPE) / 1e6 / read,
        "gemm_seconds": gemm,
        "gemm_gflop_per_second": 2 * place.n * features * components / gemm / 1e9,
        "cold": cold,
    }
    yield Measurement("floor", place.n, read + gemm, None, None, facts)


def _read(files: Sequence[Path]) -> float:
    """Read files from end to end, and give the seconds."""
    block = bytearray(_READ)
    began = time.perf_counter()
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(block):
                pass
    return time.perf_counter() - began


def _read_direct(files: Sequence[Path]) -> float | None:
    """Read files past the system's cache, as Shoal does; None where the system cannot."""
    began = time.perf_counter()
    for path in files:
        for start in range(0, path.stat().st_size, _READ):
            if read_direct(path, start, _READ) is None:
                return None
    return time.perf_counter() - began


def shoal(place: Place) -> Iterator[Measurement]:
    """Fit from a cold cache and write the labels; then look for the rare sources."""
    _warm(place)
    shutil.rmtree(place.run, ignore_errors=True)
    cold = chill(place.files)
    fit = measure(fit_command(place.tiles, place.run, 0, *_OPTIONS), place.run)
    labels = place.inputs.scratch / "labels.parquet"
    written = measure(_shoal("labels", place.run, "-o", labels))
    disk = fit.disk + labels.stat().st_size
    labels.unlink()
    truth = place.source
    facts = _found(place.run, truth)
    facts |= {
        "fit_seconds": fit.seconds,
        "labels_seconds": written.seconds,
        "stages": _stages(place.run),
        "disk_gb": disk / 1e9,
        "cold": cold,
    }
    peak = max(fit.peak_mib or 0, written.peak_mib or 0)
    yield Measurement("shoal", place.n, fit.seconds + written.seconds, peak, 0, facts)
    yield from _rare(place, truth)


def _found(run: Path, truth: NDArray) -> dict[str, Any]:
    """Score the layers that a user gets, and the one that only the truth could pick."""
    from shoal import api

    opened = api.open(run)
    scored = [
        quality.ami_of(quality.tally(truth, opened.labels(layer=at)))
        for at in range(len(opened.layers))
    ]
    primary = next(at for at, layer in enumerate(opened.layers) if layer.primary)
    named = {
        "primary": primary,
        "finest": _finest(opened.layers),
        "best_by_truth": int(np.argmax(scored)),
        "weakest": len(scored) - 1,
    }
    facts: dict[str, Any] = {"representatives": len(opened.representatives)}
    for name, at in named.items():
        facts |= {f"{name}_k": opened.layers[at].k, f"{name}_ami": scored[at]}
    return {**facts, "layers": [layer.k for layer in opened.layers]}


def _finest(layers: Sequence[Any]) -> int:
    """Return the place of the finest layer that is not weak; of the last one if all are."""
    return max((at for at, layer in enumerate(layers) if not layer.weak), default=len(layers) - 1)


def _stages(run: Path) -> dict[str, float]:
    """Return the seconds of each stage."""
    from shoal import api

    stages = api.open(run).info()["stages"]
    return {name: round(facts["seconds"], 1) for name, facts in stages.items()}


def _rare(place: Place, truth: NDArray) -> Iterator[Measurement]:
    """Return for each rare source the cluster of the finest layer that holds it best."""
    from shoal import api
    from shoal.synthetic.styles import rare_sources

    opened = api.open(place.run)
    table = quality.tally(truth, opened.labels(layer=len(opened.layers) - 1))
    sizes, clusters = table.sum(axis=1), table.sum(axis=0)
    for source in range(K - rare_sources(K), K):
        if source >= len(table) or not sizes[source]:
            continue
        held, pure = table[source] / sizes[source], table[source] / clusters
        best = int(np.argmax(np.minimum(held, pure)))
        facts = {
            "rows_of_it": int(sizes[source]),
            "rows_of_cluster": int(clusters[best]),
            "share_of_it": held[best],
            "share_of_cluster": pure[best],
        }
        yield Measurement(f"rare source {source}", place.n, 0.0, None, 0, facts)


def peer(name: str) -> Callable[[Place], Iterator[Measurement]]:
    """Return the part that measures a peer, given K, on the same files."""

    def part(place: Place) -> Iterator[Measurement]:
        out = place.inputs.scratch
        script = Path(__file__).with_name("tiles_peer.py")
        cold = chill(place.files)
        usage = measure([sys.executable, script, name, place.tiles, out, str(K)])
        table = quality.tally(place.source, np.load(out / "labels.npy"))
        facts = {"k": int((table.sum(axis=0) > 0).sum()), "ami": quality.ami_of(table)}
        facts |= json.loads((out / "facts.json").read_text())
        yield Measurement(name, place.n, usage.seconds, usage.peak_mib, 0, {**facts, "cold": cold})

    return part


def uncompressed(place: Place) -> Iterator[Measurement]:
    """Fit the first 200,000 rows, each its own representative."""
    n = min(place.n, CONSTANTS.few)
    few = place.inputs.scratch / "few.bin"
    TileSet().images(0, n).tofile(few)
    out = place.inputs.scratch / "few.shoal"
    usage = measure(fit_command(few, out, 0, *_OPTIONS, "--representatives", n))
    facts = _found(out, TileSet().truth(0, n)[0])
    shutil.rmtree(out)
    few.unlink()
    yield Measurement("uncompressed", n, usage.seconds, usage.peak_mib, 0, facts)


def predict(place: Place) -> Iterator[Measurement]:
    """Place tiles that were not fitted: those that come after the set's last one."""
    import pyarrow.parquet as pq

    measure(fit_command(place.tiles, place.run, 0, *_OPTIONS))  # only what is not done
    n = min(place.n, NEW_ROWS)
    few, new, out = (place.inputs.scratch / name for name in ("few.bin", "new.bin", "p.parquet"))
    TileSet().images(0, 1000).tofile(few)
    TileSet().images(place.n, place.n + n).tofile(new)
    options = ("--shape", _OPTIONS[1], "-o", out, "--force")
    measure(_shoal("predict", place.run, few, *options))  # compiles
    cold = chill([new])
    usage = measure(_shoal("predict", place.run, new, *options))
    table = pq.read_table(out)
    truth = TileSet().truth(place.n, place.n + n)[0]
    facts = {
        "tiles_per_second": n / usage.seconds,
        "ami": quality.ami_of(quality.tally(truth, table["cluster"].to_numpy())),
        "unknown": float(np.asarray(table["unknown"]).mean()),
        "new_tiles": n,
        "cold": cold,
    }
    yield Measurement("predict", place.n, usage.seconds, usage.peak_mib, 0, facts)


def kills(place: Place) -> Iterator[Measurement]:
    """Kill a fit of a million tiles at random, again and again; compare with one left alone.

    Half of the kills are drawn by how far the work is, half by the time since it went on.
    """
    place = Place(place.inputs, min(place.n, KILLED_ROWS))
    first, other = (place.inputs.scratch / name for name in ("first.shoal", "other.shoal"))
    straight = measure(fit_command(place.tiles, first, 0, *_OPTIONS))
    command = fit_command(place.tiles, other, 0, *_OPTIONS)
    generator, files = np.random.default_rng(0), len(contents(first))
    left: list[list[int]] = [[], []]
    wrong: list[str] = []
    began = time.perf_counter()
    for _ in range(2 * KILLS):  # a fit that came to its end is done anew
        halves = [KILLS // 2 - len(left[0]), KILLS - KILLS // 2 - len(left[1])]
        if not any(halves):
            break
        shutil.rmtree(other, ignore_errors=True)
        left[0] += kill_often(command, other, generator.uniform(1, files, halves[0]))
        if halves[0] == 0:
            pauses = generator.uniform(0, 0.4 * straight.seconds, halves[1])
            left[1] += kill_after(command, other, pauses)
        measure(command)
        wrong += differing(first, other)
    facts = {
        "kills": sum(map(len, left)),
        "files": files,
        "files_at_kills_by_progress": left[0],
        "files_at_kills_by_time": left[1],
        "differing": wrong[:10],
    }
    for run in (first, other):
        shutil.rmtree(run)
    seconds = time.perf_counter() - began
    yield Measurement("killed and resumed", place.n, seconds, None, 0, facts)


def _warm(place: Place) -> None:
    """Fit, and ask for labels, so that everything is compiled."""
    few, out = (place.inputs.scratch / name for name in ("warm.bin", "warm.shoal"))
    TileSet(seed=1).images(0, min(place.n, _WARM_ROWS)).tofile(few)
    measure(fit_command(few, out, 0, *_OPTIONS))
    measure(_shoal("labels", out, "-o", out.with_suffix(".parquet"), "--force"))
    shutil.rmtree(out)
    few.unlink()


def _shoal(*words: object) -> list[str]:
    """Return a command of Shoal's."""
    return [sys.executable, "-m", "shoal", *map(str, words)]


PARTS: dict[str, Callable[[Place], Iterator[Measurement]]] = {
    "make": make,
    "floor": floor,
    "shoal": shoal,
    "sklearn": peer("sklearn"),
    "faiss": peer("faiss"),
    "uncompressed": uncompressed,
    "predict": predict,
    "kills": kills,
}
"""In the order in which they are measured; the floor just before the fit."""

BENCHMARK = Benchmark(
    "tiles",
    "images of 16×16×3 by the million, from 60 sources",
    run,
    musts,
    about=f"""\
The data is that of [`shoal make-tiles`](how-to.md#make-a-large-set-to-try-things-on):
handwritten digits on 60 kinds of paper, five of which have one row in 10,000. AMI is against the
sources. Shoal gets no K; `primary` is the suggested layer, `finest` the last one that is not
marked weak, `weakest` the last one listed, which may be (it is judged nowhere), and
`best_by_truth` the best layer, which cannot be selected without the labels and is not judged. The
k-means get K = {K} and raw pixels from 0 to 1. Seconds of `shoal` are those of `shoal fit` and of
writing all labels with `shoal labels`, whole processes with compiled kernels. `floor` is one plain
read of the files and one matrix product (N × 176 by 176 × 64, float32); `direct_read_seconds` is
the read alone, bypassing the page cache, as Shoal reads sources larger than half of the memory.
`cold` states how the files were evicted from the page cache before, and how much remained in it;
`disk_gb` is the maximum size of the run folder plus the labels file. `uncompressed` has every
row as a representative; `predict` assigns rows that were not fitted.""",
    parts=tuple(PARTS),
    piecemeal=True,
    by_name=True,
)
