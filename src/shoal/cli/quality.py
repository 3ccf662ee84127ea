"""``shoal quality``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from shoal.cli import options as opt
from shoal.cli.options import SOURCE, argument, check_table, option, place, with_settings
from shoal.cli.output import print_json, print_next, print_table, progress_bars
from shoal.core.plural import plural


@with_settings(*SOURCE, "workers")
def quality(
    source: str = argument("SOURCE", "Images, as for shoal fit."),
    out: Path | None = option(
        "--out -o FILE", "Output file (.parquet or .csv), one line per image.", parser=place
    ),
    force: opt.ForceOption = False,
    quoted: opt.QuoteOption = False,
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **given: Any,
) -> None:
    """Flag defective images, drawings and text.

    Defective images are blank, blurred, dark, bright, empty or oddly shaped.
    """
    from shoal.export.tables import write_labels
    from shoal.quality import quality_tables

    check_table(out, quoted)
    counts: Counter[str] = Counter()
    rows = 0

    def counted(tables: Any) -> Any:
        nonlocal rows
        for table in tables:
            rows += table.num_rows
            notes = table["notes"].to_pylist()
            counts.update(note for line in notes for note in line.split("; ") if note)
            counts["no findings"] += notes.count("")
            yield table

    with progress_bars(quiet) as bars:
        tables = counted(quality_tables(source, progress=bars, **given))
        if out is None:
            for _ in tables:
                pass
        else:
            write_labels(tables, out, force=force, quoted=quoted)
    if json:
        print_json({"rows": rows, "notes": dict(counts), "out": out})
        return
    lines = [[note, count, f"{100 * count / rows:.1f}"] for note, count in counts.most_common()]
    print_table(plural(rows, "image"), ("finding", "images", "share %"), lines)
    if out is None:
        print_next({("quality", source, "-o", "quality.parquet"): "every image with its measures"})
        return
    print_next(
        {
            ("explore", "RUN", "--metadata", out): "filter a run by these measures",
            ("labels", "RUN", "-o", "labels.csv", "--metadata", out): "add them to the labels",
        }
    )
