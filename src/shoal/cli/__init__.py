"""The command line, one file per command."""

import gc


def main() -> None:
    """Run the command line of this process."""
    gc.set_threshold(50_000)  # imports make a million objects that stay: 0.3 s of collecting
    from shoal.cli.app import app

    try:
        app(prog_name="shoal")
    finally:
        gc.freeze()  # Python collects three times as it exits: 0.4 s for nothing after a fit
