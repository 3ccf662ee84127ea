"""The explorer in this process: made ready for a run, and as a page beside other work."""

from __future__ import annotations

import asyncio
import atexit
import threading
import webbrowser
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.core.layout import SMALL
from shoal.errors import InputError
from shoal.explore.drawing import ChildProcess, DrawingThread, start_drawing
from shoal.explore.explorer import Explorer
from shoal.explore.metadata import beside
from shoal.explore.prepare import home_of, prepare_leaves
from shoal.explore.serve import listen, make_app, make_server
from shoal.progress import Progress, default_progress
from shoal.storage import RunFolder, is_remote

if TYPE_CHECKING:
    from shoal.api import Run

_PATIENCE = 60.0  # seconds to begin to answer; it takes a tenth of one


def make_explorer(
    run: Run,
    read_only: bool = False,
    other: Run | None = None,
    metadata: Path | None = None,
    engine: Sequence[str] = ("local",),
    progress: Progress | None = None,
    draw: bool = True,
    words: tuple[str, ...] = (),
) -> tuple[Explorer, ChildProcess | DrawingThread | None]:
    """Return the explorer of a run, and `draw` its map in the background where it has none.

    A run that does not lie on a disk is explored without edits.
    """
    folder = RunFolder.open(run.path)
    home = home_of(folder)
    prepare_leaves(folder, home, progress)
    no_edits = read_only or is_remote(folder.path)
    explorer = Explorer(run, home, no_edits, other, beside(run, metadata), words)
    if explorer.atlas.has_map or not draw:
        return explorer, None
    if len(explorer.atlas.order) <= SMALL and engine[0] == "local":
        return explorer, DrawingThread(run.path, home, explorer.progress.update)
    return explorer, start_drawing(run.path, home, explorer.progress.update, engine)


class ServedPage:
    """An explorer that is served beside other work at `url`; `run.explore` makes it.

    In a notebook it is shown in the cell, or as its address where it was opened in a tab.
    """

    def __init__(
        self,
        run: Run,
        *,
        inline: bool = False,
        height: int = 760,
        port: int | None = None,
        read_only: bool = False,
        metadata: Path | None = None,
    ) -> None:
        if height < 100:
            raise InputError(f"height must be at least 100 pixels; got {height}")
        address = listen(None, port, None)
        self.url, self.inline, self.height = address.url, inline, height
        bars = default_progress()
        explorer, self._drawing = make_explorer(run, read_only, metadata=metadata, progress=bars)
        bars.finish()
        ready = threading.Event()
        self._server = make_server(make_app(explorer), address, ready.set, framed=True)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve([address.listening])), daemon=True
        )
        self._thread.start()
        ready.wait(_PATIENCE)
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def open(self) -> None:
        webbrowser.open(self.url)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        if self._drawing is not None:
            self._drawing.stop()
        atexit.unregister(self.stop)

    def __repr__(self) -> str:
        return f"<Page {self.url}{'' if self.running else ', stopped'}>"

    def _repr_html_(self) -> str:
        url = escape(self.url)
        link = f'<a href="{url}" target="_blank">{url}</a>'
        if not self.running:
            return f"<p>The explorer at {url} was stopped.</p>"
        if not self.inline:
            return f"<p>The explorer is at {link}.</p>"
        style = f"width:100%;height:{self.height}px;border:1px solid #8884"
        return f'<iframe src="{url}" style="{style}"></iframe><p>In a tab of its own: {link}</p>'
