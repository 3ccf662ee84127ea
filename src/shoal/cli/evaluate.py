"""``shoal eval``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    KOption,
    RunArgument,
    chosen_engine,
    engine_options,
    option,
    place,
    with_settings,
)
from shoal.cli.output import number, print_json, print_table, remark, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural


@with_settings(("engine",))
def evaluate(
    context: typer.Context,
    run: RunArgument,
    truth: str = option(
        "--truth FILE",
        "True classes: a .csv, .npy, .npz, .parquet, .h5, .mat or IDX file, a column of the "
        "fitted table, or one of the words folders and labels. [default: labels, those stored "
        "with the rows]",
        "labels",
    ),
    key: str | None = option("--key NAME", "The array or column to read."),
    k: KOption = None,
    plot: Path | None = option("--plot PNG", "Plot classes against clusters.", parser=place),
    force: ForceOption = False,
    json: JsonOption = False,
    **settings: Any,
) -> None:
    """Evaluate the layers of a run against true classes."""
    from shoal.cli.truth import read_truth
    from shoal.export.base import refuse_existing

    opened = open_run(run)
    if plot is not None:
        refuse_existing(plot, force)
    known = read_truth(truth, opened.source, key)
    scores = opened.evaluate(
        known.classes, k=k, engine=chosen_engine(settings), engine_options=engine_options(context)
    )
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
    head = [f"K = {score['k']}{_mark(score)}" for score in scores]
    lines = [
        [
            _NAMES.get(name, name.replace("_", " ")),
            *(number(score.get(name), 3) for score in scores),
        ]
        for name in names
    ]
    print_table(title, ("", *head), lines)
    if any(score.get("primary") for score in scores):
        say("* the primary layer")


def _mark(score: dict[str, Any]) -> str:
    return " *" if score.get("primary") else " edited" if score.get("edited") else ""
