"""Colours: the mean and covariance of an image's colours, regardless of content and position."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.features.base import Needs
from shoal.features.shapes import check_images, check_shape, gathered, is_plain

_MOST_CHANNELS = 32  # more are averaged with their neighbours: 560 numbers a row
_SWEEPS = 6  # of rotations: a symmetric 3 × 3 matrix is diagonal to rounding after four or five


@dataclass(frozen=True)
class Colours:
    """Mean colour, and the square root of the covariance of the colours, from 0 to 1.

    The distance of two rows approximates the Fréchet distance of the images' colours as normal
    distributions (and equals it if their covariances have the same axes). Grey images have mean and
    standard deviation; images with other numbers of channels have the mean and root of all.

    Stricker, Orengo: Similarity of color images. SPIE 1995 (moments of colours); Dowson, Landau:
    The Fréchet distance between multivariate normal distributions. J. Multivariate Anal. 1982.
    """

    name: ClassVar[str] = "colours"
    whiten: ClassVar[float] = 0.0  # No whitening: distances are those of colours
    needs: ClassVar[Needs] = Needs()

    shape: tuple[int, int, int]  # (H, W, C) of one image, with any number of channels

    def __post_init__(self) -> None:
        check_shape(self.shape)

    @property
    def n_features(self) -> int:
        """Length of one feature row: 9 for colour, 2 for grey."""
        channels = min(self.shape[2], _MOST_CHANNELS)
        return channels + channels * (channels + 1) // 2

    def settings(self) -> dict[str, Any]:
        return {"name": self.name, "version": 1, "shape": list(self.shape)}

    def setup(self) -> None:
        self.encode(np.zeros((1, *self.shape), np.uint8))

    def encode(self, data: NDArray) -> NDArray:
        """Return float32 ``(n, n_features)`` for uint8 ``(n, H, W, C)``.

        A row holds the means of red, green and blue, the diagonal of the covariance's root, and
        its entries red–green, red–blue and green–blue times √2, as they count twice; likewise
        for other channels.
        """
        check_images(data, self.shape)
        if not is_plain(self.shape[2]):
            return _encode_channels(gathered(data, _MOST_CHANNELS))
        pixels = np.ascontiguousarray(data).reshape(len(data), -1, self.shape[2])
        out = np.empty((len(data), self.n_features), np.float32)
        if self.shape[2] == 1:
            _encode_grey(pixels[:, :, 0], out)
        else:
            _encode_colour(pixels, out)
        return out


def _encode_channels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    channels = images.shape[3]
    above = np.triu_indices(channels, 1)
    out = np.empty((len(images), channels + channels * (channels + 1) // 2), np.float32)
    for row, image in enumerate(images):
        pixels = image.reshape(-1, channels).astype(np.float64)
        n, total = len(pixels), pixels.sum(axis=0)
        scatter = n * (pixels.T @ pixels) - np.outer(total, total)
        values, vectors = np.linalg.eigh(scatter)
        root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
        found = (total, np.diag(root), np.sqrt(2.0) * root[above])
        out[row] = np.concatenate(found) / (255.0 * n)
    return out


@njit(cache=True, nogil=True)
def _encode_grey(pixels, out):  # type: ignore[no-untyped-def]
    for i in range(len(pixels)):
        total, square = np.int64(0), np.int64(0)
        for value in pixels[i]:
            total += value
            square += np.int64(value) * value
        n = len(pixels[i])
        out[i, 0] = total / (255.0 * n)
        out[i, 1] = np.sqrt(float(n * square - total * total)) / (255.0 * n)


@njit(cache=True, nogil=True)
def _encode_colour(pixels, out):  # type: ignore[no-untyped-def]
    root_2 = np.sqrt(2.0)
    matrix, vectors = np.empty((3, 3)), np.empty((3, 3))
    for i in range(len(pixels)):
        n = pixels.shape[1]
        r = g = b = rr = gg = bb = rg = rb = gb = np.int64(0)
        for p in range(n):
            x, y, z = (
                np.int64(pixels[i, p, 0]),
                np.int64(pixels[i, p, 1]),
                np.int64(pixels[i, p, 2]),
            )
            r, g, b = r + x, g + y, b + z
            rr, gg, bb = rr + x * x, gg + y * y, bb + z * z
            rg, rb, gb = rg + x * y, rb + x * z, gb + y * z
        matrix[0, 0], matrix[1, 1], matrix[2, 2] = n * rr - r * r, n * gg - g * g, n * bb - b * b
        matrix[0, 1] = matrix[1, 0] = n * rg - r * g
        matrix[0, 2] = matrix[2, 0] = n * rb - r * b
        matrix[1, 2] = matrix[2, 1] = n * gb - g * b
        _diagonalise(matrix, vectors)
        scale = 1.0 / (255.0 * n)
        out[i, 0], out[i, 1], out[i, 2] = r * scale, g * scale, b * scale
        for a in range(3):
            for c in range(a, 3):
                total = 0.0
                for k in range(3):
                    total += vectors[a, k] * np.sqrt(max(matrix[k, k], 0.0)) * vectors[c, k]
                at = 3 + a if a == c else 5 + a + c
                out[i, at] = total * scale * (1.0 if a == c else root_2)


@njit(cache=True, nogil=True)
def _diagonalise(matrix, vectors):  # type: ignore[no-untyped-def]
    """Diagonalise a symmetric 3 × 3 matrix by Jacobi rotations; `vectors` are the axes."""
    vectors[:] = 0.0
    for a in range(3):
        vectors[a, a] = 1.0
    for _ in range(_SWEEPS):
        for a in range(2):
            for b in range(a + 1, 3):
                off = matrix[a, b]
                if off == 0.0:
                    continue
                theta = (matrix[b, b] - matrix[a, a]) / (2.0 * off)
                t = 1.0 / (abs(theta) + np.sqrt(theta * theta + 1.0))
                t = -t if theta < 0.0 else t
                cos = 1.0 / np.sqrt(t * t + 1.0)
                sin = t * cos
                matrix[a, a] -= t * off
                matrix[b, b] += t * off
                matrix[a, b] = matrix[b, a] = 0.0
                c = 3 - a - b
                one, other = matrix[c, a], matrix[c, b]
                matrix[c, a] = matrix[a, c] = cos * one - sin * other
                matrix[c, b] = matrix[b, c] = sin * one + cos * other
                for k in range(3):
                    one, other = vectors[k, a], vectors[k, b]
                    vectors[k, a] = cos * one - sin * other
                    vectors[k, b] = sin * one + cos * other
