"""``python -m shoal.explore.drawing RUN HOME ENGINE …``: draws the map, says in JSON how far."""

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
    """Write facts as a line of JSON, in one piece: threads tell, too."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def _draw() -> None:
    where, home, engine, *options = sys.argv[1:]
    run = RunFolder.open(where)
    with engine_for(run, engine, options) as opened:
        prepare_map(run, Path(home), Shares(write_line), None if engine == "local" else opened)


def told_by(work: Callable[[], None]) -> int:
    """Do work beside the page, which comes first; return the exit code."""
    os.nice(_NICER)
    try:
        work()
    except ShoalError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # nobody listens any more: the explorer has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(told_by(_draw))
