"""Small pictures of some rows, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shoal.core.wanted import Wanted
from shoal.errors import InputError, SourceError
from shoal.sources.base import ImageSource, Source
from shoal.sources.pixels import shaped


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
        pictures[at] = square(image, side, keep, channels)
    return pictures


def square(
    image: NDArray[np.uint8], side: int, keep: Literal["centre", "all"], channels: int | None = None
) -> NDArray[np.uint8]:
    """Make an image square by cutting or by padding with white."""
    way = Wanted((side, side), channels=channels, fit="crop" if keep == "centre" else "pad")
    return shaped(image, way)
