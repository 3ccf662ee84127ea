"""Helpers shared by exports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from shoal._version import __version__
from shoal.core.plural import plural
from shoal.errors import InputError
from shoal.rows import Source


def cluster_folder(cluster: int, name: str = "") -> str:
    """Return the folder name of a cluster, which sorts by number.

    >>> cluster_folder(3), cluster_folder(3, "cats")
    ('cluster-003', 'cluster-003-cats')
    """
    return f"cluster-{cluster:03d}{'-' if name else ''}{name}"


def cluster_title(cluster: int, name: str | None = None) -> str:
    """Return a cluster's name, if it has one, and number.

    >>> cluster_title(3), cluster_title(3, "cats")
    ('Cluster 3', 'cats (cluster 3)')
    """
    return f"Cluster {cluster}" if name is None else f"{name} (cluster {cluster})"


def refuse_existing(path: Path, force: bool) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if not force and (path.is_symlink() or path.exists()):
        raise InputError(f"{path} exists: give another name, or --force to replace it")


def spread_blocks(n_rows: int, size: int, most: int) -> list[tuple[int, int]]:
    """Divide rows into blocks; of more than `most`, return evenly spread ones.

    >>> spread_blocks(5, 2, 3), spread_blocks(100, 2, 3)
    ([(0, 2), (2, 4), (4, 5)], [(0, 2), (48, 50), (98, 100)])
    """
    starts = np.arange(0, n_rows, size)
    if len(starts) > most:
        starts = starts[np.linspace(0, len(starts) - 1, most).astype(int)]
    return [(start, min(start + size, n_rows)) for start in starts.tolist()]


def number(value: float | None, digits: int = 2) -> str:
    """Format a number; a dash if it is unknown or not finite.

    >>> number(0.98765), number(float("nan")), number(None), number(1234567.0, 0)
    ('0.99', '–', '–', '1,234,567')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}"


def rows_word(source: Source, count: int) -> str:
    return plural(count, "image" if source.kind == "images" else "row")


def html_table(lines: Iterable[str], head: Sequence[str] = (), css: str = "") -> str:
    """Return a table of rows that are HTML already."""
    cells = "".join(f'<th scope="col">{name}</th>' for name in head)
    top = f"<thead><tr>{cells}</tr></thead>" if head else ""
    kind = f' class="{css}"' if css else ""
    return f"<table{kind}>{top}<tbody>{''.join(lines)}</tbody></table>"


def folded(title: str, content: str, below: str = "") -> str:
    """Return a heading that opens what is below it."""
    return (
        f"<details><summary><h2>{title}</h2></summary>"
        f'<div class="panel scroll">{content}</div>{below}</details>'
    )


def asset(name: str) -> str:
    return files("shoal.export").joinpath(name).read_text(encoding="utf-8")


def fill_in(name: str, styles: Iterable[str], **parts: str) -> str:
    """Fill the template of a page: ``$part`` by parts, ``$css`` by the styles."""
    css = "".join(map(asset, styles))
    page = Template(asset(f"{name}.html"))
    return page.substitute(css=css, version=__version__, **parts)
