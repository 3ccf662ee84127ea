"""Folders of photos for the benchmark: large ones, and ones damaged in every way."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shoal.rows import open_source

_COLUMNS, _ROWS = 18, 14  # of pieces in a large photo


def photos(archive: Path, count: int) -> list[NDArray[np.uint8]]:
    """Return photos from all over an archive."""
    source = open_source(archive)
    rows = np.linspace(0, source.n_rows - 1, count).astype(int)
    return [source.read_original(int(row)) for row in rows]  # type: ignore[attr-defined]


def classes(archive: Path) -> NDArray:
    """Return the folder that each photo of an archive lies in, as a number."""
    source = open_source(archive)
    names = source.names(0, source.n_rows) or []
    return np.unique([name.rsplit("/", 2)[-2] for name in names], return_inverse=True)[1]


def write_photos(found: list[NDArray[np.uint8]], folder: Path) -> None:
    """Write photos as JPEGs."""
    folder.mkdir()
    for number, pixels in enumerate(found):
        _picture(pixels).save(folder / f"photo-{number:04}.jpg", quality=90)


def write_large(found: list[NDArray[np.uint8]], folder: Path, count: int) -> None:
    """Write JPEGs of 4,000 × 3,000 pixels, put together out of photos."""
    folder.mkdir()
    squares = [np.asarray(_picture(pixels).resize((224, 224))) for pixels in found]
    for number in range(count):
        order = np.random.default_rng(number).permutation(len(squares))
        rows = [
            np.hstack([squares[order[(r * _COLUMNS + c) % len(order)]] for c in range(_COLUMNS)])
            for r in range(_ROWS)
        ]
        large = np.vstack(rows)[:3000, :4000]
        Image.fromarray(large).save(folder / f"large-{number:03}.jpg", quality=90)


def write_hostile(found: list[NDArray[np.uint8]], folder: Path, count: int) -> tuple[int, int]:
    """Write as many odd files beside the photos; give how many can be read, and how many not.

    Odd files that can be read: animated, CMYK, 16 bits, transparent, and renamed ones.
    """
    write_photos(found, folder)
    makers = [*_READABLE, *_UNREADABLE]
    readable = 0
    for number in range(count):
        make, name = makers[number % len(makers)]
        readable += number % len(makers) < len(_READABLE)
        data = make(_picture(found[number % len(found)]))
        (folder / f"odd-{number:04}{name}").write_bytes(data)
    return len(found) + readable, count - readable


def _picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return pixels as a picture in colour."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    """Return a picture as a file."""
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _sixteen(picture: Image.Image) -> bytes:
    """Return a PNG of 16 bits."""
    wide = np.asarray(picture.convert("L")).astype(np.uint16) * 257
    return _saved(Image.fromarray(wide), "PNG")


def _transparent(picture: Image.Image) -> bytes:
    """Return a PNG, half of it seen through."""
    picture = picture.copy()
    picture.putalpha(128)
    return _saved(picture, "PNG")


def _animated(picture: Image.Image) -> bytes:
    """Return a GIF of three frames."""
    frames = [picture.rotate(30), picture.rotate(60)]
    return _saved(picture, "GIF", save_all=True, append_images=frames)


def _bomb(_: Image.Image) -> bytes:
    """Return a PNG of a few hundred bytes that says it has 60,000 × 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10_000)))
    return b"\x89PNG\r\n\x1a\n" + data + chunk(b"IEND", b"")


def _scrambled(picture: Image.Image) -> bytes:
    """Return a PNG with a hole in its data."""
    data = bytearray(_saved(picture, "PNG"))
    data[len(data) // 3 : len(data) // 3 + 400] = bytes(400)
    return bytes(data)


Maker = tuple[Callable[[Image.Image], bytes], str]

_READABLE: tuple[Maker, ...] = (
    (_animated, ".gif"),
    (lambda picture: _saved(picture.convert("CMYK"), "JPEG"), ".jpg"),
    (_sixteen, ".png"),
    (_transparent, ".png"),
    (lambda picture: _saved(picture, "WEBP"), ".jpg"),  # renamed
)
_UNREADABLE: tuple[Maker, ...] = (
    (lambda picture: _saved(picture, "PNG")[:2000], ".png"),
    (lambda picture: _saved(picture, "JPEG")[:300], ".jpg"),
    (lambda _: b"", ".jpg"),
    (lambda _: b"Dear diary, today I was renamed.\n" * 30, ".jpeg"),
    (_bomb, ".png"),
    (_scrambled, ".png"),
)
