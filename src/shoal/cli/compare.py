"""``shoal compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli.options import JsonOption, RawOption, RunArgument, argument, option, place
from shoal.cli.output import number, print_json, print_table, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.core.compare import Change, Comparison
    from shoal.edits import Clustering

_SHOWN = 6


def compare(
    run: RunArgument,
    other: Path | None = argument("[OTHER]", "A later run.", None, parser=place),
    layer: list[int] | None = option(
        "--layer N",
        "Layer to compare. Give it twice to name one layer of each run, or two layers of a single "
        "run.",
    ),
    raw: RawOption = False,
    json: JsonOption = False,
) -> None:
    """Show which clusters match, split, merge, disappear or are new between two runs.

    With one run, show what its edits changed.
    """
    from shoal.core.compare import compare as compared
    from shoal.stages.common import labels_in_common, rows_in_common

    one = open_run(run)
    later = one if other is None else open_run(other)
    if layer is not None and len(layer) > 2:
        raise InputError(f"--layer was given {len(layer)} times: give one layer, or two")
    if other is None and raw and len(layer or ()) < 2:
        raise InputError("--raw of one run compares nothing: give two layers, or another run")
    layers = [None, None] if not layer else [layer[0], layer[-1]]
    first_raw = raw or (other is None and len(layer or ()) < 2)
    before = one.clustering(layers[0], raw=first_raw)
    after = later.clustering(layers[1], raw=raw)
    rows = None if other is None else rows_in_common(before.result, after.result)
    found = compared(labels_in_common(before.labels(), rows), after.labels())
    if json:
        sides = [_side(run, before), _side(other or run, after)]
        print_json({"before": sides[0], "after": sides[1], **found.as_dict()})
    else:
        _print(found, before, after)


def _side(path: Path, side: Clustering) -> dict[str, Any]:
    return {"run": path, "k": side.k, "edited": side.edited, "names": side.names}


def _print(found: Comparison, before: Clustering, after: Clustering) -> None:
    edited = [", as edited" if side.edited else "" for side in (before, after)]
    say(
        f"{plural(before.k, 'cluster')} before{edited[0]}, {after.k:,} after{edited[1]}; "
        f"{plural(found.rows, 'row')} in both."
    )
    lines = [
        [
            _called(m.before, before),
            _called(m.after, after),
            *(m.rows_before, m.rows_after, m.shared, m.overlap),
        ]
        for m in found.matched
    ]
    if lines:
        names = ("before", "after", "rows before", "rows after", "in both", "overlap")
        print_table("Matched", names, lines, texts=("after",))
    _print_changes("Split", found.split, before, after, "into")
    _print_changes("Merged", found.merged, after, before, "from")
    _print_changes("Disappeared", found.died, before, after, "rows now in")
    _print_changes("New", found.born, after, before, "rows from")
    say(f"{plural(found.moved, 'other row') if found.moved else 'No other rows'} changed cluster.")


def _print_changes(
    title: str, changes: Sequence[Change], own: Clustering, other: Clustering, word: str
) -> None:
    for change in changes:
        parts = [
            f"{_called(part, other)} ({number(n)})"
            for part, n in zip(change.parts[:_SHOWN], change.shared, strict=False)
        ]
        more = len(change.parts) - len(parts)
        rest = f" and {more} more" if more > 0 else ""
        name = _called(change.cluster, own)
        say(f"{title}: {name} ({plural(change.rows, 'row')}) {word} {', '.join(parts)}{rest}")


def _called(cluster: int, side: Clustering) -> str:
    name = side.names.get(cluster)
    return str(cluster) if name is None else f"{cluster} “{name}”"
