"""``shoal predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shoal.cli.options import ForceOption, JsonOption, RawOption, RunArgument, with_source_settings
from shoal.cli.output import print_json, say
from shoal.cli.runs import open_run


@with_source_settings()
def predict(
    run: RunArgument,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="New images or vectors.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .parquet, .csv or .npy file to write.",
            show_default=False,
        ),
    ],
    raw: RawOption = False,
    force: ForceOption = False,
    json: JsonOption = False,
    **settings: Any,
) -> None:
    """Give new images their cluster, as people edited them, or call them unknown."""
    from shoal.export.base import refuse_existing
    from shoal.export.tables import check_ending, write_labels
    from shoal.settings import SETTINGS
    from shoal.sources import open_source

    check_ending(out)
    refuse_existing(out, force)
    opened = open_run(run)
    given = {name: SETTINGS[name].parse(v) for name, v in settings.items() if v is not None}
    rows = open_source(source, **given)
    found = opened.predict(rows, raw=raw)
    write_labels(_table(rows, found), out, force=force)
    unknown = int(found.unknown.sum())
    bad = int((found.cluster < 0).sum())
    if json:
        facts = {"rows": len(found.cluster), "unknown": unknown, "unreadable": bad}
        print_json({"run": opened.path, "out": out, **facts})
    else:
        said = f", {bad:,} could not be read" if bad else ""
        say(f"{out}: {len(found.cluster):,} rows, {unknown:,} unlike any cluster{said}")


def _table(rows: Any, found: Any) -> Any:
    """Make a table of what was predicted."""
    import numpy as np
    import pyarrow as pa

    n = len(found.cluster)
    names = rows.names(0, n) or [None] * n
    columns = {
        "row": np.arange(n, dtype=np.int64),
        "name": pa.array(names, pa.string()),
        "cluster": found.cluster,
        "confidence": found.confidence,
        "unknown": found.unknown,
    }
    if found.names:
        called = [found.names.get(cluster) for cluster in found.cluster.tolist()]
        columns["cluster_name"] = pa.array(called, pa.string())
    return pa.table(columns)
