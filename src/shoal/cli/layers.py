"""``shoal layers``."""

from __future__ import annotations

from shoal.cli.options import JsonOption, RunArgument
from shoal.cli.output import print_json
from shoal.cli.runs import layer_facts, open_run, print_layers


def layers(run: RunArgument, json: JsonOption = False) -> None:
    """List the layers of a run, coarse to fine."""
    opened = open_run(run)
    if json:
        print_json({"run": opened.path, "layers": layer_facts(opened)})
    else:
        print_layers(opened)
