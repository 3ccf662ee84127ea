"""Checks of the images that encoders are given, and channels that are taken together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError


def check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"images of shape {shape}: (H, W, C) is needed, each at least 1")


def check_images(data: NDArray, shape: tuple[int, int, int]) -> None:
    if data.dtype != np.uint8 or data.shape[1:] != shape:
        raise InputError(
            f"images of type {data.dtype} and shape {data.shape[1:]}: uint8 {shape} is needed"
        )


def is_plain(channels: int) -> bool:
    """Return whether so many channels are grey (1) or red, green and blue (3)."""
    return channels in (1, 3)


def gathered(images: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """Return images ``(n, H, W, C)`` of at most `most` channels: neighbours are averaged.

    Neighbouring channels of images that have dozens are alike: they are ordered by wavelength.

    >>> gathered(np.array([[[[0, 10, 20, 40]]]], np.uint8), 2).tolist()
    [[[[5, 30]]]]
    """
    channels = images.shape[-1]
    if channels <= most:
        return images
    first = np.arange(most) * channels // most
    parts = np.diff(first, append=channels)
    total = np.add.reduceat(images, first, axis=-1, dtype=np.uint32)
    return ((total + parts // 2) // parts).astype(np.uint8)
