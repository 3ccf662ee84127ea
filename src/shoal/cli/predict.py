"""``shoal predict``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shoal.cli import options as opt
from shoal.cli.options import (
    SOURCE,
    argument,
    check_table,
    engine_options,
    option,
    place,
    with_settings,
)
from shoal.cli.output import print_json, print_table, progress_bars, remark, say
from shoal.cli.runs import open_new, open_run
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.api import Prediction
    from shoal.rows import Source

_PRINTED = 1_000  # rows


@with_settings(*SOURCE, "engine", "unknown")
def predict(
    context: typer.Context,
    run: opt.RunArgument,
    source: str = argument("SOURCE", "New images or vectors."),
    out: Path | None = option(
        "--out -o FILE",
        "Output file (.parquet, .csv or .npy); without it, up to 1,000 rows are printed.",
        parser=place,
    ),
    raw: opt.RawOption = False,
    force: opt.ForceOption = False,
    quoted: opt.QuoteOption = False,
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **settings: Any,
) -> None:
    """Assign new images to the (edited) clusters, or mark them as unknown."""
    from shoal import passes
    from shoal.export.base import refuse_existing
    from shoal.export.tables import ENDINGS, write_labels

    check_table(out, quoted, ENDINGS)
    if out is not None:
        refuse_existing(out, force)
    opened = open_run(run)
    engine = (settings.pop("engine", "local"), engine_options(context))
    options: dict[str, Any] = {"raw": raw, "unknown": settings.pop("unknown", None)}
    rows = open_new(opened, source, settings)
    if out is None and rows.n_rows > _PRINTED:
        raise InputError(
            f"{rows.n_rows:,} rows, but at most {_PRINTED:,} are printed: give a file with -o"
        )
    counts, options["notes"] = _Counts(), opened.model.notes(rows)
    with progress_bars(quiet) as bars:
        bars.stage("predict", rows.n_rows)
        with passes.engine_for(opened.model.result.folder, *engine) as made:
            blocks = passes.predict_blocks(opened.model, rows, made, progress=bars, **options)
            tables = counts.tables(rows, blocks)
            if out is None:
                found = [row for table in tables for row in table.to_pylist()]
            else:
                write_labels(tables, out, rows=rows.n_rows, force=force, quoted=quoted)
    remarks = options["notes"].remarks
    if json:
        facts = {"run": opened.path, "out": out, **asdict(counts), "remarks": remarks}
        print_json(facts if out else {**facts, "predictions": found})
        return
    for sentence in remarks:
        remark(sentence)
    if out is None:
        _print_rows(found)
    say(f"{f'{out}: ' if out else ''}{counts.sentence}")


def _print_rows(found: list[dict[str, Any]]) -> None:
    lines = [
        [
            row["name"] or str(row["row"]),
            "–" if row["cluster"] < 0 else str(row["cluster"]),
            row.get("cluster_name") or "",
            row["confidence"],
            "could not be read" if row["cluster"] < 0 else "unknown" if row["unknown"] else "",
        ]
        for row in found
    ]
    print_table("", ["row", "cluster", "name", "confidence", ""], lines, texts=("name", ""))


@dataclass
class _Counts:
    rows: int = 0
    unknown: int = 0
    unreadable: int = 0

    @property
    def sentence(self) -> str:
        bad = f", {self.unreadable:,} could not be read" if self.unreadable else ""
        return f"{plural(self.rows, 'row')}, {self.unknown:,} unknown{bad}"

    def tables(self, rows: Source, blocks: Iterable[Prediction]) -> Iterator[Any]:
        for found in blocks:
            yield _table(rows, self.rows, found)
            self.rows += len(found)
            self.unknown += int(found.unknown.sum())
            self.unreadable += int((found.cluster < 0).sum())


def _table(rows: Source, start: int, found: Prediction) -> Any:
    import numpy as np
    import pyarrow as pa

    from shoal.edits.clustering import texts_of

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
        columns["cluster_name"] = texts_of(found.cluster, found.names)
    return pa.table(columns)
