"""Mean profiles: what distinguishes a cluster of vectors, as a small chart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.export.base import spread_blocks
from shoal.rows import Source

_BLOCK = 1024
_MOST_BLOCKS = 200
_BARS = 48
_WIDTH, _HEIGHT = 240, 64
_LIMIT = 3.0


@dataclass(frozen=True)
class Profiles:
    """Mean of each column in each cluster, in standard deviations from the mean of all."""

    values: NDArray[np.float64]  # (K, columns); NaN for clusters without rows read
    rows: int  # number of rows read


def mean_profiles(source: Source, clusters: NDArray[np.int64], k: int) -> Profiles:
    """Read vectors, or evenly spread blocks of many, and average them by cluster.

    `clusters`: (n,), position 0 .. k − 1 of each row's cluster, negative for rows without one.
    """
    width = source.shape[0]
    sums, squares = np.zeros((k, width)), np.zeros(width)
    counts = np.zeros(k)
    for start, stop in spread_blocks(source.n_rows, _BLOCK, _MOST_BLOCKS):
        at = clusters[start:stop]
        data = source.read(start, stop).data[at >= 0].astype(np.float64)
        np.add.at(sums, at[at >= 0], data)
        squares += (data**2).sum(0)
        counts += np.bincount(at[at >= 0], minlength=k)
    total = max(counts.sum(), 1.0)
    mean = sums.sum(0) / total
    spread = np.sqrt(np.maximum(squares / total - mean**2, 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (sums / counts[:, None] - mean) / np.where(spread > 0, spread, 1)
    return Profiles(values, int(total))


def profile_svg(values: NDArray[np.float64], label: str) -> str:
    """Draw one profile as bars up and down from the mean of all rows.

    `values`: (columns,), more than 48 columns are averaged to 48 bars.
    """
    bars = np.array([part.mean() for part in np.array_split(values, min(_BARS, len(values)))])
    step, middle = _WIDTH / len(bars), _HEIGHT / 2
    scale = (middle - 2) / _LIMIT
    shapes = []
    for at, value in enumerate(np.clip(bars, -_LIMIT, _LIMIT)):
        height = max(abs(value) * scale, 0.5)
        top = middle - height if value > 0 else middle
        low = ' class="down"' if value < 0 else ""
        shapes.append(
            f'<rect x="{at * step:.1f}" y="{top:.1f}" width="{max(step - 1, 0.6):.1f}" '
            f'height="{height:.1f}"{low}/>'
        )
    return (
        f'<svg class="profile" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f'<path d="M0 {middle}H{_WIDTH}"/>{"".join(shapes)}</svg>'
    )
