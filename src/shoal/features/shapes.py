"""Checks of the images that encoders are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError


def check_shape(shape: tuple[int, ...]) -> None:
    """Refuse a shape that is not ``(H, W, 1)`` or ``(H, W, 3)`` with sides of at least 1.

    Raises
    ------
    InputError
        For any other shape.
    """
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1:
        raise InputError(f"images of shape {shape}: (H, W, 1) or (H, W, 3) is needed")


def check_images(data: NDArray, shape: tuple[int, int, int]) -> None:
    """Refuse images that are not uint8 ``(n, *shape)``.

    Raises
    ------
    InputError
        For any others.
    """
    if data.dtype != np.uint8 or data.shape[1:] != shape:
        raise InputError(
            f"images of type {data.dtype} and shape {data.shape[1:]}: uint8 {shape} is needed"
        )
