"""``shoal map``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shoal.cli import options as opt
from shoal.cli.options import SOURCE, check_table, flag, option, place, with_settings
from shoal.cli.output import print_json, progress_bars, say
from shoal.cli.runs import open_new, open_run
from shoal.core.plural import plural
from shoal.errors import InputError


@with_settings(*SOURCE)
def map(
    run: opt.RunArgument,
    out: Path = option("--out -o FILE", "Output file (.parquet or .csv).", ..., parser=place),
    new: str | None = option(
        "--new SOURCE", "Place these new images or vectors on the map, and write only them."
    ),
    force: opt.ForceOption = False,
    quoted: opt.QuoteOption = False,
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **settings: Any,
) -> None:
    """Write the map coordinates of every row. The map is computed on first use."""
    from shoal.explore.coordinates import map_tables, placed_tables
    from shoal.export.base import refuse_existing
    from shoal.export.tables import write_labels

    check_table(out, quoted)
    if settings and new is None:
        raise InputError(f"{flag(next(iter(settings)))} only applies to --new: leave it out")
    refuse_existing(out, force)
    opened = open_run(run)
    with progress_bars(quiet or json) as bars:
        if new is None:
            tables = map_tables(opened, bars)
        else:
            tables = placed_tables(opened, open_new(opened, new, settings), bars)
        count = write_labels(tables, out, force=force, quoted=quoted)
    if json:
        print_json({"run": opened.path, "out": out, "rows": count})
        return
    say(f"{out}: map coordinates of {plural(count, 'row')}")
