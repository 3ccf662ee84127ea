"""``shoal predict``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    QuietOption,
    QuoteOption,
    RawOption,
    RunArgument,
    check_quotes,
    chosen_engine,
    engine_options,
    place,
    with_source_settings,
)
from shoal.cli.output import print_json, remark, say
from shoal.cli.runs import open_run

if TYPE_CHECKING:
    from shoal.api import Prediction
    from shoal.progress import Progress
    from shoal.sources import Source


@with_source_settings()
def predict(
    context: typer.Context,
    run: RunArgument,
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="New images or vectors.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=place,
            metavar="FILE",
            help="A .parquet, .csv or .npy file to write.",
            show_default=False,
        ),
    ],
    raw: RawOption = False,
    force: ForceOption = False,
    quoted: QuoteOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
    **settings: Any,
) -> None:
    """Give new images their cluster, as people edited them, or call them unknown."""
    from shoal import passes
    from shoal.export.base import refuse_existing
    from shoal.export.tables import check_ending, write_labels
    from shoal.progress import RichProgress, Silent
    from shoal.settings import SETTINGS
    from shoal.sources import open_source
    from shoal.sources.mixed import Notes

    engine = chosen_engine(settings)
    check_quotes(quoted, out.suffix.lower() == ".csv")
    check_ending(out)
    refuse_existing(out, force)
    opened = open_run(run)
    given = {name: SETTINGS[name].parse(v) for name, v in settings.items() if v is not None}
    rows = opened.model.open(open_source(source, **given) if given else source)
    told, notes = _Told(), Notes(rows)
    with RichProgress() as bars:
        said = Silent() if quiet else bars
        said.stage("predict", rows.n_rows)
        with passes.engine_for(opened.model.result.run, engine, engine_options(context)) as made:
            if engine == "local":
                blocks, told.progress = opened.model.blocks(rows, raw=raw, notes=notes), said
            else:
                blocks = passes.predict_blocks(
                    opened.model, rows, made, raw=raw, notes=notes, progress=said
                )
            write_labels(
                told.tables(rows, blocks), out, rows=rows.n_rows, force=force, quoted=quoted
            )
    if json:
        facts = {"rows": told.rows, "unknown": told.unknown, "unreadable": told.bad}
        print_json({"run": opened.path, "out": out, **facts, "remarks": notes.said})
    else:
        bad = f", {told.bad:,} could not be read" if told.bad else ""
        for sentence in notes.said:
            remark(sentence)
        say(f"{out}: {told.rows:,} rows, {told.unknown:,} unlike any cluster{bad}")


@dataclass
class _Told:
    """Counts what passes by."""

    rows: int = 0
    unknown: int = 0
    bad: int = 0
    progress: Progress | None = None

    def tables(self, rows: Source, blocks: Iterable[Prediction]) -> Iterator[Any]:
        """Make a table of each block."""
        for found in blocks:
            yield _table(rows, self.rows, found)
            self.rows += len(found)
            self.unknown += int(found.unknown.sum())
            self.bad += int((found.cluster < 0).sum())
            if self.progress is not None:
                self.progress.advance(len(found))


def _table(rows: Source, start: int, found: Prediction) -> Any:
    """Make a table of what was predicted of the rows from `start` on."""
    import numpy as np
    import pyarrow as pa

    from shoal.edits.clustering import said_of

    n = len(found)
    names = rows.names(start, start + n)
    columns = {
        "row": np.arange(start, start + n, dtype=np.int64),
        "name": pa.nulls(n, pa.string()) if names is None else pa.array(names, pa.string()),
        "cluster": found.cluster,
        "confidence": found.confidence,
        "unknown": found.unknown,
    }
    if found.names:
        columns["cluster_name"] = said_of(found.cluster, found.names)
    return pa.table(columns)
