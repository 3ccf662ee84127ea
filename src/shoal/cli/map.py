"""``shoal map``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    QuietOption,
    QuoteOption,
    RunArgument,
    place,
    with_settings,
)
from shoal.cli.output import print_json, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural
from shoal.errors import InputError


@with_settings(("as_", "key", "shape", "dtype"))
def map(
    run: RunArgument,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=place,
            metavar="FILE",
            help="The .parquet or .csv file to write.",
            show_default=False,
        ),
    ],
    new: Annotated[
        str | None,
        typer.Option(
            "--new",
            metavar="SOURCE",
            help="Place these new images or vectors on the map, and write them alone.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    quoted: QuoteOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
    **settings: Any,
) -> None:
    """Write where every row lies on the map, which is drawn unless it is there."""
    from shoal.explore.coordinates import map_tables, placed_tables
    from shoal.export.base import refuse_existing
    from shoal.export.tables import write_labels
    from shoal.progress import RichProgress, Silent
    from shoal.settings import SETTINGS
    from shoal.sources import open_source

    if out.suffix.lower() not in (".parquet", ".csv"):
        raise InputError(f"-o {out}: give a name that ends in .parquet or .csv")
    given = {name: SETTINGS[name].parse(v) for name, v in settings.items() if v is not None}
    if given and new is None:
        raise InputError("how rows are read means nothing without --new: leave it out")
    refuse_existing(out, force)
    opened = open_run(run)
    with RichProgress() as bars:
        told = Silent() if quiet or json else bars
        if new is None:
            tables = map_tables(opened, told)
        else:
            rows = opened.model.open(open_source(new, **given) if given else new)
            tables = placed_tables(opened, rows, told)
        count = write_labels(tables, out, force=force, quoted=quoted)
    if json:
        print_json({"run": opened.path, "out": out, "rows": count})
        return
    say(f"{out}: the places of {plural(count, 'row')}")
