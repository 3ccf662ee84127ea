"""What is said of rows that were added to an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.cli.output import command, number, print_table, say

if TYPE_CHECKING:
    from shoal.api import Run

_MOST = 10  # lines of a table


def print_drift(run: Run, accepted: list[int] | None = None) -> None:
    """Say whether added rows fit, which clusters changed their shares, and what is proposed.

    Parameters
    ----------
    accepted
        The clusters that the proposals became; None when they were not accepted.
    """
    if run.drift is None:
        return
    report = run.drift.report
    say(
        f"{report['added']:,} rows were added to {report['kept']:,} of {report['previous']}, "
        "whose clusters keep their numbers."
        if report["kept"]
        else f"All {report['added']:,} rows were placed in the tree of {report['previous']}."
    )
    say(verdict(report))
    unlike, stretched = report["unlike"], report["stretched"]
    say(
        f"{_share(unlike)} of them are unlike all that was fitted ({unlike['expected']:.2%} of the "
        f"fitted rows are); {_share(stretched)} lie at unusual distances "
        f"({stretched['expected']:.0%} of the fitted rows do)."
    )
    _print_changed(report)
    _print_proposals(run, report["proposals"], accepted)
    if report["advice"]:
        say(report["advice"])


def verdict(report: dict[str, Any]) -> str:
    """Say in a sentence whether added rows fit."""
    misfits, read = report["misfits"], report["read"]
    things = "images" if report["kind"] == "images" else "rows"
    if report["fits"]:
        return f"The new {things} fit."
    if report["proposals"] or "unlike" in report["signs"]:
        count = len(report["proposals"])
        proposed = f"proposed new clusters: {count}" if count else "no new cluster is proposed"
        return (
            f"{misfits['rows']:,} of the {read:,} new {things} ({misfits['share']:.1%}) fit no "
            f"cluster; {proposed}."
        )
    return f"The new {things} fit worse than the old ones: more of them lie at unusual distances."


def _share(found: dict[str, Any]) -> str:
    return f"{found['share']:.2%} ({found['low']:.2%} to {found['high']:.2%})"


def _print_changed(report: dict[str, Any]) -> None:
    changed = [found for found in report["clusters"] if found["changed"]]
    shift = report["shift"]
    say(
        f"{len(changed):,} of {len(report['clusters']):,} clusters have another share of them than "
        f"before; {shift['total']:.1%} of the rows would have to lie elsewhere for equal shares "
        f"(by chance {shift['by_chance']:.1%})."
    )
    if not changed:
        return
    changed.sort(key=lambda found: -abs(found["added"] - found["before"]))
    lines = [
        [
            str(found["cluster"]),
            f"{found['before']:.2%}",
            f"{found['added']:.2%}",
            f"{found['low']:+.2%} to {found['high']:+.2%}",
        ]
        for found in changed[:_MOST]
    ]
    say()
    print_table("", ("cluster", "share before", "of the new rows", "change"), lines)


def _print_proposals(run: Run, proposals: list[dict[str, Any]], accepted: list[int] | None) -> None:
    from shoal.rows.tables.selection import listed

    if not proposals:
        return
    lines = []
    for found in proposals[:_MOST]:
        name = found["proposal"] if accepted is None else accepted[found["proposal"]]
        examples = listed([_called(run, row) for row in found["examples"]])
        now = [number(found["rows"]), str(found["cluster"]), examples]
        lines.append([f"new {name}" if accepted is None else str(name), *now])
    title = f"{len(proposals):,} new cluster{'s' if len(proposals) > 1 else ''} proposed"
    if accepted is not None:
        title = f"{len(proposals):,} new cluster{'s' if len(proposals) > 1 else ''}, by edits"
    print_table(title, ("", "rows", "now in cluster", "such as"), lines, texts=("such as",))
    if accepted is None:
        say("--accept-new makes clusters of them; shoal edits undo takes them back.")
    else:
        say(f"To undo it: {command('shoal', 'edits', 'undo', run.path, len(accepted))}")


def _called(run: Run, row: int) -> str:
    names = run.source.names(row, row + 1)
    return f"row {row:,}" if names is None else names[0]
