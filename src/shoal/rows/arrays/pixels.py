"""Conversion of stored numbers to opaque uint8 pixels ``(H, W, C)`` or float32 vectors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.core.image_request import ImageRequest, Sampling
from shoal.errors import InputError, SourceError

DEEP_ENDS = tuple(float(2**bits - 1) for bits in (10, 12, 14, 16))
"""White in images of more than 8 bits."""

LARGEST_NATIVE = 64
WHITE, GREY, BLACK = 255, 128, 0
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
_MOST_FOR_0_TO_255 = 64
_LEVELLED = 1 << 18  # numbers at a time, which fit a core's cache


@dataclass(frozen=True)
class PixelRule:
    channels_first: bool  # rows are ``(C, H, W)``
    low: float  # the stored values that become 0 and 255
    high: float
    native: tuple[int, int, int]  # ``(H, W, C)`` before scaling, opacity not counted
    shape: tuple[int, int, int]  # ``(H, W, C)`` as read
    # how images are scaled and cropped to `shape`; None for a central crop
    request: ImageRequest | None = None
    opacity: bool = False  # whether the last channel stored is opacity
    ground: int = WHITE  # background grey of transparent images

    def like(self, facts: Mapping[str, Any]) -> PixelRule:
        """Return the rule that reads these rows like those of another rule with such `facts`."""
        more = self.opacity - bool(facts.get("opacity", self.opacity))
        return dataclasses.replace(
            self,
            native=(*self.native[:2], self.native[2] + more),
            shape=(*self.shape[:2], self.shape[2] + more),
            **facts,
        )

    @property
    def facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("low", "high", "opacity", "ground")}

    def with_request(self, request: ImageRequest) -> PixelRule:
        size, channels = request.size or self.shape[:2], request.channels or self.shape[2]
        full = dataclasses.replace(request, size=size, channels=channels)
        return dataclasses.replace(self, shape=(*size, channels), request=full)

    @property
    def scaled(self) -> bool:
        return self.native != self.shape

    def apply(self, rows: NDArray, *, native: bool = False) -> NDArray[np.uint8]:
        """Return rows as contiguous uint8 ``(n, H, W, C)`` of the rule's size, or their own."""
        pixels = to_bytes(rows, self.low, self.high)
        if pixels.ndim == 3:
            pixels = pixels[..., None]
        elif self.channels_first:
            pixels = np.moveaxis(pixels, 1, -1)
        if self.opacity:
            pixels = remove_opacity(pixels, self.ground)
        request = self.request or ImageRequest(self.shape[:2])
        if not native and (self.request or pixels.shape[1:] != self.shape):
            fitted = np.empty((len(pixels), *self.shape), np.uint8)
            for row, image in enumerate(pixels):
                fitted[row] = shaped(image, request)
            pixels = fitted
        return np.ascontiguousarray(pixels)


def plan_pixels(
    row_shape: tuple[int, ...], sample: NDArray, image_size: tuple[int, int] | None
) -> PixelRule:
    first = _channels_first(row_shape)
    height, width, stored = _as_hwc(row_shape, first)
    low, high = value_range(sample)
    opacity, ground = False, WHITE
    if stored in (2, 4) and not first:
        looked = to_bytes(sample, low, high)
        opacity = is_opacity(looked[..., -1])
        ground = choose_background(looked) if opacity else WHITE
    channels = stored - opacity
    size = image_size or (height, width)
    if image_size is None and max(height, width) > LARGEST_NATIVE:
        size = (LARGEST_NATIVE, LARGEST_NATIVE)
    shapes = (height, width, channels), (*size, channels)
    return PixelRule(first, low, high, *shapes, None, opacity, ground)


def _channels_first(row_shape: tuple[int, ...]) -> bool:
    """Distinguish ``(C, H, W)`` from ``(H, W, C)``.

    Channels come first if C is 1 or 3 and W is more than 4, or if the other two axes are equal.
    """
    if len(row_shape) != 3 or row_shape[2] <= 4:
        return False
    first, middle, last = row_shape
    if first in (1, 3):
        return True
    if (first == middle) != (middle == last):
        return middle == last
    if first == last:
        raise InputError(
            f"rows of shape {show(row_shape)} can be images with {last} channels first or last: "
            "give --shape H,W for slices of their own, or --as vectors to take each as one vector"
        )
    return first < last


def _as_hwc(row_shape: tuple[int, ...], first: bool) -> tuple[int, int, int]:
    if len(row_shape) not in (2, 3) or min(row_shape) < 1:
        raise InputError(f"rows of shape {show(row_shape)} are not images: images are H×W or H×W×C")
    if len(row_shape) == 2:
        return row_shape[0], row_shape[1], 1
    c, h, w = row_shape if first else (row_shape[2], row_shape[0], row_shape[1])
    return h, w, c


def value_range(sample: NDArray) -> tuple[float, float]:
    """Return the stored values of black and white, judged by a sample.

    Bytes stay as they are unless all are 0 and 1; 0..1 and 0..255 are recognised in any
    type, unsigned 16-bit numbers by the bits that they use, and anything else is stretched
    from its least to its largest value.
    """
    if sample.dtype == bool:
        return 0.0, 1.0
    finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample.ravel()
    if finite.size == 0:
        return 0.0, 255.0
    least, most = float(finite.min()), float(finite.max())
    if least == most < 0:  # a single value is black
        return least, least + max(1.0, -least)
    if sample.dtype == np.uint8:
        return 0.0, 1.0 if most == 1 else 255.0
    if least < 0:
        return (-1.0, 1.0) if least >= -1 and most <= 1 else (least, most)
    if 0 < most <= 1:
        return 0.0, 1.0
    if most <= 255:
        return 0.0, most if 0 < most < _MOST_FOR_0_TO_255 else 255.0
    if sample.dtype.kind in "ui" and most < 1 << 16:
        return 0.0, next(end for end in DEEP_ENDS if most <= end)
    return least, most if most > least else 2 * most


def to_bytes(rows: NDArray, low: float, high: float) -> NDArray[np.uint8]:
    """Scale ``low..high`` to 0..255, rounded and clipped; NaN and infinity become 0."""
    if rows.dtype == np.uint8 and (low, high) == (0.0, 255.0):
        return rows
    flat, found = rows.reshape(-1), np.empty(rows.size, np.uint8)
    for start in range(0, rows.size, _LEVELLED):  # some at a time, to use little memory
        piece = slice(start, start + _LEVELLED)
        found[piece] = _scaled(flat[piece], low, high)
    return found.reshape(rows.shape)


def _scaled(rows: NDArray, low: float, high: float) -> NDArray[np.float32 | np.float64]:
    wide = np.float64 if rows.dtype.itemsize > 4 else np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        values: NDArray[Any] = rows.astype(wide)
        values -= wide(low)
        values *= wide(255.0 / (high - low))
        np.rint(values, out=values)
        if rows.dtype.kind == "f":
            np.nan_to_num(values, copy=False, nan=0.0)
        return values.clip(0, 255, out=values)


def to_channels(image: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Return an image ``(H, W, C)`` as grey (its luminance) or as colour.

    Other channels are distributed over red, green and blue in turn, so that all are visible.

    >>> to_channels(np.array([[[10, 20, 30, 50, 60]]], np.uint8), 3).tolist()
    [[[30, 40, 30]]]
    """
    stored = image.shape[-1]
    if stored == channels:
        return image
    if channels not in (1, 3):
        raise SourceError(f"the image has {stored} channels, not {channels}")
    if stored == 1:
        return np.repeat(image, 3, axis=-1)
    if stored == 3:
        return np.rint(image @ LUMINANCE).astype(np.uint8)[..., None]
    dealt = [image[..., at::channels] for at in range(channels)]
    means = [part.mean(axis=-1) if part.shape[-1] else np.zeros(image.shape[:2]) for part in dealt]
    return np.rint(np.stack(means, axis=-1)).astype(np.uint8)


Extent = tuple[float, float]


def shaped(
    image: NDArray[np.uint8], request: ImageRequest, extent: Extent | None = None
) -> NDArray[np.uint8]:
    """Return an image ``(H, W, C)`` with the requested channels and size, contiguous.

    `extent` is its height and width if the last row and column are only partly filled.
    """
    if request.channels:
        image = to_channels(image, request.channels)
    extent = extent or (float(image.shape[0]), float(image.shape[1]))
    if request.size is None:
        return np.ascontiguousarray(limit(image, request.max_side, extent))
    ways = {"crop": _cropped, "stretch": _stretched, "pad": _padded}
    return np.ascontiguousarray(ways[request.fit](image, extent, request.size, request))


def _cropped(
    image: NDArray[np.uint8], extent: Extent, size: tuple[int, int], request: ImageRequest
) -> NDArray[np.uint8]:
    height, width = extent
    if image.shape[:2] == extent == size and request.kept == 1:
        return image
    scale = max(size[0] / height, size[1] / width) / request.kept
    cut_h, cut_w = min(height, size[0] / scale), min(width, size[1] / scale)
    top, left = (height - cut_h) / 2, (width - cut_w) / 2
    return resize(image, size, (left, top, left + cut_w, top + cut_h), request.sampling)


def _stretched(
    image: NDArray[np.uint8], extent: Extent, size: tuple[int, int], request: ImageRequest
) -> NDArray[np.uint8]:
    if image.shape[:2] == extent == size:
        return image
    return resize(image, size, (0.0, 0.0, extent[1], extent[0]), request.sampling)


def _padded(
    image: NDArray[np.uint8], extent: Extent, size: tuple[int, int], request: ImageRequest
) -> NDArray[np.uint8]:
    scale = min(size[0] / extent[0], size[1] / extent[1])
    inner = max(1, round(extent[0] * scale)), max(1, round(extent[1] * scale))
    padded = np.full((*size, image.shape[2]), 255, np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    filled = _stretched(image, extent, inner, request)
    padded[top : top + inner[0], left : left + inner[1]] = filled
    return padded


def limit(
    image: NDArray[np.uint8], max_side: int | None, extent: Extent | None = None
) -> NDArray[np.uint8]:
    height, width = extent or image.shape[:2]
    if max_side is None or max(height, width) <= max_side:
        return image
    scale = max_side / max(height, width)
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return resize(image, size, (0.0, 0.0, width, height))


def resize(
    image: NDArray[np.uint8],
    size: tuple[int, int],
    box: tuple[float, float, float, float] | None = None,
    sampling: Sampling = "bilinear",
) -> NDArray[np.uint8]:
    kernel = Image.Resampling[sampling.upper()]
    return by_picture(
        image, lambda one: one.resize((size[1], size[0]), kernel, box=box, reducing_gap=3.0)
    )


def by_picture(
    image: NDArray[np.uint8], change: Callable[[Image.Image], Image.Image]
) -> NDArray[np.uint8]:
    """Apply a function to an image as a grey or RGB picture of Pillow, or channel by channel.

    Pillow would treat the last of two or four channels as opacity.
    """
    channels = image.shape[-1]
    if channels == 3:
        return np.asarray(change(Image.fromarray(np.ascontiguousarray(image))))
    each = [change(Image.fromarray(np.ascontiguousarray(image[..., c]))) for c in range(channels)]
    return np.stack([np.asarray(one) for one in each], axis=-1)


def bad_values(rows: NDArray) -> dict[int, str]:
    """Return reasons for rows with NaN or infinity: the first such position and value."""
    if rows.dtype.kind != "f":
        return {}
    flat = _flat(rows)
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(flat.sum(dtype=np.float64)):
            return {}
    finite = np.isfinite(flat)
    bad = np.flatnonzero(~finite.all(axis=1))
    return {int(row): _bad_value(flat[row], finite[row], rows.shape[1:]) for row in bad}


def _flat(rows: NDArray) -> NDArray:
    """Return each row as a vector; a shape of -1 would fail without rows."""
    return rows.reshape(len(rows), math.prod(rows.shape[1:]))


def _bad_value(row: NDArray, finite: NDArray[np.bool_], shape: tuple[int, ...]) -> str:
    at = int(np.argmin(finite))
    where = str(at) if len(shape) == 1 else str(tuple(map(int, np.unravel_index(at, shape))))
    count = int((~finite).sum())
    more = f" (one of {count})" if count > 1 else ""
    return f"the value at position {where} is {row[at]}{more}, not a finite number"


def to_vectors(rows: NDArray) -> tuple[NDArray[np.float32], dict[int, str]]:
    """Return rows as contiguous float32 ``(n, D)``, and reasons for those that are not finite."""
    flat = _flat(rows)
    bad = bad_values(flat)
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(flat, np.float32)
    if flat.dtype.itemsize > 4:
        for row in bad_values(vectors):
            bad.setdefault(row, "holds a value beyond the range of 32-bit floats")
    if bad:
        vectors[list(bad)] = 0
    return vectors, bad


def show(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def colour_word(channels: int) -> str:
    return {1: "grey", 3: "colour"}.get(channels, f"{channels}-channel")


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
