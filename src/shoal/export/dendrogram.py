"""The tree above a layer, drawn: the further left two clusters part, the clearer the split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

WIDTH = 560
_TOP, _BOTTOM, _LEFT, _RIGHT = 34, 6, 14, 8
_APART = 44


@dataclass(frozen=True)
class Drawing:
    """An SVG, and the height of one leaf's row in it; rows begin `top` pixels down."""

    svg: str
    row: int
    top: int


def draw_tree(
    merges: Sequence[tuple[int, int, float]], marks: Sequence[tuple[int, float]], label: str
) -> Drawing:
    """Draw the merges above a cut.

    `merges`: sequence of (left, right, excess), lowest first; leaves are 0 .. k − 1 from top to
    bottom, the t-th merge makes k + t.
    `marks`: sequence of (k, excess), coarser cuts to mark, and where.
    """
    k = len(merges) + 1
    row = 32 if k <= 40 else 22 if k <= 120 else 14
    height = _TOP + row * k + _BOTTOM
    finite = [e for *_, e in merges if np.isfinite(e)]
    least = min([*finite, 0.0])
    most = max([*finite, 1.0 if least == 0 else least])
    end = 1.1 * least  # behind the faintest split of all, where it is below 0
    inner = WIDTH - _LEFT - _RIGHT

    def across(excess: float) -> float:
        clipped = min(max(excess if np.isfinite(excess) else least, least), most)
        return _LEFT + (most - clipped) / (most - end) * inner

    x = [float(WIDTH - _RIGHT)] * k
    y = [_TOP + row * (leaf + 0.5) for leaf in range(k)]
    lines = []
    for left, right, excess in merges:
        at = min(across(excess), x[left], x[right])
        lines.append(f"M{x[left]:.1f} {y[left]:.1f}H{at:.1f}V{y[right]:.1f}H{x[right]:.1f}")
        x.append(at)
        y.append((y[left] + y[right]) / 2)
    lines.append(f"M{x[-1]:.1f} {y[-1]:.1f}H2")
    svg = (
        f'<svg class="tree" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{label}">{_axis(least, most, across, height)}'
        f'{_marks(marks, across, height)}<path class="branch" d="{"".join(lines)}"/></svg>'
    )
    return Drawing(svg, row, _TOP)


def _axis(least: float, most: float, across: Callable[[float], float], height: int) -> str:
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, 50, 1e9) if (most - least) / s <= 8)
    parts = []
    for tick in step * np.arange(np.ceil(least / step), most / step + 1e-9):
        at = across(float(tick))
        parts.append(
            f'<path class="grid" d="M{at:.1f} {_TOP - 6}V{height}"/>'
            f'<text x="{at:.1f}" y="{_TOP - 10}">{tick:g}</text>'
        )
    return "".join(parts)


def _marks(
    marks: Sequence[tuple[int, float]], across: Callable[[float], float], height: int
) -> str:
    parts, last = [], -1e9
    for k, excess in sorted(marks, key=lambda mark: -mark[1]):
        at = across(excess)
        parts.append(f'<path class="mark" d="M{at:.1f} {_TOP - 4}V{height}"/>')
        if at - last >= _APART:
            parts.append(f'<text class="mark" x="{at:.1f}" y="10">K = {k}</text>')
            last = at
    return "".join(parts)
