"""Progress reporting during a fit: bars on a terminal or in a notebook, lines elsewhere."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Callable
from importlib import import_module
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from shoal.core.plural import plural


class Progress(Protocol):
    """Receives the progress of one stage after the other; any thread may call `advance`."""

    # Start a stage of `total` units (None: unknown), which ends the previous one
    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None: ...
    def advance(self, n: int = 1) -> None: ...  # Count `n` more units done in this stage
    def note(self, text: str) -> None: ...  # Print one line for the user
    def finish(self) -> None: ...  # End the last stage


class Silent:
    """Reports nothing."""

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None: ...
    def advance(self, n: int = 1) -> None: ...
    def note(self, text: str) -> None: ...
    def finish(self) -> None: ...


class RichProgress:
    """Bars with count, rate and time left on a terminal, one line per stage elsewhere.

    Everything goes to standard error. Use it in a ``with`` block, so that the terminal is restored
    after an error.

    Parameters
    ----------
    console
        Where to write; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            _Count(),
            _Rate(),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            console=self._console,
            disable=not self._live,
        )
        self._lock = Lock()
        self._task: TaskID | None = None
        self._name = self._unit = ""
        self._done, self._began = 0, 0.0

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        with self._lock:
            self._end()
            self._name, self._unit = name, unit
            self._done, self._began = 0, time.monotonic()
            self._bars.start()
            self._task = self._bars.add_task(escape(name), total=total, unit=unit)

    def advance(self, n: int = 1) -> None:
        with self._lock:
            if self._task is not None:
                self._done += n
                self._bars.update(self._task, advance=n)

    def note(self, text: str) -> None:
        """Print one line for the user, above the bars."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def finish(self) -> None:
        with self._lock:
            self._end()
            self._bars.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self._bars.stop()

    def _end(self) -> None:
        if self._task is None:
            return
        if self._live:
            self._bars.update(self._task, total=self._done, completed=self._done)
        else:
            seconds = time.monotonic() - self._began
            counted = plural(self._done, self._unit.removesuffix("s"))
            count = f"{counted} in " if self._done else ""  # some count nothing
            rate = f", {_short(self._done / seconds)} {self._unit}/s" if count and seconds else ""
            self.note(f"{self._name}: {count}{seconds:.1f} s{rate}")
        self._task = None


class NotebookProgress:
    """A progress bar in a notebook cell, with messages above it.

    `show` displays HTML in place of the previous; by default in the current cell.
    """

    # A bar that moves a few times a second looks smooth; each step is a message to the browser.
    _EVERY = 0.2

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        self._show = show or _cell_display()
        self._lock = Lock()
        self._lines: list[str] = []
        self._name = self._unit = ""
        self._total: int | None = None
        self._done, self._began, self._next = 0, 0.0, 0.0

    def stage(self, name: str, total: int | None = None, unit: str = "rows") -> None:
        with self._lock:
            self._name, self._total, self._unit, self._done = name, total, unit, 0
            self._began = self._began or time.monotonic()
            self._draw()

    def advance(self, n: int = 1) -> None:
        with self._lock:
            self._done += n
            if time.monotonic() >= self._next:
                self._draw()

    def note(self, text: str) -> None:
        with self._lock:
            self._lines.append(html.escape(text))
            self._draw()

    def finish(self) -> None:
        with self._lock:
            if self._name:
                self._lines.append(f"Done in {time.monotonic() - self._began:.1f} s.")
            self._name = ""
            self._draw()

    def _draw(self) -> None:
        self._next = time.monotonic() + self._EVERY
        bar = ""
        if self._name:
            known = self._total is not None
            value = f' value="{self._done}" max="{self._total}"' if known else ""
            of = f" of {self._total:,}" if known else ""
            count = f": {self._done:,}{of} {html.escape(self._unit)}" if known or self._done else ""
            bar = f"<progress{value}></progress> {html.escape(self._name)}{count}"
        self._show("<br>".join([*self._lines, bar]))


def in_notebook() -> bool:
    """Return whether this runs in a notebook kernel, whose cells show HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def default_progress() -> Progress:
    """Return the default progress: a bar in a notebook, nothing elsewhere."""
    return NotebookProgress() if in_notebook() else Silent()


def _cell_display() -> Callable[[str], None]:
    """Return a function that displays HTML in place in the current cell."""
    shown = import_module("IPython.display")  # available in a notebook, without types
    handle = shown.display(shown.HTML(""), display_id=True)
    return lambda text: handle.update(shown.HTML(text))


class _Count(ProgressColumn):
    def render(self, task: Task) -> Text:
        of = "" if task.total is None or task.finished else f" of {int(task.total):,}"
        if not (of or task.completed):
            return Text("")
        return Text(f"{int(task.completed):,}{of} {task.fields['unit']}", style="progress.download")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{_short(speed)}/s" if speed else "", style="progress.data.speed")


def _short(number: float) -> str:
    """Format a number with about three digits.

    >>> _short(3.14159), _short(123.4), _short(5800), _short(2.5e6)
    ('3.1', '123', '5.8k', '2.5M')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}"
