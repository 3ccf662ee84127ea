"""``shoal labels``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli import options as opt
from shoal.cli.options import check_table, option, place
from shoal.cli.output import print_json, print_table, remark, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits import Clustering


def labels(
    run: opt.RunArgument,
    layer: opt.LayerOption = None,
    k: opt.KOption = None,
    raw: opt.RawOption = False,
    out: Path | None = option(
        "--out -o FILE",
        "Output file (.parquet, .csv or .npy); without it, cluster sizes are printed.",
        parser=place,
    ),
    metadata: Path | None = option(
        "FILE",
        "Columns to add: a CSV or Parquet file with row names or numbers, or one line per row, "
        "such as the output of shoal quality -o.",
    ),
    force: opt.ForceOption = False,
    quoted: opt.QuoteOption = False,
    json: opt.JsonOption = False,
) -> None:
    """Write the cluster of every row, or print the sizes of the clusters.

    Edits and names are included. Edits apply only to the layer or K that they were made on; other
    cuts are those of the tree.
    """
    from shoal.export.metadata import add_metadata, read_metadata, row_names
    from shoal.export.tables import ENDINGS, write_labels
    from shoal.storage import RunFolder

    check_table(out, quoted, ENDINGS)
    if metadata is not None and (out is None or out.suffix.lower() == ".npy"):
        raise InputError("--metadata adds columns to a file: give -o FILE.parquet or FILE.csv")
    opened = open_run(run)
    found = opened.clustering(layer, k, raw)
    if out is not None:
        tables = found.tables()
        if metadata is not None:
            names = row_names(RunFolder.open(opened.path))
            columns, joined = read_metadata(metadata, names, opened.n_rows)
            tables = add_metadata(tables, columns)
            if not json:
                remark(f"{metadata}: {joined}")
        rows = write_labels(tables, out, rows=opened.n_rows, force=force, quoted=quoted)
        if not json:
            note = ", as edited" if found.edited else ""
            say(f"{out}: {plural(rows, 'row')} in {plural(found.k, 'cluster')}{note}")
            return
    sizes = _cluster_facts(found)
    if json:
        facts = {"k": len(sizes), "edited": found.edited, "out": out, "clusters": sizes}
        print_json({"run": opened.path, **facts})
    else:
        _print_sizes(sizes, found.edited)


def _print_sizes(sizes: list[dict[str, Any]], edited: bool) -> None:
    names = ["cluster", "rows", "share %", "outliers", "confidence"]
    texts = ("name", "mark") if edited else ()
    lines = [
        [*(fact[name.split()[0]] for name in names), *(fact[name] or "" for name in texts)]
        for fact in sizes
    ]
    print_table("", [*names, *texts], lines, texts=texts)


def _cluster_facts(found: Clustering) -> list[dict[str, Any]]:
    """Return for each cluster its rows, share, outliers, mean confidence, name and mark."""
    import numpy as np

    ids = np.sort(np.asarray(found.ids))
    rows, outliers, sure = (np.zeros(len(ids)) for _ in range(3))
    for table in found.tables():
        cluster = table["cluster"].to_numpy()
        known = cluster >= 0
        at = np.searchsorted(ids, cluster[known])
        rows += np.bincount(at, minlength=len(ids))
        sure += np.bincount(at, table["confidence"].to_numpy()[known], len(ids))
        outlier = table["outlier"].to_numpy(zero_copy_only=False)[known]
        outliers += np.bincount(at, outlier.astype(float), len(ids))
    total = max(rows.sum(), 1)
    return [
        {
            "cluster": cluster,
            "rows": int(rows[i]),
            "share": 100 * rows[i] / total,
            "outliers": int(outliers[i]),
            "confidence": sure[i] / rows[i],
            "name": found.names.get(cluster),
            "mark": found.marks.get(cluster),
        }
        for i, cluster in enumerate(ids.tolist())
        if rows[i]
    ]
