"""Some of the images of a source, to see what they show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.base import ImageSource, Source


def some_images(source: Source, count: int, max_side: int) -> list[NDArray[np.uint8]]:
    """Return up to `count` images from all over a source, the same ones each time.

    Parameters
    ----------
    source : Source
        One of images, else nothing is given.
    count : int
        How many are looked at; those that cannot be read are left out.
    max_side : int
        They are scaled down to this many pixels along the longer side.

    Returns
    -------
    list of uint8 arrays (H, W, C)
    """
    if source.kind != "images" or not isinstance(source, ImageSource):
        return []
    found = []
    for row in source.some(count).tolist():
        try:
            found.append(source.read_original(row, max_side))
        except SourceError:
            continue
    return found
