"""``shoal info``."""

from __future__ import annotations

from shoal.cli.options import JsonOption, RunArgument
from shoal.cli.output import print_facts, print_json, say
from shoal.cli.runs import open_run

_MOST_QUARANTINED = 20


def info(run: RunArgument, json: JsonOption = False) -> None:
    """Show all that is known about a run."""
    opened = open_run(run)
    facts = opened.info()
    bad = opened.quarantine
    if json:
        print_json({**facts, "quarantine": bad.to_pylist()})
        return
    from shoal.export.report import flat

    print_facts(flat(facts))
    if bad.num_rows:
        say(f"{bad.num_rows:,} rows could not be read:")
        for entry in bad.slice(0, _MOST_QUARANTINED).to_pylist():
            say(f"  {entry['name'] or entry['row']}: {entry['reason']}")
        if bad.num_rows > _MOST_QUARANTINED:
            say(f"  and {bad.num_rows - _MOST_QUARANTINED:,} more; --json lists all")
