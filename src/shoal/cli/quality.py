"""``shoal quality``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    QuietOption,
    QuoteOption,
    check_quotes,
    place,
    with_settings,
)
from shoal.cli.output import command, number, print_json, print_next, print_table
from shoal.core.plural import plural
from shoal.errors import InputError


@with_settings(("as_", "key", "shape", "dtype", "workers"))
def quality(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="Images, as for shoal fit.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            parser=place,
            metavar="FILE",
            help="A .parquet or .csv file to write: one line for each image.",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    quoted: QuoteOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
    **settings: Any,
) -> None:
    """Note blank, blurred, dark, bright, nearly empty or oddly shaped images, drawings and text."""
    from shoal.export.tables import write_labels
    from shoal.progress import RichProgress, Silent
    from shoal.quality import quality_tables

    check_quotes(quoted, out is not None and out.suffix.lower() == ".csv")
    if out is not None and out.suffix.lower() not in (".parquet", ".csv"):
        raise InputError(f"-o {out}: give a name that ends in .parquet or .csv")
    given = {name: value for name, value in settings.items() if value is not None}
    counts: Counter[str] = Counter()
    rows = 0

    def counted(tables: Any) -> Any:
        nonlocal rows
        for table in tables:
            rows += table.num_rows
            notes = table["notes"].to_pylist()
            counts.update(note for line in notes for note in line.split("; ") if note)
            counts["nothing to note"] += notes.count("")
            yield table

    with RichProgress() as bars:
        tables = counted(quality_tables(source, progress=Silent() if quiet else bars, **given))
        if out is None:
            for _ in tables:
                pass
        else:
            write_labels(tables, out, force=force, quoted=quoted)
    if json:
        print_json({"rows": rows, "notes": dict(counts), "out": out})
        return
    lines = [
        [note, number(count), f"{100 * count / rows:.1f}"] for note, count in counts.most_common()
    ]
    print_table(plural(rows, "image"), ("note", "images", "share %"), lines)
    if out is None:
        again = command("shoal", "quality", source, "-o", "quality.parquet")
        print_next([(again, "every image with its measures")])
    else:
        see = command("shoal", "explore", "RUN", "--metadata", out)
        write = command("shoal", "labels", "RUN", "-o", "labels.csv", "--metadata", out)
        print_next([(see, "filter a run by them"), (write, "beside the clusters")])
