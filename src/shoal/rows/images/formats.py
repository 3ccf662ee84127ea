"""Image formats: recognised by their first bytes, their size checked before decoding."""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import NamedTuple

from PIL import ImageFile, _imaging

from shoal.errors import SourceError
from shoal.rows.handles import HEAD
from shoal.rows.images import camera, tiff
from shoal.rows.kinds import extension, is_avif, kind_of_file, reads_by_extra
from shoal.rows.memory_budget import PIXELS

# Warnings of Pillow about damaged files: reasons cover them, or the image is complete anyway.
_WARNED = ("Truncated File Read", "Tag data larger", "Corrupt EXIF", "Possibly corrupt EXIF")
for _message in (*_WARNED, "Metadata Warning", "More samples per pixel"):
    warnings.filterwarnings("ignore", _message, UserWarning, r"PIL\.")

MAX_PIXELS = 250_000_000
MAX_DECODED_BYTES = 512 << 20
_HAS_AVIF = find_spec("PIL._avif") is not None  # not all builds of Pillow have these two
_HAS_JPEG_2000 = hasattr(_imaging, "jpeg2k_decoder")
EXTENSIONS = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pbm", ".pnm"),
        *((".avif", ".avifs") if _HAS_AVIF else ()),
        *((".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx") if _HAS_JPEG_2000 else ()),
        *camera.EXTENSIONS,
    )
)
"""Extensions of images that need no extra; see `is_image_name` for all."""

READ = "JPEG, PNG, GIF, BMP, TIFF, WebP, AVIF, JPEG 2000, PNM and camera raw files"
JPEG = b"\xff\xd8\xff"


class _Format(NamedTuple):
    extension: str  # the usual one
    module: str  # imported when such a file is met
    reader: str  # the class in it
    begins: tuple[bytes, ...] = ()


# The classes are used directly, not through Image.open: that would warn of large images by a limit
# that belongs to the whole process, and try formats that run other programs.
_FORMATS = (
    _Format(".jpg", "PIL.JpegImagePlugin", "JpegImageFile", (JPEG,)),
    _Format(".png", "PIL.PngImagePlugin", "PngImageFile", (b"\x89PNG\r\n\x1a\n",)),
    _Format(".gif", "PIL.GifImagePlugin", "GifImageFile", (b"GIF8",)),
    _Format(".bmp", "PIL.BmpImagePlugin", "BmpImageFile", (b"BM",)),
    _Format(".tif", "PIL.TiffImagePlugin", "TiffImageFile", tiff.MAGIC),
    _Format(".ppm", "PIL.PpmImagePlugin", "PpmImageFile", tuple(b"P%d" % n for n in range(1, 7))),
)
_JPEG_2000 = _Format(
    *(".jp2", "PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"),
)
_WEBP = _Format(".webp", "PIL.WebPImagePlugin", "WebPImageFile")
_AVIF = _Format(".avif", "PIL.AvifImagePlugin", "AvifImageFile")
_EXTRAS = {
    "pi_heif": _Format(".heic", "pi_heif.as_plugin", "HeifImageFile"),
    "imagecodecs": _Format(".jxl", "shoal.rows.images.jpeg_xl", "JxlImageFile"),
}


def is_image_name(name: str) -> bool:
    """Return whether a file can be read as an image by its name, with the installed extras.

    >>> is_image_name("a/b.JPG"), is_image_name("notes.md")
    (True, False)
    """
    ending = extension(name)
    return ending in EXTENSIONS or reads_by_extra(ending)


def open_picture(data: bytes) -> ImageFile.ImageFile:
    """Open an image by its first bytes and check its size, without decoding it."""
    if not data:
        raise SourceError("the file is empty")
    picture = _reader(_format_of(data))(io.BytesIO(data))
    check_pixels(picture.height, picture.width)
    if picture.format == "PNG" and "exif" not in picture.info:
        exif = find_exif(data)  # Pillow would decode the whole image to read EXIF after it
        if exif is not None:
            picture.info["exif"] = exif
    return picture


def extension_of(data: bytes) -> str:
    r"""Return the usual extension of an image file by its first bytes; empty for other files.

    >>> extension_of(b"\xff\xd8\xff\xe0"), extension_of(b"hello")
    ('.jpg', '')
    """
    try:
        return ".dng" if camera.is_raw(data) else _format_of(data).extension
    except SourceError:
        return ""


def _format_of(data: bytes) -> _Format:
    found = next((one for one in _FORMATS if data.startswith(one.begins)), None)
    if found is not None:
        return found
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _WEBP
    if data.startswith(_JPEG_2000.begins) and _HAS_JPEG_2000:
        return _JPEG_2000
    if is_avif(data) and _HAS_AVIF:
        return _AVIF
    kind = kind_of_file("", data[:HEAD])
    if kind is None:
        text = data[:16].decode("ascii", "replace")
        shown = repr(text) if text.isascii() and text.isprintable() else data[:8].hex(" ")
        raise SourceError(f"the file is not an image of a known format: it begins with {shown}")
    if not kind.is_installed:
        raise SourceError(f"the file is {kind.what}, which is not read: {kind.way}")
    return _EXTRAS[kind.module]


@cache
def _reader(form: _Format) -> type[ImageFile.ImageFile]:
    found: type[ImageFile.ImageFile] = getattr(import_module(form.module), form.reader)
    return found


def check_pixels(height: int, width: int) -> None:
    if height * width > MAX_PIXELS:
        raise SourceError(
            f"the image has {width:,}×{height:,} pixels, more than the {MAX_PIXELS:,} that are "
            "read: make it smaller"
        )
    if height * width == 0:
        raise SourceError(f"the image has no pixels: its size is {width}×{height}")


def decoding(height: int, width: int) -> str:
    return f"decoding the image of {width:,}×{height:,} pixels"


def check_bytes(height: int, width: int, needed: int) -> None:
    if needed > MAX_DECODED_BYTES:
        raise SourceError(
            f"the image has {width:,}×{height:,} pixels, and decoding it takes "
            f"{needed >> 20:,} MiB, more than the {MAX_DECODED_BYTES >> 20:,} that are allowed"
        )


def check_sums(data: bytes) -> None:
    view = memoryview(data)
    for kind, start, end in _png_chunks(view):
        sum_of = int.from_bytes(view[end : end + 4], "big")
        if kind == b"IDAT" and zlib.crc32(view[start - 4 : end]) != sum_of:
            raise SourceError(f"the image is damaged: the checksum at byte {end:,} is wrong")


def find_exif(data: bytes) -> bytes | None:
    """Return the body of the eXIf chunk, which may come after the pixels; None without one."""
    view = memoryview(data)
    return next(
        (bytes(view[at:end]) for kind, at, end in _png_chunks(view) if kind == b"eXIf"), None
    )


@contextmanager
def room_for_pixels(height: int, width: int, needed: int) -> Iterator[None]:
    check_bytes(height, width, needed)
    with PIXELS.take(needed, decoding(height, width)):
        yield


def _png_chunks(view: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Yield a PNG's chunks before IEND (W3C PNG, 5.3): kind, start and end of the body."""
    at = 8
    while at + 12 <= len(view):
        end = at + 8 + int.from_bytes(view[at : at + 4], "big")
        kind = bytes(view[at + 4 : at + 8])
        if kind == b"IEND" or end + 4 > len(view):
            return
        yield kind, at + 8, end
        at = end + 4
