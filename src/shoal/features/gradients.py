"""Gradients: histograms of edge directions over a grid of cells, and the colour of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.errors import InputError

_ROOT2 = np.float32(2.0**0.5)
_FLOOR = np.float32(0.01)
_BLOCKS = 4


def cell_for(side: int, cell: int = 4) -> int:
    """Give the side of a cell in pixels for an image whose shorter side is `side`."""
    if side < 4 * cell:
        return max(1, side // 4)
    return max(cell, -(-side // 8))


@dataclass(frozen=True)
class Gradients:
    """Histograms of edge directions (signed, 8 bins), square-rooted, and block colours.

    Parameters
    ----------
    shape : tuple of int
        ``(H, W, C)`` of one image in pixels, C of 1 (grey) or 3 (RGB).
    cell : int, default 4
        Side of a cell in pixels; images under 16 pixels get smaller cells, so that there
        are four a side, and images over 32 pixels larger ones, so that there are eight.
    bins : int, default 8
        Directions; only 8 is offered.
    """

    shape: tuple[int, int, int]
    cell: int = 4
    bins: int = 8

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or self.shape[2] not in (1, 3) or min(self.shape) < 1:
            raise InputError(f"images of shape {self.shape}: (H, W, 1) or (H, W, 3) is needed")

    @property
    def name(self) -> str:
        """Give ``gradients``."""
        return "gradients"

    @property
    def whiten(self) -> float:
        """Half-whitened, which beat both plain components and whitened ones."""
        return 0.25

    @property
    def grid(self) -> tuple[int, int]:
        """Cells down and across."""
        side = cell_for(min(self.shape[:2]), self.cell)
        return max(1, round(self.shape[0] / side)), max(1, round(self.shape[1] / side))

    @property
    def n_features(self) -> int:
        """Length of one feature row."""
        down, across = self.grid
        return down * across * self.bins + (3 * _BLOCKS * _BLOCKS if self.shape[2] == 3 else 0)

    def settings(self) -> dict[str, Any]:
        """Give the settings and a version: a change of them redoes the features."""
        return {
            "name": self.name,
            "version": 1,
            "shape": list(self.shape),
            "cell": self.cell,
            "bins": self.bins,
        }

    def setup(self) -> None:
        """Compile, or load the compiled kernel."""
        self.encode(np.zeros((1, *self.shape), np.uint8))

    def encode(self, data: NDArray) -> NDArray:
        """Give float32 ``(n, n_features)`` for uint8 ``(n, H, W, C)``.

        Raises
        ------
        InputError
            When the images are not uint8 or not of the shape that was said.
        """
        if data.dtype != np.uint8 or data.shape[1:] != self.shape:
            raise InputError(
                f"images of {data.dtype} {data.shape[1:]}: uint8 {self.shape} is needed"
            )
        down, across = self.grid
        out = np.empty((len(data), self.n_features), np.float32)
        _encode(
            np.ascontiguousarray(data),
            _tents(self.shape[0], down),
            _tents(self.shape[1], across),
            _boxes(self.shape[0]),
            _boxes(self.shape[1]),
            out,
        )
        return out


def _tents(n: int, cells: int) -> NDArray:
    """Share each of `n` pixels between its two nearest cells: (n, cells)."""
    share = np.zeros((n, cells), np.float32)
    place = (np.arange(n) + 0.5) * cells / n - 0.5
    low = np.floor(place).astype(int)
    for i in range(n):
        part = place[i] - low[i]
        share[i, min(max(low[i], 0), cells - 1)] += 1 - part
        share[i, min(max(low[i] + 1, 0), cells - 1)] += part
    return share


def _boxes(n: int) -> NDArray:
    """First pixel of each block and the end: (blocks + 1,)."""
    return np.arange(_BLOCKS + 1) * n // _BLOCKS


@njit(cache=True, nogil=True)
def _encode(images, down, across, rows, columns, out):  # type: ignore[no-untyped-def]
    n, height, width, channels = images.shape
    bins = 8
    light = np.empty((height + 2, width + 2), np.float32)
    strips = np.empty((down.shape[1], bins, width), np.float32)
    edges = down.shape[1] * across.shape[1] * bins
    scale = np.float32(1 / 255)
    for i in range(n):
        for y in range(height):
            for x in range(width):
                if channels == 3:
                    r, g, b = images[i, y, x, 0], images[i, y, x, 1], images[i, y, x, 2]
                    v = np.float32(0.299) * r + np.float32(0.587) * g + np.float32(0.114) * b
                else:
                    v = np.float32(images[i, y, x, 0])
                light[y + 1, x + 1] = v * scale
        light[0, :] = light[1, :]
        light[height + 1, :] = light[height, :]
        light[:, 0] = light[:, 1]
        light[:, width + 1] = light[:, width]
        strips[:] = 0
        for y in range(height):
            for x in range(width):
                gx = (light[y + 1, x + 2] - light[y + 1, x]) * np.float32(0.5)
                gy = (light[y + 2, x + 1] - light[y, x + 1]) * np.float32(0.5)
                zero = np.float32(0)
                for c in range(down.shape[1]):
                    w = down[y, c]
                    if w > 0:
                        strips[c, 0, x] += w * max(gx - abs(gy), zero)
                        strips[c, 1, x] += w * _ROOT2 * min(max(gx, zero), max(gy, zero))
                        strips[c, 2, x] += w * max(gy - abs(gx), zero)
                        strips[c, 3, x] += w * _ROOT2 * min(max(-gx, zero), max(gy, zero))
                        strips[c, 4, x] += w * max(-gx - abs(gy), zero)
                        strips[c, 5, x] += w * _ROOT2 * min(max(-gx, zero), max(-gy, zero))
                        strips[c, 6, x] += w * max(-gy - abs(gx), zero)
                        strips[c, 7, x] += w * _ROOT2 * min(max(gx, zero), max(-gy, zero))
        total = np.float32(0)
        for c in range(down.shape[1]):
            for k in range(across.shape[1]):
                for b in range(bins):
                    s = np.float32(0)
                    for x in range(width):
                        s += strips[c, b, x] * across[x, k]
                    out[i, (c * across.shape[1] + k) * bins + b] = s
                    total += s
        for j in range(edges):
            out[i, j] = np.sqrt(out[i, j] / (total + _FLOOR))
        if channels == 3:
            _colours(images[i], rows, columns, out[i, edges:])


@njit(cache=True, nogil=True)
def _colours(image, rows, columns, out):  # type: ignore[no-untyped-def]
    for r in range(4):
        for c in range(4):
            for k in range(3):
                s = 0
                for y in range(rows[r], rows[r + 1]):
                    for x in range(columns[c], columns[c + 1]):
                        s += image[y, x, k]
                area = max(1, (rows[r + 1] - rows[r]) * (columns[c + 1] - columns[c]))
                out[(r * 4 + c) * 3 + k] = np.float32(2) * np.float32(s) / np.float32(255 * area)
