"""``shoal make-tiles``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shoal.cli.options import JsonOption, QuietOption
from shoal.cli.output import command, print_json, print_next, say
from shoal.core.plural import plural


def make_tiles(
    n: Annotated[int, typer.Option("--n", metavar="N", help="How many tiles.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="The folder to write.", show_default=False),
    ],
    sources: Annotated[
        int,
        typer.Option(
            "--sources", metavar="N", help="How many sources. [default: 60]", show_default=False
        ),
    ] = 60,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            help="Another gives other tiles. [default: 0]",
            show_default=False,
        ),
    ] = 0,
    shard: Annotated[
        int | None,
        typer.Option(
            "--shard",
            metavar="N",
            help="Only the file of this number, as it is in the whole set.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            min=1,
            help="How many cores to use; by default all that there are.",
            show_default=False,
        ),
    ] = None,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Make a large set of small images whose truth is known, to try Shoal on and to measure it.

    Handwritten digits of 16×16 pixels as if from many sources, each with its own colours, stroke
    and paper. Running it again does nothing; after an interruption it goes on; a greater --n adds.
    """
    import time

    from shoal.progress import RichProgress, Silent
    from shoal.tiles import TileSet
    from shoal.tiles import make_tiles as make

    began = time.monotonic()
    with RichProgress() as bars:
        tiles = TileSet(sources, seed)
        said = Silent() if quiet else bars
        made = make(out, n, tiles, shard=shard, workers=workers, progress=said)
    seconds = time.monotonic() - began
    if json:
        print_json(
            {
                "folder": out,
                "tiles": n,
                "sources": sources,
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
        say(f"{made.files[0]}: file {shard} of {n:,} tiles{rate}")
        return
    say(
        f"{out}: {plural(n, 'tile')} of {plural(sources, 'source')} in "
        f"{plural(len(made.files), 'file')}{rate}"
    )
    run = f"{out.name or 'tiles'}.shoal"
    print_next(
        [
            (command("shoal", "fit", out, "-o", run), "find the sources"),
            (command("shoal", "eval", run), "measure how well, by the truth that lies beside"),
        ]
    )
