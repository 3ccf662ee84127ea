"""Decoded images as they lie in their files, before they are turned and scaled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.core.wanted import Wanted
from shoal.sources.opacity import blend
from shoal.sources.pixels import by_picture, shaped, to_bytes, value_range

SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION_TAG = 0x0112
_BAND_PIXELS = 1 << 18
_GAP = 3  # as Pillow's reducing_gap: averaging in blocks leaves this many times the wanted size


@dataclass(frozen=True)
class Raster:
    """A decoded image.

    Attributes
    ----------
    pixels : uint8 array, shape (H, W, C)
        C of 1 or 3.
    extent : tuple of float
        Height and width of the image in these pixels: the last row and column of an image
        decoded at a lower scale may be filled in part.
    orientation : int
        By which it is turned upright, 1 to 8.
    """

    pixels: NDArray[np.uint8]
    extent: tuple[float, float]
    orientation: int

    def shaped(self, wanted: Wanted) -> NDArray[np.uint8]:
        """Give the image upright and as wanted."""
        if self.orientation in SIDEWAYS and wanted.size:
            wanted = replace(wanted, size=wanted.size[::-1])
        image = shaped(self.pixels, wanted, self.extent)
        return np.ascontiguousarray(upright(image, self.orientation))


def orientation_of(picture: Image.Image) -> int:
    """Give the EXIF orientation, 1 to 8."""
    try:
        # not PngImageFile's own, which decodes an image without EXIF; open_picture has found it
        found = Image.Image.getexif(picture).get(_ORIENTATION_TAG, 1)
    except Exception:  # damaged EXIF data must not cost the image
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn and mirror an image by its EXIF orientation.

    CIPA DC-008 (Exif 3.0), 4.6.5.1: which edge of the picture the first row and column are.
    """
    if orientation in (3, 4, 6, 7):
        image = image[::-1]
    if orientation in (2, 3, 7, 8):
        image = image[:, ::-1]
    return image.swapaxes(0, 1) if orientation in SIDEWAYS else image


def reduction(size: tuple[int, int], least: tuple[int, int]) -> int:
    """Give the side of the blocks that can be averaged first, of an image of `size`."""
    if not all(least):
        return 1
    return max(1, int(min(size[0] / least[0], size[1] / least[1]) / _GAP))


def pixels_of(picture: Image.Image, factor: int) -> NDArray[np.uint8]:
    """Give a loaded picture's pixels as grey or colour, on white, averaged in blocks.

    It goes band by band, so that beside the picture and the result little memory is taken.
    """
    width, height = picture.size
    span = _span(picture) if picture.mode in ("I", "F") else None
    rows = max(1, _BAND_PIXELS // (width * factor)) * factor
    out = None
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        pixels = _averaged(_converted(band, span), factor)
        if out is None:
            out = np.empty((-(-height // factor), *pixels.shape[1:]), np.uint8)
        out[top // factor : top // factor + len(pixels)] = pixels
    return out if out is not None else np.zeros((0, 0, 1), np.uint8)


def _averaged(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Average blocks of pixels."""
    if factor == 1:
        return image
    return by_picture(image, lambda one: one.reduce(factor))


def _converted(picture: Image.Image, span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Give the pixels of a picture of any mode as grey or colour, on white."""
    mode = picture.mode
    if mode.startswith("I;16"):
        wide = np.asarray(picture).astype(np.uint32)
        return ((wide + 128) // 257).astype(np.uint8)[..., None]
    if span is not None:
        return to_bytes(np.asarray(picture), *span)[..., None]
    if mode == "1":
        picture = picture.convert("L")
    elif "transparency" in picture.info or mode in ("PA", "RGBa"):
        picture = picture.convert("RGBA")
    elif mode == "La":
        picture = picture.convert("LA")
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return blend(pixels) if pixels.shape[2] in (2, 4) else pixels


def _span(picture: Image.Image) -> tuple[float, float]:
    """Give the values of a wide picture that become black and white."""
    width, height = picture.size
    rows, ends = max(1, _BAND_PIXELS // width), []
    for top in range(0, height, rows):
        band = np.asarray(picture.crop((0, top, width, min(top + rows, height))))
        finite = band[np.isfinite(band)]
        if finite.size:
            ends += [finite.min(), finite.max()]
    return value_range(np.array(ends, np.float32 if picture.mode == "F" else np.int32))
