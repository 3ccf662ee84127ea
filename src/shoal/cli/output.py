"""How results are printed: tables and sentences for people, JSON for programs."""

from __future__ import annotations

import io
import json
import math
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shoal.core.text import encodable

if TYPE_CHECKING:
    from rich.table import Table

    from shoal.progress import Progress

_PLAIN_WIDTH = 200


def say(text: str = "") -> None:
    print(encodable(text))  # it may name files whose names are not text


def remark(text: str) -> None:
    """Print a line on the error stream, for people."""
    print(text, file=sys.stderr)


@contextmanager
def progress_bars(quiet: bool) -> Iterator[Progress]:
    """Show progress on the error stream while a command works, unless it is to be quiet."""
    from shoal.progress import RichProgress, Silent

    with RichProgress() as bars:
        yield Silent() if quiet else bars


def print_json(facts: Any) -> None:
    """Print JSON, and nothing else; what is not a finite number becomes null."""
    say(json.dumps(_plain(facts), indent=1, ensure_ascii=False))


def print_table(
    title: str,
    names: Sequence[str],
    lines: Sequence[Sequence[Any]],
    marked: int | None = None,
    texts: Sequence[str] = (),
) -> None:
    """Print a table: text as it is, other values as `number` writes them; one line may be marked.

    The first column and those in `texts` are aligned to the left.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for at, name in enumerate(names):
        text = name in texts
        table.add_column(name, justify="right" if at and not text else "left", no_wrap=at > 0)
    for at, line in enumerate(lines):
        cells = (cell if isinstance(cell, str) else number(cell) for cell in line)
        table.add_row(*map(Text, cells), style="bold" if at == marked else None)
    if title:
        say(title)
    say(_rendered(table))
    say()


def print_facts(lines: Sequence[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        say(f"{name:<{width}}  {value}")


def _rendered(table: Table) -> str:
    from rich.console import Console

    live = sys.stdout.isatty()
    buffer = io.StringIO()
    console = Console(
        file=buffer,
        highlight=False,
        force_terminal=live,
        width=Console().width if live else _PLAIN_WIDTH,
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines() if line.strip())


def command(*words: object) -> str:
    """Write a command that can be copied into a shell.

    >>> command("shoal", "labels", "my run.shoal", "-o", "labels.csv")
    "shoal labels 'my run.shoal' -o labels.csv"
    """
    return shlex.join(str(word) for word in words)


def print_next(commands: Mapping[tuple[object, ...], str]) -> None:
    """Print commands to try next, given by their words after ``shoal``, with what each does."""
    say("Next:")
    lines = {command("shoal", *words): what for words, what in commands.items()}
    width = max(map(len, lines))
    for line, what in lines.items():
        say(f"  {line:<{width}}  # {what}")


def number(value: Any, digits: int = 2) -> str:
    """Write a number; a dash for what is not known or not finite.

    >>> number(0.98765), number(float("nan")), number(12345), number(None)
    ('0.99', '–', '12,345', '–')
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.{digits}f}"


def duration(seconds: float) -> str:
    """Write a time in two places.

    >>> duration(0.004), duration(9.4), duration(75), duration(4000)
    ('0.0 s', '9.4 s', '1 min 15 s', '1 h 6 min')
    """
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{seconds:.1f} s"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
