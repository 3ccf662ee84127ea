"""``shoal labels``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shoal.cli.options import ForceOption, JsonOption, KOption, LayerOption, RunArgument
from shoal.cli.output import number, print_json, print_table, say
from shoal.cli.runs import cut, open_run

OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="A .parquet, .csv or .npy file to write; without it, sizes are printed.",
        show_default=False,
    ),
]


def labels(
    run: RunArgument,
    layer: LayerOption = None,
    k: KOption = None,
    out: OutOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Give the cluster of every row, or the sizes of the clusters."""
    from shoal.export.tables import check_ending, write_labels

    if out is not None:
        check_ending(out)
    opened = open_run(run)
    table = opened.table(**cut(opened, layer, k))
    sizes = cluster_facts(table)
    if out is not None:
        write_labels(table, out, force=force)
    if json:
        print_json({"run": opened.path, "k": len(sizes), "out": out, "clusters": sizes})
    elif out is not None:
        say(f"{out}: {table.num_rows:,} rows in {len(sizes):,} clusters")
    else:
        names = ("cluster", "rows", "share %", "outliers", "confidence")
        lines = [[number(fact[name.split()[0]]) for name in names] for fact in sizes]
        print_table("", names, lines)


def cluster_facts(table: Any) -> list[dict[str, Any]]:
    """Give for each cluster of a table its rows, share, outliers and mean confidence."""
    import numpy as np

    cluster = table["cluster"].to_numpy()
    known = cluster >= 0
    ids, at, counts = np.unique(cluster[known], return_inverse=True, return_counts=True)
    confidence = np.bincount(at, table["confidence"].to_numpy()[known], len(ids)) / counts
    outlier = table["outlier"].to_numpy(zero_copy_only=False)[known].astype(float)
    outliers = np.bincount(at, outlier, len(ids)).astype(int)
    return [
        {
            "cluster": int(ids[i]),
            "rows": int(counts[i]),
            "share": 100 * int(counts[i]) / int(known.sum()),
            "outliers": int(outliers[i]),
            "confidence": float(confidence[i]),
        }
        for i in range(len(ids))
    ]
