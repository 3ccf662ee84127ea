"""Report on rows added to an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.cli.output import command, print_table, say
from shoal.core.plural import listed, plural

if TYPE_CHECKING:
    from shoal.api import Run

_MOST = 10  # lines of a table


def print_drift(run: Run, accepted: list[int] | None = None) -> None:
    """Print whether added rows fit, which clusters changed their share, and the proposed clusters.

    `accepted`: Ids of the clusters made from the proposals; None if they were not accepted.
    """
    if run.drift is None:
        return
    report = run.drift.report
    say(
        f"{report['added']:,} rows were added to {report['kept']:,} of {report['previous']}, which "
        "keeps its cluster numbers."
        if report["kept"]
        else f"All {report['added']:,} rows were placed in the tree of {report['previous']}."
    )
    say(verdict(report))
    unlike, stretched = report["unlike"], report["stretched"]
    say(
        f"{_share(unlike)} of them are unlike anything fitted (of the fitted rows: "
        f"{unlike['expected']:.2%}); {_share(stretched)} are unusually far from their cluster (of "
        f"the fitted rows: {stretched['expected']:.0%})."
    )
    _print_changed(report)
    _print_proposals(run, report["proposals"], accepted)
    if report["advice"]:
        say(report["advice"])


def verdict(report: dict[str, Any]) -> str:
    misfits, read = report["misfits"], report["read"]
    things = "images" if report["kind"] == "images" else "rows"
    if report["fits"]:
        return f"The new {things} fit."
    if report["proposals"] or "unlike" in report["signs"]:
        count = len(report["proposals"])
        proposed = f"proposed new clusters: {count}" if count else "no new cluster was proposed"
        return (
            f"{misfits['rows']:,} of the {read:,} new {things} ({misfits['share']:.1%}) fit no "
            f"cluster; {proposed}."
        )
    return f"The new {things} fit worse than the old ones: more are far from their cluster."


def _share(found: dict[str, Any]) -> str:
    return f"{found['share']:.2%} ({found['low']:.2%} to {found['high']:.2%})"


def _print_changed(report: dict[str, Any]) -> None:
    changed = [found for found in report["clusters"] if found["changed"]]
    shift = report["shift"]
    say(
        f"The share of {len(changed):,} of {len(report['clusters']):,} clusters changed; the total "
        f"variation is {shift['total']:.1%} ({shift['by_chance']:.1%} by chance)."
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
    if not proposals:
        return
    lines = []
    for found in proposals[:_MOST]:
        name = found["proposal"] if accepted is None else accepted[found["proposal"]]
        examples = listed([_called(run, row) for row in found["examples"]])
        now = [found["rows"], str(found["cluster"]), examples]
        lines.append([f"new {name}" if accepted is None else str(name), *now])
    how = " proposed" if accepted is None else ", by edits"
    title = f"{plural(len(proposals), 'new cluster')}{how}"
    print_table(title, ("", "rows", "now in cluster", "such as"), lines, texts=("such as",))
    if accepted is None:
        say("To turn them into clusters, add --accept-new; shoal edits undo reverts that.")
    else:
        say(f"To undo this: {command('shoal', 'edits', 'undo', run.path, len(accepted))}")


def _called(run: Run, row: int) -> str:
    names = run.source.names(row, row + 1)
    return f"row {row:,}" if names is None else names[0]
