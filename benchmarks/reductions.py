"""Truncated SVD of drawings by their raw pixels, and every method on a million vectors."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.base import Benchmark, Inputs, Measurement, Must, Row, at_most, of_case, values
from benchmarks.fits import fit_command
from benchmarks.measure import processor_seconds

_DRAWINGS, _CUT, _WIDTH = 32_000, 4_000, 100
_NUMBERS, _GROUPS = 64, 30
_GIB = 1024
# Loads the drawings as float32, as the library takes them; the time is that of the whole process.
_PLAIN = """
import sys
import numpy as np
from sklearn.decomposition import TruncatedSVD
stored = np.load(sys.argv[1], mmap_mode="r")
rows = np.empty((len(stored), 40_000), np.float32)
for at in range(0, len(rows), 1000):
    rows[at : at + 1000] = stored[at : at + 1000].reshape(-1, 40_000)
    rows[at : at + 1000] /= 255
np.save(sys.argv[2], TruncatedSVD(100, random_state=0).fit(rows).singular_values_)
"""


def run(inputs: Inputs) -> Iterator[Measurement]:
    """Measure what was asked for."""
    if not inputs.only or "svd" in inputs.only:
        yield from _svd(inputs.scratch)
    if not inputs.only or "methods" in inputs.only:
        yield from _methods(inputs.scratch, inputs.n)


def _svd(scratch: Path) -> Iterator[Measurement]:
    """Fit 100 numbers a drawing, within 1 GiB; the cut is compared with ARPACK's."""
    rows = drawings(scratch / "drawings.npy", _DRAWINGS)
    cut = drawings(scratch / "cut.npy", _CUT)
    given = ("--features", f"pixels+svd:{_WIDTH}", "--method", "kmeans", "--k", "12")
    given += ("--memory", "1GiB", "--workers", "1")
    found = {}
    for path in (cut, rows):
        out = path.with_suffix(".shoal")
        seconds, peak = processor_seconds(fit_command(path, out, 0, *given))
        found[path] = np.load(out / "features" / "step0_singular" / "whole.npy")
        if path == rows:
            facts = {"by": "shoal"}
            yield Measurement("svd", _DRAWINGS, round(seconds, 1), peak, 0, facts)
    exact = exact_values(cut)
    error = float(np.abs(found[cut] / exact - 1).max())
    yield Measurement("svd, exactness", _CUT, 0.0, None, 0, {"error": error})
    plain = scratch / "plain.npy"
    seconds, peak = processor_seconds([sys.executable, "-c", _PLAIN, rows, plain])
    theirs = float(np.abs(np.load(plain) / found[rows] - 1).max())
    facts = {"by": "scikit-learn", "error": theirs}
    yield Measurement("svd, plain", _DRAWINGS, round(seconds, 1), peak, 0, facts)


def drawings(path: Path, n: int) -> Path:
    """Write drawings as one array, uint8 (n, 200, 200)."""
    from shoal.synthetic import DrawingSet

    stored = np.lib.format.open_memmap(path, "w+", np.uint8, (n, 200, 200))
    for at in range(0, n, 1000):
        stored[at : at + 1000] = DrawingSet().images(at, min(n, at + 1000))[..., 0]
    stored.flush()
    return path


def exact_values(path: Path) -> Any:
    """Return the first 100 singular values by ARPACK, of white paper less its black dots."""
    from scipy.sparse import csr_array
    from scipy.sparse.linalg import LinearOperator, svds

    dots = csr_array((np.load(path).reshape(-1, 40_000) == 0).astype(np.float64))
    operator = LinearOperator(
        dots.shape,
        matvec=lambda v: v.sum() - dots @ v.ravel(),
        rmatvec=lambda u: u.sum() - dots.T @ u.ravel(),
        dtype=np.float64,
    )
    return np.sort(svds(operator, _WIDTH, return_singular_vectors=False, tol=1e-10))[::-1]


def _methods(scratch: Path, n: int) -> Iterator[Measurement]:
    """Fit every method to many vectors within 4 GiB, or read why it declines."""
    from shoal.methods import METHODS

    path, out = scratch / "million.npy", scratch / "million.shoal"
    draw = np.random.default_rng(0)
    centres = 8 * draw.normal(size=(_GROUPS, _NUMBERS)).astype(np.float32)
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, _NUMBERS))
    for at in range(0, n, 50_000):
        own = draw.integers(0, _GROUPS, min(50_000, n - at))
        rows[at : at + 50_000] = centres[own] + draw.normal(size=(len(own), _NUMBERS))
    rows.flush()
    for name, method in METHODS.items():
        k = ("--k", _GROUPS) if method.takes_k else ()
        words = fit_command(path, out, 0, "--method", name, *k, "--memory", "4GiB")
        try:
            seconds, peak = processor_seconds(words)
            declined = ""
        except RuntimeError as error:
            seconds, peak, declined = 0.0, None, str(error).splitlines()[-1]
        yield Measurement(f"{name}, 1M × 64", n, round(seconds, 1), peak, 0, {"declined": declined})


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge exactness, memory and time of the SVD, and that methods end well."""
    found = []
    own, plain, exact = (of_case(rows, f"svd{end}") for end in ("", ", plain", ", exactness"))
    if own and plain and exact:
        ratio = own[-1]["seconds"] / plain[-1]["seconds"]
        found += [
            at_most("SVD 100 of 32,000 × 40,000, MiB at the peak", own[-1]["peak_mib"], _GIB),
            at_most("its singular values off svds, 4,000 rows", values(exact, "error")[-1], 1e-4),
            at_most("its processor time over scikit-learn's in memory", ratio, 2.0),
        ]
    large = [row for row in rows if row["case"].endswith("1M × 64")]
    if large:
        peaks = [row["peak_mib"] for row in large if row["peak_mib"] is not None]
        bad = [row for row in large if "Traceback" in row["quality"]["declined"]]
        found += [
            at_most("1M × 64, MiB at the peak of any method", max(peaks), 4 * _GIB),
            at_most("methods that neither end nor decline in a sentence", len(bad), 0),
        ]
    return found


BENCHMARK = Benchmark(
    "reductions",
    "truncated SVD of drawings by raw pixels, and every method on 1M × 64 vectors",
    run,
    musts,
    about="Seconds are processor time of whole processes. Shoal's is a whole fit, of which the "
    "SVD is the largest part; scikit-learn's TruncatedSVD gets only the number and the "
    "seed, and `error` is the difference of its singular values from Shoal's.",
    parts=("svd", "methods"),
    piecemeal=True,
    by_name=True,
)
