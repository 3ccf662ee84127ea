"""``shoal version``."""

from __future__ import annotations

import platform

from shoal._version import __version__
from shoal.cli.options import JsonOption
from shoal.cli.output import print_json, say


def version(json: JsonOption = False) -> None:
    """Show the version of Shoal."""
    if json:
        print_json({"shoal": __version__, "python": platform.python_version()})
    else:
        say(f"Shoal {__version__}, Python {platform.python_version()}")
