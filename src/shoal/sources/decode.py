"""Image files to pixels: bytes in, uint8 ``(H, W, C)`` out, C of 1 (grey) or 3 (colour)."""

from __future__ import annotations

import io

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from shoal.core.wanted import Wanted
from shoal.errors import SourceError
from shoal.sources.pixels import on_white, shaped, to_bytes, value_range
from shoal.sources.store import because

AS_IT_IS = Wanted()
MAX_PIXELS = 250_000_000
EXTENSIONS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
    )
)
_JPEG = b"\xff\xd8\xff"
_USUAL = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "GIF": ".gif",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "PPM": ".ppm",
}
_ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_MOST_RESCUED_BYTES = 1 << 16

# The classes are built directly, not through Image.open: that would warn of large images by
# a limit that belongs to the whole process, and try formats that run other programs.
_FORMATS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (_JPEG, JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
    *((b"P%d" % digit, PpmImagePlugin.PpmImageFile) for digit in range(1, 7)),
)


def decode(data: bytes, wanted: Wanted = AS_IT_IS) -> NDArray[np.uint8]:
    """Decode an image file, upright and on white, to uint8 ``(H, W, C)``.

    The first frame is taken; 16 bits become 8. JPEG is decoded at the least of its own
    scales that is large enough (https://libjpeg-turbo.org).

    Raises
    ------
    SourceError
        With the reason as one sentence: empty, no image, too large, damaged or cut off.
    """
    try:
        image = _decode_jpeg(data, wanted) if data[:3] == _JPEG else None
        if image is None:
            image = _decode_pillow(data, wanted)
    except SourceError:
        raise
    except Exception as error:  # decoders raise a dozen kinds on damaged files
        raise SourceError(f"the image is damaged or cut off: {because(error)}") from None
    return shaped(image, wanted)


def measure(data: bytes) -> tuple[int, int]:
    """Height and width of an image file when upright, from its header.

    Raises
    ------
    SourceError
        With the reason as one sentence, as `decode`.
    """
    try:
        with _open(data) as picture:
            width, height = picture.size
            # Pillow turns TIFF images itself
            sideways = picture.format != "TIFF" and _orientation(picture) in _SIDEWAYS
    except SourceError:
        raise
    except Exception as error:  # as in decode
        raise SourceError(f"the image is damaged or cut off: {because(error)}") from None
    return (width, height) if sideways else (height, width)


def _decode_jpeg(data: bytes, wanted: Wanted) -> NDArray[np.uint8] | None:
    """Decode a JPEG; None when that is left to Pillow (four colours, or small faults)."""
    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if space not in ("Gray", "YCbCr", "RGB"):
        return None
    _check_size(height, width)
    orientation = 1
    if b"Exif\0\0" in data[:_MOST_RESCUED_BYTES]:
        with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as picture:
            orientation = _orientation(picture)
    least = _least_size((height, width), wanted, orientation in _SIDEWAYS)
    colours = "GRAY" if space == "Gray" or wanted.channels == 1 else "RGB"
    try:
        image = simplejpeg.decode_jpeg(data, colours, min_height=least[0], min_width=least[1])
    except ValueError:
        return None
    return upright(image, orientation)


def _least_size(size: tuple[int, int], wanted: Wanted, sideways: bool) -> tuple[int, int]:
    """Give the size that must at least be decoded, as the file lies; 0 for all of it."""
    if wanted.size:
        least = wanted.least
        return (least[1], least[0]) if sideways else least
    if wanted.max_side and max(size) > wanted.max_side:
        scale = wanted.max_side / max(size)
        return round(size[0] * scale) or 1, round(size[1] * scale) or 1
    return 0, 0


def _decode_pillow(data: bytes, wanted: Wanted) -> NDArray[np.uint8]:
    """Decode any of the formats."""
    with _open(data) as picture:
        least = _least_size((picture.height, picture.width), wanted, False)
        if picture.format == "JPEG" and least[0]:
            side = max(least)
            picture.draft(picture.mode, (side, side))
        picture.load()
        orientation = _orientation(picture)
        return upright(_pixels(picture), orientation)


def _open(data: bytes) -> ImageFile.ImageFile:
    """Open an image by its first bytes and check its size, before anything is decoded."""
    if not data:
        raise SourceError("the file is empty")
    picture = _class_of(data)(io.BytesIO(data))
    _check_size(picture.height, picture.width)
    return picture


def _class_of(data: bytes) -> type[ImageFile.ImageFile]:
    """Choose the reader for a file that begins like this one."""
    for magic, reader in _FORMATS:
        if data.startswith(magic):
            return reader
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    raise SourceError(f"the file is no image of a known format: it begins with {_head(data)}")


def extension_of(data: bytes) -> str:
    r"""Give the usual extension of an image file by its first bytes; nothing if it is none.

    >>> extension_of(b"\xff\xd8\xff\xe0"), extension_of(b"hello")
    ('.jpg', '')
    """
    try:
        reader = _class_of(data)
    except SourceError:
        return ""
    return _USUAL.get(reader.format or "", ".img")


def _head(data: bytes) -> str:
    """How a file begins, as text if it is text."""
    head = data[:16]
    text = head.decode("ascii", "replace")
    return repr(text) if text.isascii() and text.isprintable() else head[:8].hex(" ")


def _check_size(height: int, width: int) -> None:
    """Refuse images that would fill the memory, and those without pixels."""
    if height * width > MAX_PIXELS:
        raise SourceError(
            f"the image has {width:,}×{height:,} pixels, more than the {MAX_PIXELS:,} that "
            "one may have"
        )
    if height * width == 0:
        raise SourceError(f"the image has no pixels: its size is {width}×{height}")


def _orientation(picture: Image.Image) -> int:
    """Give the EXIF orientation, 1 to 8."""
    try:
        found = picture.getexif().get(_ORIENTATION_TAG, 1)
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
    return image.swapaxes(0, 1) if orientation in _SIDEWAYS else image


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """Give the pixels of a loaded picture of any mode as grey or colour, on white."""
    mode = picture.mode
    if mode.startswith("I;16"):
        wide = np.asarray(picture).astype(np.uint32)
        return ((wide + 128) // 257).astype(np.uint8)[..., None]
    if mode in ("I", "F"):
        values = np.asarray(picture)
        return to_bytes(values, *value_range(values))[..., None]
    if mode == "1":
        picture = picture.convert("L")
    elif "transparency" in picture.info or mode in ("PA", "RGBa"):
        picture = picture.convert("RGBA")
    elif mode == "La":
        picture = picture.convert("LA")
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        picture = picture.convert("RGB")
    pixels = np.asarray(picture)
    return on_white(pixels if pixels.ndim == 3 else pixels[..., None])
