"""Altered copies of images that show the same thing: turned, sheared, scaled and shifted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# What a hand or a camera does, as in `learned.augmentation`; none is mirrored, as digits are not.
_TURN, _SHEAR, _SHIFT, _SCALE = 0.26, 0.2, 0.12, 0.2


def altered(images: NDArray[np.uint8], seed: list[int]) -> NDArray[np.uint8]:
    """Return an altered copy of each image, (n, H, W, C); what comes into sight repeats the edge.

    `images`: (n, H, W, C), uint8.
    """
    n, height, width, channels = images.shape
    generator = np.random.default_rng(seed)
    angle = generator.uniform(-_TURN, _TURN, n)
    shear = generator.uniform(-_SHEAR, _SHEAR, n)
    scale = generator.uniform(1 - _SCALE, 1 + _SCALE, n)
    shift = generator.uniform(-_SHIFT, _SHIFT, (n, 2)) * (width, height)
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = [[cosine, shear * cosine - sine], [sine, shear * sine + cosine]]
    matrices = (np.array(rows) * scale).transpose(2, 0, 1)
    margin = max(height, width) // 4
    middle = np.array([width - 1, height - 1]) / 2
    offsets = middle - matrices @ middle + shift + margin
    around = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    found = np.empty_like(images)
    for i, (image, matrix, offset) in enumerate(
        zip(np.pad(images, around, "edge"), matrices, offsets, strict=True)
    ):
        data = (*matrix[0], offset[0], *matrix[1], offset[1])
        for channel in range(channels):
            one = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            moved = one.transform(
                (width, height), Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
            )
            found[i, ..., channel] = np.asarray(moved)
    return found
