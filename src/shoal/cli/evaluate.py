"""``shoal eval``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from shoal.cli import options as opt
from shoal.cli.options import engine_options, option, place, with_settings
from shoal.cli.output import number, print_json, print_table, remark, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural


@with_settings("engine")
def evaluate(
    context: typer.Context,
    run: opt.RunArgument,
    truth: opt.TruthOption = "labels",
    key: opt.KeyOption = None,
    k: opt.KOption = None,
    plot: Path | None = option("--plot PNG", "Plot classes against clusters.", parser=place),
    force: opt.ForceOption = False,
    json: opt.JsonOption = False,
    **settings: Any,
) -> None:
    """Evaluate the layers of a run against true classes."""
    from shoal.cli.truth import read_truth
    from shoal.export.base import refuse_existing

    opened = open_run(run)
    if plot is not None:
        refuse_existing(plot, force)
    known = read_truth(truth, opened.source, key)
    scores = opened.evaluate(known.classes, k=k, engine_options=engine_options(context), **settings)
    if plot is not None:
        from shoal.export import confusion_picture

        confusion_picture(plot, known.classes, opened.labels(k=k), known.names)
    if json:
        facts = {"classes": len(known.names), "unknown": known.unknown, "plot": plot}
        print_json({"run": opened.path, **facts, "scores": scores})
        return
    if known.unknown:
        remark(f"left out, for want of a known class: {plural(known.unknown, 'row')}")
    print_scores(f"{opened.path} against {plural(len(known.names), 'class', 'classes')}", scores)
    if plot is not None:
        say(f"{plot}: classes against clusters")


_NAMES = {
    "n_classes": "classes",
    "n_clusters": "clusters",
    "dbcv": "DBCV",
    "v_measure": "V-measure",
    "nmi": "NMI",
    "ami": "AMI",
    "ari": "ARI",
    "fowlkes_mallows": "Fowlkes–Mallows",
    "calinski_harabasz": "Caliński–Harabasz",
    "davies_bouldin": "Davies–Bouldin",
}


def print_scores(title: str, scores: list[dict[str, Any]]) -> None:
    """Print measures down, layers across; the primary layer is marked."""
    names = [name for name in scores[0] if name not in ("k", "layer", "primary", "edited")]
    marks = (
        " *" if score.get("primary") else " edited" if score.get("edited") else ""
        for score in scores
    )
    head = [f"K = {score['k']}{mark}" for score, mark in zip(scores, marks, strict=True)]
    lines = [
        [_NAMES.get(n, n.replace("_", " ")), *(number(score.get(n), 3) for score in scores)]
        for n in names
    ]
    print_table(title, ("", *head), lines)
    if any(score.get("primary") for score in scores):
        say("* the primary layer")
