"""Decode image files to upright RGBA pixels in sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.rows.images.camera import is_raw
from shoal.rows.images.decode import decode, needed_bytes, reasons_for_errors, tiff_picture
from shoal.rows.images.formats import check_pixels, check_sums, decoding, open_picture
from shoal.rows.images.raster import USUAL, orientation_of, upright
from shoal.rows.images.tiff import is_tiff
from shoal.rows.memory_budget import PIXELS

WORKING_BYTES = 24
"""Bytes per pixel for counting, indexing and comparing, on top of the decoded image."""

_HALF = 128
_PLAIN = frozenset({"1", "L", "P", "RGB", "LA", "La", "PA", "RGBA", "RGBa"})
_GRID = 9  # colours along each axis by which a profile is compared with sRGB
_SAME = 2  # levels by which a profile for sRGB may differ, by the rounding of its tables


def read_rgba(data: bytes, keep_opacity: bool = True) -> NDArray[np.uint8]:
    """Decode an image file to RGBA bytes (H, W, 4), upright and in sRGB.

    An ICC profile is applied, if it is for other colours than sRGB. Of more than 8 bits a channel,
    inks and camera raw files, the pixels are those that a fit reads, and opaque.

    `keep_opacity`: Otherwise pixels are opaque, or clear if their opacity is below a half.
    """
    with reasons_for_errors():
        found = None if _is_beyond_pillow(data) else _with_opacity(data)
    if found is None:
        found = to_rgba(decode(data, reading=USUAL))
    return normalise_opacity(found, keep_opacity)


def to_rgba(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return pixels (H, W) or (H, W, C), C of 1 to 4, as RGBA.

    >>> to_rgba(np.array([[7]], np.uint8)).tolist()
    [[[7, 7, 7, 255]]]
    """
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    channels = pixels.shape[2]
    out = np.full((*pixels.shape[:2], 4), 255, np.uint8)
    out[..., :3] = pixels[..., : 1 if channels < 3 else 3]
    if channels in (2, 4):
        out[..., 3] = pixels[..., -1]
    return out


def normalise_opacity(pixels: NDArray[np.uint8], keep: bool) -> NDArray[np.uint8]:
    """Set clear pixels to 0, and make others opaque unless semi-transparency is kept."""
    opacity = pixels[..., 3]
    if opacity.min() == 255:
        return pixels
    pixels = pixels.copy()
    if not keep:
        pixels[..., 3] = np.where(opacity < _HALF, 0, 255)
    pixels[pixels[..., 3] == 0] = 0
    return pixels


def _is_beyond_pillow(data: bytes) -> bool:
    """Return whether Pillow cannot read a file fully: camera raw files, TIFF of wide samples."""
    if is_raw(data):
        return True
    return is_tiff(data) and not tiff_picture(data)[0].layout.is_usual


def _with_opacity(data: bytes) -> NDArray[np.uint8] | None:
    """Decode with Pillow; None for modes that are not 8-bit RGB."""
    with open_picture(data) as picture:
        if picture.mode not in _PLAIN:
            return None
        height, width = picture.height, picture.width
        check_pixels(height, width)
        if picture.format == "PNG":
            check_sums(data)
        with PIXELS.take(
            needed_bytes(picture, 1, data) + 4 * height * width, decoding(height, width)
        ):
            picture.load()
            turned = orientation_of(picture)
            pixels = np.array(picture.convert("RGBA"))
            _to_srgb(pixels, picture.mode, picture.info.get("icc_profile"))
        return np.ascontiguousarray(upright(pixels, turned))


def _to_srgb(pixels: NDArray[np.uint8], mode: str, profile: bytes | None) -> None:
    """Convert colours in place from a profile to sRGB."""
    transform = _srgb_transform(profile, mode in ("1", "L", "LA", "La")) if profile else None
    if transform is None:
        return
    from PIL import ImageCms

    mode, to_srgb = transform
    for band in np.array_split(pixels, max(1, pixels[..., 0].size >> 18)):
        if band.size:
            plain = np.ascontiguousarray(band[..., 0] if mode == "L" else band[..., :3])
            band[..., :3] = np.asarray(ImageCms.applyTransform(Image.fromarray(plain), to_srgb))


@lru_cache(maxsize=4)
def _srgb_transform(profile: bytes, grey: bool) -> tuple[str, Any] | None:
    """Return the transform from a profile to sRGB; None if it is sRGB or damaged."""
    from PIL import ImageCms

    mode = "L" if grey else "RGB"
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(found, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (OSError, ImageCms.PyCMSError):  # a damaged profile costs the colours only
        return None
    levels = np.linspace(0, 255, _GRID).astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(_GRID, -1, 3)
    grid = grid if mode == "RGB" else np.repeat(levels[None], 2, axis=0)
    changed = np.asarray(
        ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(grid)), transform)
    )
    apart = np.abs(changed.astype(int) - (grid if mode == "RGB" else grid[..., None]))
    return None if apart.max() <= _SAME else (mode, transform)
