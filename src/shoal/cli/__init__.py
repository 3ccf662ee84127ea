"""The command line: one file a command."""


def main() -> None:
    """Run the command line of this process."""
    from shoal.cli.app import app

    app(prog_name="shoal")
