"""Colour spaces: Oklab, whose distances are perceptual, and RGB, whose distances give PSNR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
"""Coordinates of colours in a space, (n, 4)."""

Colours = NDArray[np.uint8]
"""RGBA bytes, (n, 4)."""

Weights = NDArray[np.float64]
"""How much each of n points counts, above 0."""

# Oklab (Ottosson 2020, https://bottosson.github.io/posts/oklab): linear sRGB to cones to Lab.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_linear(values: NDArray) -> NDArray:
    """Return the linear light of sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


_LINEAR = to_linear(np.arange(256) / 255).astype(np.float32)


def linear_to_oklab(linear: NDArray) -> NDArray:
    """Return the Oklab of linear light, (n, 3), in its precision."""
    return np.cbrt(linear @ _CONES.T.astype(linear.dtype)) @ _LAB.T.astype(linear.dtype)


def _from_oklab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    cones = np.linalg.solve(_LAB, lab.T) ** 3
    linear = np.clip(np.linalg.solve(_CONES, cones), 0, 1).T
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@dataclass(frozen=True)
class Space:
    """A colour space in which a palette is chosen.

    A translucent colour is placed as seen on mid-grey, with its opacity as a fourth coordinate,
    scaled so that a squared distance is the mean of those on black and on white.
    """

    name: str  # ``rgb`` or ``oklab``
    white: tuple[float, float, float]  # The coordinates of white
    _encode: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    _decode: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    @property
    def opacity_scale(self) -> float:
        """Length of the fourth coordinate: half of white's distance from black."""
        return float(np.linalg.norm(self.white)) / 2

    def points(self, colours: Colours) -> Points:
        found = np.zeros((len(colours), 4), np.float32)
        found[:, :3] = self._encode(colours[:, :3])
        opacity = colours[:, 3:].astype(np.float32) / np.float32(255)
        if (opacity != 1).any():
            grey = np.array(self.white, np.float32) / 2
            found[:, :3] = found[:, :3] * opacity + grey * (1 - opacity)
        found[:, 3:] = opacity * np.float32(self.opacity_scale)
        return found

    def colours(self, points: NDArray) -> Colours:
        """Return the colours nearest to points; transparent ones are 0."""
        points = points.astype(np.float64)
        opacity = np.clip(points[:, 3:] / self.opacity_scale, 0, 1)
        grey = np.array(self.white) / 2
        plain = (points[:, :3] - grey * (1 - opacity)) / np.maximum(opacity, 1e-6)
        values = np.hstack([np.clip(self._decode(plain), 0, 1), opacity])
        found = np.rint(values * 255).astype(np.uint8)
        found[found[:, 3] == 0] = 0
        return found


RGB = Space(
    "rgb", (1.0, 1.0, 1.0), lambda rgb: rgb.astype(np.float32) / np.float32(255), lambda rgb: rgb
)
OKLAB = Space("oklab", (1.0, 0.0, 0.0), lambda rgb: linear_to_oklab(_LINEAR[rgb]), _from_oklab)
SPACES = {"rgb": RGB, "oklab": OKLAB}
