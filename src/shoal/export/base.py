"""The words and pages that all exports share."""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from string import Template

from shoal._version import __version__
from shoal.core.plural import plural
from shoal.errors import InputError
from shoal.rows import Source


def cluster_folder(cluster: int, name: str = "") -> str:
    """Name a cluster's folder so that names sort as numbers do: ``cluster-003-cats``.

    >>> cluster_folder(3), cluster_folder(3, "cats")
    ('cluster-003', 'cluster-003-cats')
    """
    return f"cluster-{cluster:03d}{'-' if name else ''}{name}"


def cluster_title(cluster: int, name: str | None = None) -> str:
    """Call a cluster by its name, if it has one, and its number.

    >>> cluster_title(3), cluster_title(3, "cats")
    ('Cluster 3', 'cats (cluster 3)')
    """
    return f"Cluster {cluster}" if name is None else f"{name} (cluster {cluster})"


def refuse_existing(path: Path, force: bool) -> None:
    """Raise for a file that is there already, unless told to replace it."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a file")
    if not force and (path.is_symlink() or path.exists()):
        raise InputError(f"{path} exists: give another name, or --force to replace it")


def number(value: float | None, digits: int = 2) -> str:
    """Write a number for people; an em dash for what is not known or not finite.

    >>> number(0.98765), number(float("nan")), number(None), number(1234567.0, 0)
    ('0.99', '–', '–', '1,234,567')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.{digits}f}"


def rows_word(source: Source, count: int) -> str:
    return plural(count, "image" if source.kind == "images" else "row")


def asset(name: str) -> str:
    return files("shoal.export").joinpath(name).read_text(encoding="utf-8")


def fill_in(name: str, styles: Iterable[str], **parts: str) -> str:
    """Fill in the page of a name: parts where it has ``$part``, the styles at ``$css``."""
    css = "".join(map(asset, styles))
    page = Template(asset(f"{name}.html"))
    return page.substitute(css=css, version=__version__, **parts)
