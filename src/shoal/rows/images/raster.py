"""Decoded images before they are rotated and scaled, and the settings common to a collection."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError
from shoal.rows.arrays.pixels import (
    WHITE,
    blend,
    by_picture,
    remove_opacity,
    shaped,
    to_bytes,
    value_range,
)
from shoal.rows.images.tiff import Layout

SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION_TAG = 0x0112
_BAND_PIXELS = 1 << 18
_WHITE_IS_ZERO = 0
_GAP = 3  # like Pillow's reducing_gap: block averages keep at least 3 times the requested size


@dataclass(frozen=True)
class Reading:
    """Settings chosen once for a collection from sampled images; the defaults suit one image."""

    channels: int | None = None  # of all images; None for those of each
    # stored values that become black and white in images of more than 8 bits; None for
    # values that suit each image
    low: float | None = None
    high: float | None = None
    ground: int = WHITE  # background grey of transparent images
    # whether the samples that TIFF files declare as opacity are ordinary bands
    bands: bool = False

    def as_dict(self) -> dict[str, Any]:
        usual = asdict(USUAL)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    @classmethod
    def from_dict(cls, facts: Mapping[str, Any]) -> Reading:
        return cls(**facts)

    def levels(self, ends: NDArray[Any], bits: int) -> tuple[float, float]:
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if ends.dtype.kind == "u" and bits <= 16:
            return 0.0, float((1 << bits) - 1)
        return value_range(ends)

    def check(self, channels: int) -> None:
        """Raise for an image with other channels than most; grey and colour are compatible."""
        if self.channels in (None, channels) or {channels, self.channels} == {1, 3}:
            return
        raise SourceError(f"the image has {channels} channels, but most here have {self.channels}")


USUAL = Reading()


@dataclass(frozen=True)
class Raster:
    pixels: NDArray[np.uint8]  # (H, W, C): grey, RGB, or any number of channels
    # height and width of the image in these pixels: the last row and column of an image decoded
    # at a lower scale may be filled in part
    extent: tuple[float, float]
    orientation: int  # EXIF orientation, 1 to 8

    def shaped(self, request: ImageRequest) -> NDArray[np.uint8]:
        if self.orientation in SIDEWAYS and request.size:
            request = replace(request, size=request.size[::-1])
        image = shaped(self.pixels, request, self.extent)
        return np.ascontiguousarray(upright(image, self.orientation))


def orientation_of(picture: Image.Image) -> int:
    try:
        # not PngImageFile's own, which decodes an image without EXIF; open_picture has found it
        found = Image.Image.getexif(picture).get(_ORIENTATION_TAG, 1)
    except Exception:  # an image with damaged EXIF data is still read
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Rotate and mirror an image by its EXIF orientation.

    CIPA DC-008 (Exif 3.0), 4.6.5.1: which edge of the picture the first row and column are.
    """
    if orientation in (3, 4, 6, 7):
        image = image[::-1]
    if orientation in (2, 3, 7, 8):
        image = image[:, ::-1]
    return image.swapaxes(0, 1) if orientation in SIDEWAYS else image


def least_stored(size: tuple[int, int], request: ImageRequest, orientation: int) -> tuple[int, int]:
    """Return the minimum height and width to decode to, before the image is turned upright."""
    if orientation in SIDEWAYS:
        return request.least_of(size[::-1])[::-1]
    return request.least_of(size)


def reduction(size: tuple[int, int], least: tuple[int, int]) -> int:
    """Return the side of the blocks that can be averaged first in an image of `size`."""
    if not all(least):
        return 1
    return max(1, int(min(size[0] / least[0], size[1] / least[1]) / _GAP))


def pixels_of(picture: Image.Image, factor: int, reading: Reading = USUAL) -> NDArray[np.uint8]:
    width, height = picture.size
    convert = _converter(picture, reading)
    rows = max(1, _BAND_PIXELS // (width * factor)) * factor
    out = None
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        pixels = _averaged(convert(band), factor)
        if out is None:
            out = np.empty((-(-height // factor), *pixels.shape[1:]), np.uint8)
        out[top // factor : top // factor + len(pixels)] = pixels
    return out if out is not None else np.zeros((0, 0, 1), np.uint8)


def samples_as_pixels(
    samples: NDArray[Any], layout: Layout, reading: Reading, opacity: int | None, factor: int
) -> NDArray[np.uint8]:
    """Return samples ``(H, W, S)`` as pixels, averaged in blocks; `opacity` is blended."""
    height, width, count = samples.shape
    low, high = reading.levels(extremes(samples), max(layout.bits, 8))
    out = np.empty((-(-height // factor), -(-width // factor), count), np.uint8)
    rows = max(1, _BAND_PIXELS // (width * factor)) * factor
    for top in range(0, height, rows):
        pixels = to_bytes(samples[top : top + rows], low, high)
        if layout.photometric == _WHITE_IS_ZERO:
            pixels = 255 - pixels
        pixels = _averaged(np.ascontiguousarray(pixels), factor)
        out[top // factor : top // factor + len(pixels)] = pixels
    if opacity is None:
        return out
    ordered = [at for at in range(count) if at != opacity]
    return remove_opacity(out[None][..., [*ordered, opacity]], reading.ground)[0]


def extremes(values: NDArray[Any]) -> NDArray[Any]:
    found = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return np.array([found.min(), found.max()], values.dtype) if found.size else found.ravel()[:0]


def _averaged(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return image
    return by_picture(image, lambda one: one.reduce(factor))


def _converter(
    picture: Image.Image, reading: Reading
) -> Callable[[Image.Image], NDArray[np.uint8]]:
    mode = picture.mode
    if mode.startswith("I;16") or mode in ("I", "F"):
        low, high = reading.levels(picture_extremes(picture), 16)
        return lambda band: to_bytes(np.asarray(band), low, high)[..., None]
    if mode in ("CMYK", "LAB"):
        return _by_profile(picture)
    if mode == "1":
        return lambda band: np.asarray(band.convert("L"))[..., None]
    plain = {"La": "LA", "PA": "RGBA", "RGBa": "RGBA"}.get(mode, mode)
    if "transparency" in picture.info:
        plain = "RGBA"
    if plain in ("LA", "RGBA"):
        if _is_even(picture):
            return lambda band: _array(band.convert(plain))[..., :-1]
        return lambda band: blend(_array(band.convert(plain)), reading.ground)
    return lambda band: _array(band if mode in ("L", "RGB") else band.convert("RGB"))


def _array(picture: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(picture)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _is_even(picture: Image.Image) -> bool:
    """Return whether a picture's opacity is the same everywhere and can be dropped.

    Not if nothing is visible and the colours are uniform: see `remove_opacity`.
    """
    if picture.mode not in ("LA", "RGBA", "PA"):
        return False
    ends: Any = picture.getextrema()
    *colours, (least, most) = ends
    return bool(least == most and (most > 0 or any(low != high for low, high in colours)))


def _by_profile(picture: Image.Image) -> Callable[[Image.Image], NDArray[np.uint8]]:
    if picture.mode == "CMYK" and not picture.info.get("icc_profile"):
        return lambda band: np.asarray(band.convert("RGB"))
    from PIL import ImageCms

    colours = ImageCms.createProfile("sRGB")
    try:
        profile: Any = ImageCms.createProfile("LAB")
        if picture.mode == "CMYK":
            profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"]))
        change = ImageCms.buildTransform(profile, colours, picture.mode, "RGB")
    except (OSError, ImageCms.PyCMSError):  # a damaged profile affects the colours only
        return lambda band: np.asarray(band.convert("RGB"))
    return lambda band: np.asarray(ImageCms.applyTransform(band, change))


def picture_extremes(picture: Image.Image) -> NDArray[Any]:
    width, height = picture.size
    rows, ends = max(1, _BAND_PIXELS // width), []
    for top in range(0, height, rows):
        band = np.asarray(picture.crop((0, top, width, min(top + rows, height))))
        ends.append(extremes(band))
    return extremes(np.concatenate(ends)) if ends else np.zeros(0, np.uint16)
