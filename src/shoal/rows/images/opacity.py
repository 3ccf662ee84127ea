"""Pixels that are transparent in part: what they are laid on, and whether they are at all."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

WHITE, GREY, BLACK = 255, 128, 0
_EXTREME = 0.5
"""Share of values that are 0 or the most, from which a last channel is taken for opacity: most
pixels of pictures with opacity are either to be seen or not, but few of those of a fourth band."""

_FAINT = 16  # levels of 256 between the colours to be seen and the ground: below, nothing is seen
_FEW = 0.05  # of the images looked at may vanish before another ground is chosen for all


def is_opacity(values: NDArray[np.uint8]) -> bool:
    """Return whether a channel, as bytes, looks like opacity rather than like one more band."""
    if values.size == 0 or values.min() == values.max():
        return True
    return bool(np.isin(values, (0, 255)).mean() >= _EXTREME)


def choose_ground(images: Iterable[NDArray[np.uint8]]) -> int:
    """Choose the grey that transparent images of a collection are laid on, the same for all.

    White, unless more than a few would vanish on it: white drawings on nothing. Then black, or
    a grey between where others would vanish on black.
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


def lay(images: NDArray[np.uint8], ground: int = WHITE) -> NDArray[np.uint8]:
    """Lay images ``(n, H, W, S)``, opacity last, on a grey: ``(n, H, W, S - 1)``.

    An opacity that is the same everywhere tells nothing, and is dropped: the colours are as they
    are. But where nothing is to be seen, and no colours are hidden, it is the ground.
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
