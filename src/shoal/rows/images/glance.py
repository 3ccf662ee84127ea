"""What is in an image file beyond grey or colour of 8 bits: channels, depth, opacity, motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.errors import SourceError
from shoal.rows.arrays.pixels import to_bytes
from shoal.rows.images.camera import is_raw
from shoal.rows.images.decode import needed_bytes, tiff_picture, what_is_wrong
from shoal.rows.images.formats import JPEG, check_bytes, check_pixels, decoding, open_picture
from shoal.rows.images.raster import extremes, picture_extremes
from shoal.rows.images.reading import USUAL
from shoal.rows.images.samples import check_samples, read_samples, samples_size
from shoal.rows.images.tiff import is_tiff
from shoal.rows.room import PIXELS

_SIDE = 64  # pixels that are enough to judge opacity by


@dataclass(frozen=True)
class Glance:
    """What is odd about an image.

    Attributes
    ----------
    channels : int
        How many it has, opacity not counted; 0 for grey or colour.
    ends : ndarray or None
        Its least and largest value, of more than 8 bits; None where not looked at.
    opacity : uint8 array (H, W, S) or None
        Some of its pixels, opacity last; None where it has none, or that was not looked at.
    is_tiff : bool
        Whether it is a TIFF file, where opacity is a note that may be wrong.
    moves : bool
        Whether there are more frames than the first.
    """

    channels: int = 0
    ends: NDArray[Any] | None = None
    opacity: NDArray[np.uint8] | None = None
    is_tiff: bool = False
    moves: bool = False


def glance(data: bytes, deep: bool) -> Glance | None:
    """Look at an image file; None where it is grey or colour of 8 bits, and nothing else.

    Parameters
    ----------
    data : bytes
        The file.
    deep : bool
        Whether to decode images of more than 8 bits or with opacity; else only headers are read.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    try:
        if data[:3] == JPEG or is_raw(data):
            return None
        return _tiff(data, deep) if is_tiff(data) else _picture(data, deep)
    except SourceError:
        raise
    except Exception as error:  # as in decode
        raise SourceError(what_is_wrong(error)) from None


def _tiff(data: bytes, deep: bool) -> Glance | None:
    pages = tiff_picture(data)
    layout = pages[0].layout
    is_usual = len(pages) == 1 and layout.is_usual
    if is_usual and layout.opacity is None and layout.bits <= 8:
        return None
    if is_usual and (layout.opacity is None or layout.bits > 8 or not layout.has_byte_codec):
        return _picture(data, deep)
    opacity = layout.opacity if len(pages) == 1 else None
    channels = sum(page.layout.samples for page in pages) - (opacity is not None)
    found = Glance(channels if channels not in (1, 3) else 0, is_tiff=True)
    if not deep:
        return found
    check_pixels(layout.height, layout.width)
    check_samples(pages)
    needed = samples_size(pages)
    check_bytes(layout.height, layout.width, needed)
    with PIXELS.take(needed, decoding(layout.height, layout.width)):
        samples = read_samples(pages)
        ends = None if samples.dtype == np.uint8 else extremes(samples)
        small = _thinned(samples)
    if opacity is None:
        return Glance(found.channels, ends, None, True)
    low, high = USUAL.levels(extremes(small), max(layout.bits, 8))
    order = [at for at in range(small.shape[2]) if at != opacity]
    return Glance(found.channels, ends, to_bytes(small, low, high)[..., [*order, opacity]], True)


def _picture(data: bytes, deep: bool) -> Glance | None:
    with open_picture(data) as picture:
        moves = bool(getattr(picture, "is_animated", False)) and picture.format != "TIFF"
        is_wide = picture.mode.startswith("I") or picture.mode == "F"
        is_clear = picture.mode in ("LA", "La", "PA", "RGBA", "RGBa")
        is_clear |= "transparency" in picture.info
        if not deep or not (is_wide or is_clear):
            return Glance(moves=moves) if moves else None
        needed = needed_bytes(picture, 1, data)
        with PIXELS.take(needed, decoding(picture.height, picture.width)):
            picture.load()
            if is_wide:
                return Glance(ends=picture_extremes(picture), moves=moves)
            step = max(1, max(picture.size) // _SIDE)
            size = max(1, picture.width // step), max(1, picture.height // step)
            small = picture.resize(size, Image.Resampling.NEAREST).convert("RGBA")
        return Glance(opacity=np.asarray(small), is_tiff=is_tiff(data), moves=moves)


def _thinned(samples: NDArray[Any]) -> NDArray[Any]:
    step = max(1, max(samples.shape[:2]) // _SIDE)
    return np.ascontiguousarray(samples[::step, ::step])
