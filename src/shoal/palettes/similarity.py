"""How well a palette represents colours and images: PSNR and SSIM."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoal.palettes.histogram import Histogram
from shoal.palettes.indexed import bands
from shoal.palettes.means import nearest
from shoal.palettes.spaces import OKLAB, RGB, Colours, Space

_SIDE = 7  # of SSIM's window, and its two constants, as in scikit-image's structural_similarity
_K1, _K2 = 0.01, 0.03
_ROWS = 64  # of windows at a time: what they take then stays in the cache
# Luma of ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def psnr(space: Space, squared: float, pixels: int) -> float:
    """Return the PSNR of a sum of squared distances: of RGB per channel, of Oklab per pixel.

    >>> psnr(OKLAB, 0.05, 5), psnr(RGB, 0, 5)
    (20.0, inf)
    """
    error = squared / pixels / (3 if space.name == "rgb" else 1)
    return 10 * math.log10(1 / error) if error > 0 else math.inf


@dataclass(frozen=True)
class Measured:
    """A palette on the colours of a histogram."""

    histogram: Histogram
    index: NDArray[np.int64]  # (n,) The palette colour nearest to each colour
    psnr: float  # In sRGB, without dithering
    psnr_oklab: float

    def pixels(self, k: int) -> NDArray[np.int64]:
        """Return the number of pixels nearest to each of k palette colours."""
        return np.bincount(self.index, self.histogram.counts, k).astype(np.int64)


def measure(palette: Colours, histogram: Histogram, space: Space) -> Measured:
    """Replace each colour by the nearest palette colour in a space, and measure the error."""
    colours, counts = histogram.colours, histogram.counts
    index = nearest(space.points(colours), space.points(palette))
    psnrs = []
    for each in (RGB, OKLAB):
        apart = each.points(colours) - each.points(palette)[index]
        squared = float(counts @ (apart.astype(np.float64) ** 2).sum(axis=1))
        psnrs.append(psnr(each, squared, int(counts.sum())))
    return Measured(histogram, index, *psnrs)


def most_frequent_first(palette: Colours, measured: Measured) -> tuple[Colours, Measured]:
    order = np.argsort(-measured.pixels(len(palette)), kind="stable")
    return palette[order], replace(measured, index=np.argsort(order)[measured.index])


def squared_distance(
    pixels: NDArray[np.uint8], index: NDArray[np.uint8], palette: Colours, space: Space
) -> float:
    """Sum squared distances between an image (H, W, 4) and its palette colours."""
    chosen, total = space.points(palette), 0.0
    for band in bands(pixels):
        apart = space.points(pixels[band].reshape(-1, 4)) - chosen[index[band].ravel()]
        total += float(np.einsum("ij,ij->", apart, apart, dtype=np.float64))
    return total


def luma(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the luma of RGBA pixels on white, (H, W)."""
    grey: NDArray[np.float32] = pixels[..., :3].astype(np.float32) @ _LUMA
    if (pixels[..., 3] == 255).all():
        return grey
    opacity = pixels[..., 3].astype(np.float32) / 255
    return (grey * opacity + 255 * (1 - opacity)).astype(np.float32)


def ssim(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the structural similarity of two grey images (H, W), 0 to 255 (Wang et al. 2004).

    Over windows of 7×7, or smaller where the image is, with unbiased variances, as
    scikit-image's ``structural_similarity`` by default.
    """
    side = min(_SIDE, *one.shape)
    if side == 1:  # a line of pixels has no windows: what is left is how alike levels are
        c1 = (_K1 * 255) ** 2
        return float(((2 * one * other + c1) / (one**2 + other**2 + c1)).mean())
    total, windows = 0.0, 0
    for top in range(0, len(one) - side + 1, _ROWS):
        rows = slice(top, top + _ROWS + side - 1)
        values = _window_values(one[rows], other[rows], side)
        total += float(values.sum(dtype=np.float64))
        windows += values.size
    return total / windows


def _window_values(
    one: NDArray[np.float32], other: NDArray[np.float32], side: int
) -> NDArray[np.float32]:
    n = side * side
    a, b = _window_means(one, side), _window_means(other, side)
    # About 128, so that squares keep their digits in float32.
    one, other, x, y = one - 128, other - 128, a - 128, b - 128
    unbiased = np.float32(n / (n - 1))
    va = unbiased * (_window_means(one * one, side) - x * x)
    vb = unbiased * (_window_means(other * other, side) - y * y)
    vab = unbiased * (_window_means(one * other, side) - x * y)
    c1, c2 = np.float32((_K1 * 255) ** 2), np.float32((_K2 * 255) ** 2)
    found = (2 * a * b + c1) * (2 * vab + c2) / ((a * a + b * b + c1) * (va + vb + c2))
    return found.astype(np.float32, copy=False)


def _window_means(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    height, width = image.shape
    across = image[:, : width - side + 1].copy()
    for at in range(1, side):
        across += image[:, at : width - side + 1 + at]
    down = across[: height - side + 1].copy()
    for at in range(1, side):
        down += across[at : height - side + 1 + at]
    down /= np.float32(side * side)
    return down
