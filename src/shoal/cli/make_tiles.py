"""``shoal make-tiles`` and ``shoal make-drawings``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from shoal.cli.options import JsonOption, QuietOption, SeedOption, option
from shoal.cli.output import print_json, print_next, progress_bars, say
from shoal.core.plural import plural

if TYPE_CHECKING:
    from shoal.synthetic import ImageSet

_CountOption = Annotated[int, option("--n N", "Number of images.", ...)]
_OutOption = Annotated[Path, option("--out -o DIR", "Output folder.", ...)]
_ShardOption = Annotated[
    int | None,
    option("--shard N", "Write only the file with this number, exactly as in the full set.", ...),
]
_WorkersOption = Annotated[
    int | None, option("--workers N", "Number of cores to use; by default all.", ..., min=1)
]


def make_tiles(
    n: _CountOption,
    out: _OutOption,
    sources: int = option("--sources N", "Number of sources. [default: 60]", 60),
    seed: SeedOption = 0,
    shard: _ShardOption = None,
    workers: _WorkersOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Generate a large set of small images with known classes, for trials and benchmarks.

    Handwritten digits of 16×16 pixels from many simulated sources, each with its own colours,
    stroke and paper. An interrupted command resumes when it is run again; a larger --n adds images.
    """
    from shoal.synthetic import TileSet

    _make(TileSet(sources, seed), n, out, shard, workers, quiet, json)


def make_drawings(
    n: _CountOption,
    out: _OutOption,
    seed: SeedOption = 0,
    shard: _ShardOption = None,
    workers: _WorkersOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Generate black-on-white drawings of twelve shapes, 200×200 pixels, with known classes.

    Each drawing is slightly rotated, scaled and shifted, with some dots missing, moved or added. An
    interrupted command resumes when it is run again; a larger --n adds images.
    """
    from shoal.synthetic import DrawingSet

    _make(DrawingSet(seed), n, out, shard, workers, quiet, json)


def _make(
    images: ImageSet,
    n: int,
    out: Path,
    shard: int | None,
    workers: int | None,
    quiet: bool,
    json: bool,
) -> None:
    import time

    from shoal.synthetic import make_tiles as make

    began, noun = time.monotonic(), images.noun
    with progress_bars(quiet) as bars:
        made = make(out, n, images, shard=shard, workers=workers, progress=bars)
    seconds = time.monotonic() - began
    if json:
        print_json(
            {
                "folder": out,
                noun: n,
                **asdict(images),
                "files": made.files,
                "kept": made.kept,
                "bytes": made.made_bytes,
                "seconds": seconds,
                "truth": made.truth if made.truth.exists() else None,
            }
        )
        return
    rate = (
        f", {made.made_bytes / 1e6 / seconds:,.0f} MB/s" if made.made_bytes else ": nothing to do"
    )
    if shard is not None:
        say(f"{made.files[0]}: file {shard} of {n:,} {noun}{rate}")
        return
    say(f"{out}: {plural(n, noun[:-1])} in {plural(len(made.files), 'file')}{rate}")
    run = f"{out.name or noun}.shoal"
    print_next(
        {
            ("fit", out, "-o", run): f"find the {images.truths[0]}s",
            ("eval", run): "measure the result against the known classes",
        }
    )
