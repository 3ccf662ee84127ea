"""``python -m shoal.explore.drawing RUN HOME ENGINE …``: compute the map, with progress in JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shoal.errors import ShoalError
from shoal.explore.prepare import Shares, prepare_map
from shoal.passes import engine_for
from shoal.storage import RunFolder

_NICER = 10  # the page comes first


def write_line(facts: dict[str, Any]) -> None:
    """Write facts as one line of JSON, in a single call because threads write too."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _draw() -> None:
    where, home, engine, *options = sys.argv[1:]
    run = RunFolder.open(where)
    with engine_for(run, engine, options) as opened:
        prepare_map(run, Path(home), Shares(write_line), None if engine == "local" else opened)


def run_beside_page(work: Callable[[], None]) -> int:
    """Work at a lower priority than the page; return the exit code."""
    os.nice(_NICER)
    try:
        work()
    except ShoalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the explorer has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run_beside_page(_draw))
