"""``shoal mcp``."""

from __future__ import annotations

from shoal.cli.edits import author_name
from shoal.cli.options import ReadOnlyOption, RunArgument, option
from shoal.cli.runs import open_run


def mcp(
    run: RunArgument,
    read_only: ReadOnlyOption = False,
    author: str | None = option(
        "--author NAME", 'Author recorded in the edit log; by default "USER, by an assistant".'
    ),
) -> None:
    """Serve a run to an AI assistant over the Model Context Protocol.

    The assistant's program starts this command and talks to it over standard input and output. It
    can do what the explorer can: list clusters, see images, answer review questions, edit and undo.
    """
    from shoal.explore.mcp import make_mcp
    from shoal.explore.page import make_explorer

    explorer, _ = make_explorer(open_run(run), read_only, draw=False)
    make_mcp(explorer, author or f"{author_name()}, by an assistant").run()
