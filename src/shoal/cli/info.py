"""``shoal info``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shoal.cli.options import JsonOption, RunsArgument
from shoal.cli.output import print_facts, print_json, remark, say
from shoal.cli.runs import layer_notes, open_run
from shoal.core.plural import plural
from shoal.errors import RunError

_MOST_LISTED = 20


def info(runs: RunsArgument, json: JsonOption = False) -> None:
    """Show everything known about a run, and files in its folder that Shoal did not write.

    With --json, several runs are a list.
    """
    found = [_known(run) for run in runs]
    if json:
        all_facts = [{**facts, "quarantine": bad.to_pylist()} for facts, bad, _ in found]
        print_json(all_facts if len(runs) > 1 else all_facts[0])
        return
    for at, one in enumerate(found):
        if at:
            say()
        _print(*one)


def _known(run: Path) -> tuple[dict[str, Any], Any, list[str]]:
    try:
        opened = open_run(run)
        return opened.info(), opened.quarantine, layer_notes(opened)
    except RunError:
        _print_odd(_odd(run))
        raise


def _print(facts: dict[str, Any], bad: Any, notes: list[str]) -> None:
    from shoal.export.report import flat

    odd: list[str] = facts.pop("odd")
    print_facts(flat(facts))
    for sentence in notes:
        say(sentence)
    if bad.num_rows:
        say(f"{plural(bad.num_rows, 'row')} could not be read:")
        for entry in bad.slice(0, _MOST_LISTED).to_pylist():
            say(f"  {entry['name'] or entry['row']}: {entry['reason']}")
        if bad.num_rows > _MOST_LISTED:
            say(f"  and {bad.num_rows - _MOST_LISTED:,} more; --json lists all")
    _print_odd(odd)


def _odd(run: Path) -> list[str]:
    from shoal.stages.fit_stages import stage_names
    from shoal.storage import odd_entries

    known = run.is_dir() and (run / "run.toml").exists()
    return odd_entries(run, stage_names()) if known else []


def _print_odd(odd: list[str]) -> None:
    if odd:
        remark("Shoal did not write these files in the folder, and does not follow links in it:")
        for sentence in odd[:_MOST_LISTED]:
            remark(f"  {sentence}")
        if len(odd) > _MOST_LISTED:
            remark(f"  and {len(odd) - _MOST_LISTED:,} more; --json lists all")
