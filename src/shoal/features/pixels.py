"""Pixels: the plain values of an image, large images averaged down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.features.base import Needs
from shoal.features.shapes import check_images, check_shape, gathered, is_plain

_LONGEST = 32
_MOST = 3 * _LONGEST**2  # values a row, where there are more than three channels
_MOST_CHANNELS = _MOST // 4**2  # more are averaged with their neighbours


@dataclass(frozen=True)
class Pixels:
    """The image's values between 0 and 1, row after row.

    Sides over 32 pixels are averaged in equal blocks down to 32 or fewer, so that a row never
    has more than 3,072 values; images of more than three channels to fewer blocks.
    """

    name: ClassVar[str] = "pixels"
    whiten: ClassVar[float] = 0.25  # Half-whitened: neighbouring pixels say much the same

    shape: tuple[int, int, int]  # (H, W, C) of one image, with any number of channels
    longest: int = _LONGEST  # Pixels of a side that are kept, of grey and RGB

    def __post_init__(self) -> None:
        check_shape(self.shape)

    @property
    def grid(self) -> tuple[int, int]:
        height, width, _ = self.shape
        many = min(_LONGEST, int((_MOST / self._channels) ** 0.5))
        longest = self.longest if is_plain(self.shape[2]) else many
        return min(height, longest), min(width, longest)

    @property
    def _channels(self) -> int:
        return min(self.shape[2], _MOST_CHANNELS)

    @property
    def n_features(self) -> int:
        down, across = self.grid
        return down * across * self._channels

    @property
    def needs(self) -> Needs:
        """Any pixels will do, unless more of them stay than usual."""
        return Needs() if self.longest == _LONGEST else Needs(ImageRequest(self.shape[:2]))

    def settings(self) -> dict[str, Any]:
        longest = {} if self.longest == _LONGEST else {"longest": self.longest}
        return {"name": self.name, "version": 1, "shape": list(self.shape), **longest}

    def setup(self) -> None: ...  # nothing to load

    def encode(self, data: NDArray) -> NDArray:
        check_images(data, self.shape)
        values = gathered(data, self._channels).astype(np.float32)
        for axis, cells in zip((1, 2), self.grid, strict=True):
            side = values.shape[axis]
            if side > cells:
                first = np.arange(cells) * side // cells
                parts = np.diff(first, append=side).astype(np.float32)
                values = np.add.reduceat(values, first, axis=axis)
                values /= parts.reshape([-1 if a == axis else 1 for a in range(4)])
        values /= np.float32(255)
        return values.reshape(len(data), self.n_features)
