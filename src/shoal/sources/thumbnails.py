"""Small pictures of some rows, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.sources.base import Source
from shoal.sources.pixels import fit, resize, to_channels


@runtime_checkable
class ImageSource(Source, Protocol):
    """A source whose rows can be had in their own size."""

    def read_original(self, row: int, max_side: int | None = None) -> NDArray[np.uint8]:
        """Give one image ``(H, W, C)`` in its own size, or scaled down to `max_side`."""


def thumbnails(
    source: Source,
    rows: Sequence[int] | NDArray[Any],
    side: int = 96,
    *,
    keep: Literal["centre", "all"] = "centre",
) -> NDArray[np.uint8]:
    """Give small square pictures of some rows, in the order given.

    Parameters
    ----------
    source : Source
        One of images.
    rows : sequence of int, shape (n,)
        Which; in any order, repeated or not.
    side : int
        Height and width in pixels.
    keep : {"centre", "all"}
        Cut to the square in the middle, or pad with white to show all.

    Returns
    -------
    uint8 array, shape (n, side, side, C)
        C as the source has it. A row that cannot be read is mid-grey.

    Raises
    ------
    InputError
        When the source is one of vectors.
    """
    if source.kind != "images" or not isinstance(source, ImageSource):
        raise InputError(f"rows of {source.description} have no pictures")
    channels = source.shape[2]
    pictures = np.full((len(rows), side, side, channels), 128, np.uint8)
    for at, row in enumerate(rows):
        try:
            image = source.read_original(int(row), side if keep == "all" else 4 * side)
        except SourceError:
            continue
        pictures[at] = square(to_channels(image, channels), side, keep)
    return pictures


def square(
    image: NDArray[np.uint8], side: int, keep: Literal["centre", "all"]
) -> NDArray[np.uint8]:
    """Make an image square by cutting or by padding with white."""
    if keep == "centre":
        return fit(image, (side, side))
    height, width = image.shape[:2]
    scale = side / max(height, width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    padded = np.full((side, side, image.shape[2]), 255, np.uint8)
    top, left = (side - inner[0]) // 2, (side - inner[1]) // 2
    padded[top : top + inner[0], left : left + inner[1]] = resize(image, inner)
    return padded
