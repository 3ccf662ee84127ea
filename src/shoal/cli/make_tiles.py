"""``shoal make-tiles`` and ``shoal make-drawings``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from shoal.cli.options import JsonOption, QuietOption, option
from shoal.cli.output import command, print_json, print_next, progress_bars, say
from shoal.core.plural import plural

if TYPE_CHECKING:
    from shoal.tiles import MadeSet

_CountOption = Annotated[int, option("--n N", "How many images.")]
_OutOption = Annotated[
    Path,
    option("--out -o DIR", "The folder to write."),
]
_SeedOption = Annotated[
    int,
    option("--seed N", "Another gives other images. [default: 0]"),
]
_ShardOption = Annotated[
    int | None,
    option("--shard N", "Only the file of this number, as it is in the whole set."),
]
_WorkersOption = Annotated[
    int | None,
    option("--workers N", "How many cores to use; by default all that there are.", min=1),
]


def make_tiles(
    n: _CountOption,
    out: _OutOption,
    sources: Annotated[int, option("--sources N", "How many sources. [default: 60]")] = 60,
    seed: _SeedOption = 0,
    shard: _ShardOption = None,
    workers: _WorkersOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Make a large set of small images whose truth is known, to try Shoal on and to measure it.

    Handwritten digits of 16×16 pixels as if from many sources, each with its own colours, stroke
    and paper. Running it again does nothing; after an interruption it goes on; a greater --n adds.
    """
    from shoal.tiles import TileSet

    _make(TileSet(sources, seed), n, out, shard, workers, quiet, json)


def make_drawings(
    n: _CountOption,
    out: _OutOption,
    seed: _SeedOption = 0,
    shard: _ShardOption = None,
    workers: _WorkersOption = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Make black-on-white drawings of twelve shapes, 200×200 pixels, whose truth is known.

    Each is turned, scaled and shifted a little, and of its dots some are missing, some moved, some
    extra. Running it again does nothing; after an interruption it goes on; a greater --n adds.
    """
    from shoal.tiles import DrawingSet

    _make(DrawingSet(seed), n, out, shard, workers, quiet, json)


def _make(
    made_set: MadeSet,
    n: int,
    out: Path,
    shard: int | None,
    workers: int | None,
    quiet: bool,
    json: bool,
) -> None:
    import time

    from shoal.tiles import make_tiles as make

    began, noun = time.monotonic(), made_set.noun
    with progress_bars(quiet) as bars:
        made = make(out, n, made_set, shard=shard, workers=workers, progress=bars)
    seconds = time.monotonic() - began
    if json:
        print_json(
            {
                "folder": out,
                noun: n,
                **asdict(made_set),
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
        [
            (command("shoal", "fit", out, "-o", run), f"find the {made_set.truths[0]}s"),
            (command("shoal", "eval", run), "measure how well, by the truth that lies beside"),
        ]
    )
