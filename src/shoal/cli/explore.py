"""``shoal explore``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shoal.cli import options as opt
from shoal.cli.options import argument, engine_options, option, place, with_settings
from shoal.cli.output import remark, say
from shoal.cli.runs import open_run
from shoal.errors import InputError
from shoal.settings import SETTINGS

if TYPE_CHECKING:
    from shoal.api import Run
    from shoal.explore.serve import Address

_PORT = 7430
Where = tuple[str | None, int | None, str | None]  # host, port, token


@with_settings("engine")
def explore(
    context: typer.Context,
    run: Path = argument(
        "RUN", "A run folder written by shoal fit, or a folder of runs.", parser=place
    ),
    port: int | None = option(
        "--port N", f"Port; by default {_PORT}, or a free one if that is in use.", min=1, max=65535
    ),
    host: str | None = option(
        "--host ADDRESS",
        "Network address to listen on, so that other machines can connect; requires --token.",
    ),
    token: str | None = option(
        "--token TEXT", "Secret that the page's URL must contain; at least 8 characters."
    ),
    compare: Path | None = option(
        "--compare OTHER", "An earlier run, to show what became of its clusters.", parser=place
    ),
    metadata: Path | None = option(
        "--metadata FILE",
        "CSV or Parquet file with columns to filter by, matched by row name or in row order.",
    ),
    words: Path | None = option(
        "--words FILE",
        "Candidate cluster names, one per line; the best matches are suggested if the "
        "features understand text (open_clip).",
    ),
    read_only: opt.ReadOnlyOption = False,
    no_open: bool = option("--no-open", "Do not open a browser.", False),
    **settings: Any,
) -> None:
    """Inspect, correct and name clusters in the browser.

    For a folder of runs, a page lists them with thumbnails.
    """
    from shoal.storage import is_remote

    name = str(SETTINGS["engine"].parse(settings.get("engine", "local")))
    page: dict[str, Any] = {"where": (host, port, token), "no_open": no_open}
    page |= {"read_only": read_only, "engine": (name, *engine_options(context))}
    if is_remote(run) or (run / "run.toml").exists() or not any(run.glob("*/run.toml")):
        other = None if compare is None else open_run(compare)
        explore_run(open_run(run), other=other, metadata=metadata, words=words, **page)
        return
    if compare is not None or metadata is not None or words is not None:
        raise InputError(f"--compare, --metadata and --words are for one run; {run} holds several")
    _explore_folder(run, **page)


def explore_run(
    run: Run,
    *,
    where: Where = (None, None, None),
    read_only: bool = False,
    no_open: bool = False,
    other: Run | None = None,
    metadata: Path | None = None,
    engine: Sequence[str] = ("local",),
    words: Path | None = None,
) -> None:
    """Serve the page of a run until interrupted."""
    from shoal.explore.page import make_explorer
    from shoal.explore.serve import make_app, serve
    from shoal.explore.words import read_words
    from shoal.progress import RichProgress
    from shoal.storage import is_remote

    names = () if words is None else read_words(words)
    address = _listen(*where)
    if is_remote(run.path) and not read_only:
        remark(f"Edits are off: {run.path} is not on a local disk, where edits are stored.")
    with RichProgress() as bars:
        explorer, drawing = make_explorer(
            run, read_only, other, metadata, engine, bars, words=names
        )
    if explorer.source_trouble:
        remark(f"No images: {explorer.source_trouble}")

    try:
        with suppress(KeyboardInterrupt):  # the way to stop it
            serve(make_app(explorer), address, partial(_ready, run.path, address.url, no_open))
    finally:
        if drawing is not None:
            drawing.stop()


def _explore_folder(
    folder: Path, *, where: Where, read_only: bool, no_open: bool, engine: Sequence[str]
) -> None:
    """Serve a list of the runs in a folder, and the page of each, until interrupted."""
    from shoal.explore.serve import serve
    from shoal.explore.shelf import Shelf

    shelf = Shelf(folder, read_only, engine)
    address = _listen(*where)
    try:
        with suppress(KeyboardInterrupt):  # the way to stop it
            serve(shelf.app, address, partial(_ready, folder, address.url, no_open))
    finally:
        shelf.close()


def _listen(host: str | None, port: int | None, token: str | None) -> Address:
    """Open the socket, by default at the usual port or a free one."""
    from shoal.explore.serve import listen

    try:
        return listen(host, port or _PORT, token)
    except InputError:
        if port is not None or host is not None:
            raise
        return listen(host, None, token)


def _ready(what: Path, url: str, no_open: bool) -> None:
    say(f"{what} is at {url}")
    say("Stop it with Ctrl-C.")
    if not no_open:
        open_page(url)


def open_page(url: str) -> bool:
    """Open a page in the browser, if there is one with windows."""
    import webbrowser

    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    # A text browser would take over the terminal.
    if type(browser) is webbrowser.GenericBrowser:
        return False
    return browser.open(url)
