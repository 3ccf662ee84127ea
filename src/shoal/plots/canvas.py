"""Axes, files and helpers shared by all plots."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, MissingExtraError
from shoal.progress import in_notebook
from shoal.storage import write_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMS = (".png", ".svg", ".pdf")
INK, MUTED, LINE, ACCENT = "#1d2329", "#6e7880", "#dee2e6", "#0f7f90"
_LONGEST = 24
_DOTS = 130  # an inch, of PNG and of what is drawn as dots in the others
# Okabe and Ito (2008), told apart by colour-blind people; from the ninth cluster on, other hues.
_FIRST = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c6bb1", "#7f7f7f")
_GOLDEN = 0.61803398875


def new_axes(ax: Axes | None, width: float, height: float, solid: bool = False) -> Axes:
    """Return the axes given, or new ones of a size in inches, perhaps of three dimensions.

    In a notebook, and where pyplot is in use, pyplot knows the figure and shows it.
    """
    if ax is not None:
        return ax
    figure = figure_class()
    options: Any = {"figsize": (width, height), "layout": "constrained", "facecolor": "white"}
    kind: Any = {"projection": "3d"} if solid else {}
    if in_notebook() or "matplotlib.pyplot" in sys.modules:
        import matplotlib.pyplot as plt

        return plt.figure(**options).add_subplot(**kind)
    return figure(**options).add_subplot(**kind)


def figure_class() -> type[Figure]:
    """Import matplotlib's figures, or raise MissingExtraError."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise MissingExtraError(
            "plots need matplotlib, which is not installed: pip install 'shoal[plot]'"
        ) from None
    return Figure


def check_form(path: Path) -> None:
    """Raise InputError for a file with an unknown extension."""
    if path.suffix.lower() not in FORMS:
        raise InputError(f"-o {path}: the name must end in {', '.join(FORMS)}")


def save(ax: Axes, path: Path) -> None:
    """Save the figure of axes, reproducibly."""
    check_form(path)
    write_bytes(path, encoded(ax, path.suffix.lower()[1:]))


def encoded(ax: Axes, form: str) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    dateless = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(form)
    with mpl.rc_context({"svg.hashsalt": "shoal"}):
        figure: Any = ax.figure
        figure.savefig(
            out, format=form, dpi=_DOTS, metadata=dateless, bbox_inches="tight", pad_inches=0.12
        )
    return out.getvalue()


def plain(text: str, longest: int = _LONGEST) -> str:
    r"""Escape text for display: short, on one line, without formulas.

    A number at its end, by which clusters of one class are told apart, is kept.

    >>> plain("a$b$"), plain("x" * 30, 10), plain("chain saws (12)", 11)
    ('a\\$b\\$', 'xxxxxxxxx…', 'chain… (12)')
    """
    line = " ".join(text.split())
    number = re.search(r" \(\d+\)$", line)
    end = number[0] if number else ""
    short = line if len(line) <= longest else f"{line[: longest - 1 - len(end)].rstrip()}…{end}"
    return short.replace("$", r"\$")


def write(
    ax: Axes,
    text: str,
    at: tuple[float, float],
    shift: tuple[float, float],
    coordinates: Any = "data",
    **look: Any,
) -> None:
    ax.annotate(text, at, shift, coordinates, "offset points", annotation_clip=False, **look)


def headline(ax: Axes, title: str, below: str = "") -> None:
    """Write the title, and a remark in smaller letters below it."""
    ax.set_title(title, loc="left", color=INK, fontsize=12, pad=22 if below else 8)
    if below:
        write(ax, below, (0, 1), (0, 8), "axes fraction", color=MUTED, fontsize=8.5)


def clean(ax: Axes, grid: Literal["", "x", "y", "both"] = "") -> None:
    """Keep only the left and bottom axes; grid lines along ``x``, ``y`` or both."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=MUTED, labelsize=9, labelcolor=INK)
    if grid:
        ax.grid(True, axis=grid, color=LINE, linewidth=0.8)
        ax.set_axisbelow(True)


def bare(ax: Axes) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)


def colours(count: int) -> NDArray[np.float64]:
    """Return a colour for each cluster, (count, 3) from 0 to 1."""
    from matplotlib.colors import hsv_to_rgb, to_rgb

    first = [to_rgb(colour) for colour in _FIRST[:count]]
    more = np.arange(max(0, count - len(first)))
    hues = (more * _GOLDEN) % 1
    values = np.stack([hues, 0.75 - 0.3 * (more % 2), 0.85 - 0.25 * (more // 2 % 2)], axis=1)
    return np.concatenate([np.array(first).reshape(-1, 3), hsv_to_rgb(values).reshape(-1, 3)])


def mosaic(tiles: NDArray[np.uint8], across: int, gap: tuple[float, float]) -> NDArray[np.uint8]:
    """Arrange square tiles (n, s, s, C) in rows on white; gaps (down, across) in tile sides."""
    n, side = tiles.shape[:2]
    step_y, step_x = (side + round(side * g) for g in gap)
    down = -(-n // across)
    page = np.full((down * step_y, across * step_x, 3), 255, np.uint8)
    for at, tile in enumerate(tiles):
        top, left = at // across * step_y, at % across * step_x
        page[top : top + side, left : left + side] = tile[..., :3]
    return page


def show_image(ax: Axes, page: NDArray[np.uint8], sharp: bool) -> None:
    ax.imshow(page, interpolation="nearest" if sharp else "antialiased")
    bare(ax)


def column_width(words: Sequence[str], least: float = 0.6, each: float = 0.085) -> float:
    """Return the approximate width of the longest word in inches."""
    return max(least, each * max((len(word) for word in words), default=0))
