"""``shoal label``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from shoal.cli import options as opt
from shoal.cli.edits import author_name
from shoal.cli.options import option
from shoal.cli.output import number, print_json, print_next, print_table, remark, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shoal.api import Run
    from shoal.cli.truth import Truth
    from shoal.labelling import Labelling


def label(
    run: opt.RunArgument,
    truth: opt.TruthOption = "labels",
    key: opt.KeyOption = None,
    test: str | None = option(
        "--test FILE",
        "Held-out classes, in the same form as --truth: not used for naming, only to measure "
        "accuracy.",
    ),
    test_images: str | None = option(
        "--test-images SOURCE",
        "New images (or vectors) to measure accuracy on, with labels stored with them or "
        "folders as classes.",
    ),
    layer: opt.LayerOption = None,
    k: opt.KOption = None,
    replace: bool = option("--replace", "Replace existing cluster names.", False),
    json: opt.JsonOption = False,
) -> None:
    """Name each cluster by the majority class of its labelled rows, and measure the accuracy.

    Each name is an edit; the command to undo them all is printed at the end.

    To write labels to a file, see shoal labels.
    """
    import numpy as np

    from shoal.cli.truth import read_truth

    opened = open_run(run)
    chosen: dict[str, Any] = {"layer": layer, "k": k}
    known = read_truth(truth, opened.source, key)
    held_out = read_truth(test, opened.source, key) if test is not None else None
    fresh = _new_rows(opened, test_images, key) if test_images is not None else None
    names = list(dict.fromkeys(n for t in (known, held_out) if t is not None for n in t.names))
    opened.edits.author = author_name()
    found = opened.label(
        _recoded(known, names),
        None if held_out is None else _recoded(held_out, names),
        names=names,
        replace=replace,
        **chosen,
    )
    new: dict[str, Any] = {}
    if fresh is not None:
        rows, classes = fresh
        names += [name for name in classes.names if name not in names]
        clusters = opened.predict(rows, **chosen).cluster
        true = _recoded(classes, names)
        new = {"new_accuracy": found.score(clusters, true), "new_rows": int(np.sum(true >= 0))}
    if json:
        facts = {n: getattr(found, n) for n in ("accuracy", "labelled", "test_accuracy", "tested")}
        more = {"named": found.named, "kept": found.kept, "edits": found.edits}
        print_json({"run": opened.path, **facts, **new, **more, "clusters": found.records()})
        return
    _print(opened, found, new)


def _new_rows(run: Run, where: str, key: str | None) -> tuple[Any, Truth]:
    from shoal.cli.truth import FOLDERS, LABELS, read_truth

    rows = run.model.open(where)
    labels = rows.labels(key)
    return rows, read_truth(FOLDERS if labels is None else LABELS, rows, key)


def _recoded(truth: Truth, names: list[str]) -> NDArray[Any]:
    import numpy as np

    place = np.array([*(names.index(name) for name in truth.names), -1], np.int32)
    return place[truth.classes]


def _print(run: Run, found: Labelling, new: dict[str, Any]) -> None:
    for cluster in found.kept:
        remark(f"cluster {cluster} keeps its name (--replace changes it, unless it is locked)")
    lines = [
        [
            str(line["cluster"]),
            line["label"] or "–",
            line["name"] or "",
            line["rows"],
            line["labelled"],
            number(line["purity"], 3),
        ]
        for line in found.records()
    ]
    names = ("cluster", "label", "name", "rows", "labelled", "purity")
    print_table(f"{run.path}", names, lines, texts=("label", "name"))
    rows = plural(found.labelled, "labelled row")
    say(f"Accuracy by majority label: {found.accuracy:.2%} ({rows}).")
    if not math.isnan(found.test_accuracy):
        rows = plural(found.tested, "held-out row")
        say(f"Accuracy: {found.test_accuracy:.2%} on {rows}.")
    if new:
        say(f"Accuracy: {new['new_accuracy']:.2%} on {plural(new['new_rows'], 'new row')}.")
    if found.edits:
        print_next({("edits", "undo", run.path, found.edits): "remove these names"})
