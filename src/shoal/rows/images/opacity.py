"""Transparency: the background for transparent pixels, and whether a channel is opacity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

WHITE, GREY, BLACK = 255, 128, 0
_EXTREME = 0.5
"""Share of values that are 0 or 255 from which a last channel is taken for opacity: most
pixels of pictures with opacity are either visible or not, but few of a fourth band are extreme."""

_FAINT = 16  # levels of 256 between visible colours and the background: below, nothing is seen
_FEW = 0.05  # share of sampled images that may vanish before another background is chosen


def is_opacity(values: NDArray[np.uint8]) -> bool:
    """Return whether a channel, as bytes, is probably opacity rather than another band."""
    if values.size == 0 or values.min() == values.max():
        return True
    return bool(np.isin(values, (0, 255)).mean() >= _EXTREME)


def choose_background(images: Iterable[NDArray[np.uint8]]) -> int:
    """Choose one background grey for all transparent images of a collection.

    White, unless more than a few would vanish on it (white drawings on nothing). Then black, or
    a medium grey if others would vanish on black.
    """
    count, on_white, on_black = 0, 0, 0
    for image in images:
        opacity = image[..., -1].astype(np.float64)
        if opacity.min() == opacity.max():
            continue
        light = image[..., :-1].mean(axis=-1)
        seen = float((opacity * light).sum() / opacity.sum())
        count += 1
        on_white += seen > WHITE - _FAINT
        on_black += seen < BLACK + _FAINT
    if on_white <= _FEW * count:
        return WHITE
    return BLACK if on_black <= _FEW * count else GREY


def remove_opacity(images: NDArray[np.uint8], ground: int = WHITE) -> NDArray[np.uint8]:
    """Blend images ``(n, H, W, S)``, opacity last, with a background: ``(n, H, W, S - 1)``.

    An opacity that is the same everywhere is dropped, and the colours stay as they
    are. But if nothing is visible and the colours are uniform, the result is the background.
    """
    laid = blend(images, ground)
    if not images.size:
        return laid
    opacity = images[..., -1].reshape(len(images), -1)
    even = np.ptp(opacity, axis=1) == 0
    for row in np.flatnonzero(even).tolist():
        colours = images[row, ..., :-1]
        if opacity[row, 0] or np.ptp(colours.reshape(-1, colours.shape[-1]), axis=0).any():
            laid[row] = colours
    return laid


def blend(pixels: NDArray[np.uint8], ground: int = WHITE) -> NDArray[np.uint8]:
    opacity = pixels[..., -1:].astype(np.uint16)
    laid = pixels[..., :-1] * opacity
    laid += ground * (255 - opacity) + 128
    return ((laid + (laid >> 8)) >> 8).astype(np.uint8)  # division by 255, rounded
