"""The confusion picture: which true classes lie in which clusters."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shoal.storage import write_bytes

_PAPER, _INK, _MUTED, _LINE = (255, 255, 255), (29, 35, 41), (110, 120, 128), (222, 226, 230)
_PALE, _DEEP = np.array([239, 245, 246]), np.array([18, 92, 105])
_MOST_CELLS = 400
_LONGEST_NAME = 24


def confusion_table(
    truth: NDArray[np.int64], labels: NDArray, n_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count rows by true class and cluster, clusters in the order that shows agreement.

    `truth`: (n,), classes 0 .. `n_classes` − 1; negative where not known.
    `labels`: (n,), clusters; negative where there is none.

    Returns
    -------
    clusters : ndarray, shape (K,)
        The cluster of each column: first the best match of each class, then the others by
        the class that most of their rows have.
    """
    from scipy.optimize import linear_sum_assignment

    known = (truth >= 0) & (labels >= 0)
    clusters, column = np.unique(labels[known], return_inverse=True)
    counts = np.zeros((n_classes, len(clusters)), np.int64)
    np.add.at(counts, (truth[known], column), 1)
    rows, columns = linear_sum_assignment(-counts)
    matched = columns[np.argsort(rows)]
    others = np.setdiff1d(np.arange(len(clusters)), matched)
    others = others[np.argsort(counts[:, others].argmax(0), kind="stable")]
    order = np.concatenate([matched, others]).astype(np.int64)
    return counts[:, order], clusters[order]


def confusion_picture(
    path: Path, truth: NDArray[np.int64], labels: NDArray, names: Sequence[str]
) -> None:
    """Draw true classes against clusters as a PNG file.

    `truth`, `labels`: (n,), see `confusion_table`.
    """
    counts, clusters = confusion_table(truth, labels, len(names))
    counts, clusters = counts[:_MOST_CELLS, :_MOST_CELLS], clusters[:_MOST_CELLS]
    buffer = io.BytesIO()
    _draw(counts, [str(c) for c in clusters], [n[:_LONGEST_NAME] for n in names]).save(
        buffer, "PNG", optimize=True
    )
    write_bytes(path, buffer.getvalue())


def _draw(counts: NDArray[np.int64], columns: list[str], rows: list[str]) -> Image.Image:
    cell = max(4, min(44, 1400 // max(1, *counts.shape)))
    font = ImageFont.load_default(max(9, min(13, cell - 6)))
    title = ImageFont.load_default(15)
    named = cell >= 12
    left = 30 + (max((int(font.getlength(name)) for name in rows), default=0) if named else 10)
    top = 74 if named else 50
    size = (max(left + cell * counts.shape[1] + 24, 320), top + cell * counts.shape[0] + 24)
    image = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(image)
    title_text = f"{counts.sum():,} rows: true classes (down) in clusters (across)"
    draw.text((16, 14), title_text, _INK, title)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    for (i, j), part in np.ndenumerate(share):
        box = (left + j * cell, top + i * cell, left + (j + 1) * cell - 2, top + (i + 1) * cell - 2)
        draw.rectangle(box, fill=_shade(float(part)) if counts[i, j] else _PAPER, outline=_LINE)
        text = f"{counts[i, j]:,}"
        if counts[i, j] and font.getlength(text) <= cell - 4 and named:
            middle = (box[0] + cell / 2 - 1, box[1] + cell / 2 - 1)
            draw.text(middle, text, _PAPER if part > 0.45 else _INK, font, anchor="mm")
    if named:
        for i, name in enumerate(rows[: len(counts)]):
            draw.text((left - 8, top + (i + 0.5) * cell - 1), name, _MUTED, font, anchor="rm")
        for j, name in enumerate(columns):
            draw.text((left + (j + 0.5) * cell - 1, top - 8), name, _MUTED, font, anchor="ms")
    return image


def _shade(part: float) -> tuple[int, int, int]:
    red, green, blue = (_PALE + (_DEEP - _PALE) * part**0.7).astype(int)
    return int(red), int(green), int(blue)
