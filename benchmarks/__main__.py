"""``python -m benchmarks [NAME ...]``: measure, judge, and add rows to `results/`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    answers,
    beam,
    decode,
    digits,
    explore,
    fashion,
    forecast,
    grown,
    identical,
    kernel,
    methods,
    mnist,
    null,
    peers,
    photos,
    reductions,
    representatives,
    shapes,
    tiles,
    unknown,
    vectors,
)
from benchmarks.base import Benchmark, Inputs
from benchmarks.rows import RESULTS, ROOT, Context, append, counting, make_row, read
from benchmarks.table import draw

BENCHMARKS: dict[str, Benchmark] = {
    module.BENCHMARK.name: module.BENCHMARK
    for module in (
        kernel,
        decode,
        digits,
        shapes,
        vectors,
        mnist,
        representatives,
        fashion,
        photos,
        null,
        unknown,
        identical,
        peers,
        answers,
        tiles,
        forecast,
        methods,
        reductions,
        grown,
        explore,
        beam,
    )
}
PAGE = ROOT / "docs" / "benchmarks.md"
_WHERE = {
    "mnist": "--mnist FILE or SHOAL_MNIST",
    "fashion": "--fashion DIR or SHOAL_FASHION",
    "photos": "--photos FILE or SHOAL_PHOTOS",
}


def main(words: list[str] | None = None) -> int:
    """Run what was asked for; 0 when every must is met, 1 when one is missed, 2 for bad input."""
    asked = parse(words)
    if asked.list:
        for one in BENCHMARKS.values():
            needs = f" (needs {', '.join(one.needs)})" if one.needs else ""
            print(f"{one.name:16}{one.help}{needs}")
        return 0
    status = 0 if asked.table else measure_all(asked)
    if status != 2:
        write_page(asked.results, asked.page)
    return status


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which; by default all")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and stop")
    parser.add_argument("--table", action="store_true", help="only draw the page from the rows")
    parser.add_argument("--mnist", type=Path, default=_given("SHOAL_MNIST"), help="mnist.npz")
    parser.add_argument(
        "--fashion",
        type=Path,
        default=_given("SHOAL_FASHION"),
        help="the folder of Fashion-MNIST's four IDX .gz files",
    )
    parser.add_argument(
        "--photos", type=Path, default=_given("SHOAL_PHOTOS"), help="imagenette-val.tar"
    )
    parser.add_argument(
        "--tiles",
        type=Path,
        default=_given("SHOAL_TILES") or tiles.default_folder(),
        help="the folder for sets of tiles and runs of them, or SHOAL_TILES",
    )
    parser.add_argument("--n", type=int, default=1_000_000, help="how many tiles")
    parser.add_argument(
        "--only", action="append", default=[], metavar="PART", help="only this part of tiles"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of the rows")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to draw")
    asked = parser.parse_args(words)
    if unknown := [name for name in asked.names if name not in BENCHMARKS]:
        parser.error(f"{unknown[0]} is not a benchmark: there are {', '.join(BENCHMARKS)}")
    parts = [part for name in asked.names for part in BENCHMARKS[name].parts]
    if other := [part for part in asked.only if part not in parts]:
        parser.error(f"--only {other[0]}: there are {', '.join(parts) or 'no parts'}")
    if asked.n < 2:
        parser.error(f"--n {asked.n}: give 2 or more")
    for path in (asked.mnist, asked.fashion, asked.photos):
        if path is not None and not path.exists():
            parser.error(f"{path} is not there")
    return asked


def measure_all(asked: argparse.Namespace) -> int:
    """Run the benchmarks one after the other; those whose data is not given are left out."""
    context = Context.here()
    missed = False
    for name in asked.names or [name for name, one in BENCHMARKS.items() if not one.by_name]:
        lacking = [need for need in BENCHMARKS[name].needs if getattr(asked, need) is None]
        if lacking:
            print(f"{name}: left out; give {_WHERE[lacking[0]]}", file=sys.stderr)
            if asked.names:
                return 2
            continue
        missed |= not measure_one(BENCHMARKS[name], asked, context)
    return int(missed)


def measure_one(one: Benchmark, asked: argparse.Namespace, context: Context) -> bool:
    """Run one benchmark, print and keep its rows, and tell whether all its musts are met."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        given = Inputs(
            Path(folder),
            asked.mnist,
            asked.fashion,
            asked.photos,
            asked.tiles,
            asked.n,
            tuple(asked.only),
        )
        for measured in one.run(given):
            row = make_row(one.name, measured, context)
            rows.append(row)
            shown = {k: v for k, v in row.items() if k not in ("machine", "versions", "date")}
            print(json.dumps(shown, ensure_ascii=False), flush=True)
            if one.piecemeal:
                append(row, asked.results)
    if not one.piecemeal:
        for row in rows:  # all together: a run that was stopped leaves no rows
            append(row, asked.results)
    musts = one.musts(counting(one, read(one.name, asked.results)))
    for must in musts:
        print(f"{one.name}: {must}", flush=True)
    return all(must.met for must in musts)


def write_page(results: Path, page: Path) -> None:
    """Draw the page from the last run of each benchmark."""
    rows = {name: counting(one, read(name, results)) for name, one in BENCHMARKS.items()}
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(draw(BENCHMARKS.values(), rows), encoding="utf-8")


def _given(name: str) -> Path | None:
    """Return the path that an environment variable holds, if any."""
    return Path(os.environ[name]) if os.environ.get(name) else None


if __name__ == "__main__":
    sys.exit(main())
