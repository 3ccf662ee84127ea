"""What images show, as far as the choice of an encoder goes: photos, or drawings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # loads each of its modules when it is used
from numpy.typing import NDArray

LOOKED, LOOKED_SIDE = 64, 128
"""How many images are looked at, and scaled down to how many pixels along the longer side."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_BLANK = 8  # grey levels from darkest to brightest: below, there is nothing to judge
# In 3×3 pixels JPEG leaves some 3% of the range from darkest to brightest, or 6 levels, around
# marks; a stroke changes more than 15% of the range, however thin it is when scaled down.
_FAULTS, _FAULT_LEVELS, _HARD = 0.03, 6, 0.15
_EMPTY = 0.5  # of all pixels
_SOFT = 1 / 3  # of those that change
_LEVELS = 64


def is_drawing(image: NDArray[np.uint8]) -> bool | None:
    """Return whether an image is a drawing: hard, sparse marks on an even background.

    At least half of the pixels have nearly one level, and most changes are hard edges. In a photo
    shades change softly, even in front of an empty background. None for a blank image.

    `image`: (H, W, 1 or 3), of some 128 pixels along the longer side.
    """
    light = image[..., 0].astype(np.float32) if image.shape[2] == 1 else image @ _LUMINANCE
    contrast = float(light.max() - light.min())
    if contrast < _BLANK:
        return None
    counts, _ = np.histogram(light, _LEVELS, (0, 256))
    empty = np.convolve(counts, np.ones(3), "same").max() / light.size
    change = scipy.ndimage.maximum_filter(light, 3) - scipy.ndimage.minimum_filter(light, 3)
    changing = change > max(_FAULT_LEVELS, _FAULTS * contrast)
    soft = changing & (change < _HARD * contrast)
    return bool(empty >= _EMPTY and soft.sum() < _SOFT * changing.sum())


def count_drawings(images: Sequence[NDArray[np.uint8]]) -> tuple[int, int]:
    seen = [found for found in map(is_drawing, images) if found is not None]
    return sum(seen), len(seen)
