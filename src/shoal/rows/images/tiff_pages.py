"""A page of a TIFF file as a file of its own, and samples that Pillow does not read.

These have any bands or depth, or are channels on several pages: a file of their bytes is read.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from shoal.errors import SourceError
from shoal.rows.images import tiff
from shoal.rows.images.tiff import JPEG, Directory, Layout

MOST_BYTES = 1 << 28
_SHORT, _LONG = 3, 4
_OLD_JPEG = 6
_BLACK_IS_ZERO = 1
# Tags that point elsewhere in the file, or describe all of it: sub-directories, EXIF, GPS,
# interoperability, ImageJ's and OME's descriptions.
_LEFT = (tiff.SUB_DIRECTORIES, 34665, 34853, 40965, 50838, 50839, tiff.DESCRIPTION)
_PIXELS = (tiff.STRIP_OFFSETS, tiff.STRIP_BYTES, tiff.TILE_OFFSETS, tiff.TILE_BYTES)
# Tags of colours and of their order, which do not apply to bytes.
_COLOURED = (tiff.EXTRA_SAMPLES, tiff.PREDICTOR, tiff.ORIENTATION, 320, 34675, 301, 339, 347)


@dataclass
class _Page:
    """Tags by number, as type, count and bytes; and the pieces of the file with pixels."""

    tags: dict[int, tuple[int, int, bytes]]
    pieces: list[tuple[int, int]]
    is_tiled: bool


def extract(pages: Sequence[Directory], description: str = "") -> bytes:
    file = pages[0].file
    found = []
    for page in pages:
        if page.layout.compression == _OLD_JPEG:
            raise SourceError(
                "the page is stored as old-style JPEG, which cannot be copied from its file: save "
                "it again, for example by tiffcp -c lzw"
            )
        found.append(_copied(page, (*_LEFT, *_PIXELS)))
    if description:
        text = description.encode() + b"\0"
        found[0].tags[tiff.DESCRIPTION] = (2, len(text), text)
    return _write(file, found)


def page_bytes(page: Directory) -> int:
    return sum(length for _, length in _pieces(page))


def samples_as_bytes(page: Directory, sample: int | None = None) -> bytes:
    """Return a grey 8-bit TIFF file whose rows are the bytes of a page's rows."""
    layout = page.layout
    beside = 1 if layout.separate else layout.samples
    one = _copied(page, (*_LEFT, *_PIXELS, *_COLOURED), sample)
    order = page.file.order
    widths = {tiff.WIDTH: layout.stored_width}
    if one.is_tiled:
        widths[tiff.TILE_WIDTH] = layout.tile
    for tag, width in widths.items():
        in_bytes = row_bytes(width, beside, layout.bits)
        one.tags[tag] = (_LONG, 1, struct.pack(order + "I", in_bytes))
    grey = {tiff.BITS: 8, tiff.PHOTOMETRIC: _BLACK_IS_ZERO, tiff.SAMPLES: 1, tiff.PLANAR: 1}
    for tag, value in grey.items():
        one.tags[tag] = (_SHORT, 1, struct.pack(order + "H", value))
    return _write(page.file, [one])


def _copied(page: Directory, without: Collection[int], sample: int | None = None) -> _Page:
    tags = {
        tag: (entry.type, entry.number, page.value(tag))
        for tag, entry in page.entries.items()
        if tag not in without and entry.type < 16
    }
    return _Page(tags, _pieces(page, sample), tiff.TILE_OFFSETS in page.entries)


def row_bytes(width: int, samples: int, bits: int) -> int:
    """Return the bytes of a row, which is padded to whole bytes."""
    return -(-width * samples * bits // 8)


def _pieces(page: Directory, sample: int | None = None) -> list[tuple[int, int]]:
    """Return position and length of the strips or tiles of a page, or of one of its samples."""
    is_tiled = tiff.TILE_OFFSETS in page.entries
    where, sized = _PIXELS[2 * is_tiled : 2 * is_tiled + 2]
    offsets, lengths = page.numbers(where), page.numbers(sized)
    layout = page.layout
    if not lengths and len(offsets) == 1 and layout.compression == 1:
        bits = layout.samples * layout.bits
        lengths = (row_bytes(layout.width, 1, bits) * layout.height,)
    if not offsets or len(lengths) != len(offsets):
        raise SourceError("the image is damaged: its page does not say where its pixels are")
    if sample is not None:
        each = len(offsets) // layout.samples
        part = slice(sample * each, (sample + 1) * each)
        offsets, lengths = offsets[part], lengths[part]
    total = sum(lengths)
    if total > MOST_BYTES:
        raise SourceError(f"the page has {total:,} bytes, more than {MOST_BYTES:,}")
    places = (offset + page.shift for offset in offsets)
    return list(zip(places, lengths, strict=True))


def _write(file: tiff.Tiff, pages: Sequence[_Page]) -> bytes:
    order = file.order
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4  # where the position of the next directory is written
    for page in pages:
        places, at = [], 0
        for _, length in page.pieces:
            places.append(at)
            at += length + length % 2
        count = len(page.pieces)
        where, sized = _PIXELS[2 * page.is_tiled : 2 * page.is_tiled + 2]
        lengths = struct.pack(f"{order}{count}I", *(length for _, length in page.pieces))
        tags = {
            **page.tags,
            where: (_LONG, count, b"\0" * 4 * count),
            sized: (_LONG, count, lengths),
        }
        start = len(out)
        out[link : link + 4] = struct.pack(order + "I", start)
        values = start + 2 + 12 * len(tags) + 4
        first = values + sum(len(v) + len(v) % 2 for _, _, v in tags.values() if len(v) > 4)
        tags[where] = (_LONG, count, struct.pack(f"{order}{count}I", *(first + p for p in places)))
        out += struct.pack(order + "H", len(tags))
        behind = bytearray()
        for tag in sorted(tags):
            kind, number, value = tags[tag]
            out += struct.pack(order + "HHI", tag, kind, number)
            if len(value) > 4:
                out += struct.pack(order + "I", values + len(behind))
                behind += value + b"\0" * (len(value) % 2)
            else:
                out += value.ljust(4, b"\0")
        link = len(out)
        out += bytes(4) + behind
        for place, length in page.pieces:
            data = file.read(place, length)
            if len(data) < length:
                raise SourceError("the image is cut off within its pixels")
            out += data + b"\0" * (length % 2)
    return bytes(out)


_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
_DEPTHS = {"u": (1, 2, 4, 8, 12, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_APART = 1 << 16  # numbers that are unpacked at a time


def check_samples(pages: Sequence[Directory]) -> None:
    first = pages[0].layout
    for page in pages:
        layout = page.layout
        if (layout.height, layout.width) != (first.height, first.width):
            raise SourceError(
                f"its pages are declared as channels of one picture, but differ in size "
                f"({first.width}×{first.height} and {layout.width}×{layout.height})"
            )
        if layout.bits not in _DEPTHS.get(_KINDS.get(layout.format, ""), ()):
            raise SourceError(
                f"the image has numbers of an unsupported type ({layout.bits} bits, sample "
                f"format {layout.format}): save it as 8 or 16 bits, or 32-bit floats"
            )
        if not layout.has_byte_codec:
            name = "JPEG" if layout.compression == JPEG else f"number {layout.compression}"
            raise SourceError(
                f"the image has {layout.samples} bands of {layout.bits} bits in a compression that "
                f"is read for ordinary pictures only ({name}): save it with LZW or deflate, for "
                "example by gdal_translate -co COMPRESS=DEFLATE"
            )


def samples_size(pages: Sequence[Directory]) -> int:
    """Return the bytes that `read_samples` takes: the numbers, and the largest page decompressed.

    The page is copied three times, and twice more if a predictor is undone.
    """
    each = [
        page.layout.height * row_bytes(page.layout.width, page.layout.samples, page.layout.bits)
        for page in pages
    ]
    whole = sum(
        page.layout.height * page.layout.width * page.layout.samples * _dtype(page).itemsize
        for page in pages
    )
    differs = any(page.layout.predictor in (_DIFFERENCES, _FLOAT_DIFFERENCES) for page in pages)
    return whole + (5 if differs else 3) * max(each)


def read_samples(pages: Sequence[Directory]) -> NDArray[Any]:
    check_samples(pages)
    if len({_dtype(page) for page in pages}) > 1:
        raise SourceError("its pages are channels of one picture, but of several types of numbers")
    layout = pages[0].layout
    channels = sum(page.layout.samples for page in pages)
    found = np.empty((layout.height, layout.width, channels), _dtype(pages[0]).newbyteorder("="))
    at = 0
    for page in pages:
        count = page.layout.samples
        if page.layout.separate:
            for sample in range(count):
                found[..., at + sample] = _page_numbers(page, sample)[..., 0]
        else:
            found[..., at : at + count] = _page_numbers(page, None)
        at += count
    return found


def _dtype(page: Directory) -> np.dtype[Any]:
    layout = page.layout
    size = {12: 2}.get(layout.bits, max(1, layout.bits // 8))
    return np.dtype(f"{page.file.order}{_KINDS.get(layout.format, 'u')}{size}")


def _page_numbers(page: Directory, sample: int | None) -> NDArray[Any]:
    layout = page.layout
    beside = 1 if layout.separate else layout.samples
    data = samples_as_bytes(page, sample)
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as picture:
        picture.load()
        rows = np.asarray(picture)
    if rows.shape != (layout.height, row_bytes(layout.stored_width, beside, layout.bits)):
        raise SourceError("the image is damaged: its rows have another length than it says")
    if layout.bits % 8 or layout.bits < 8:
        numbers = _unpack_bits(rows, layout, beside)
    else:
        numbers = _undo_predictor(rows, page, beside)
    return numbers.reshape(layout.height, -1, beside)[:, : layout.width]


def _unpack_bits(rows: NDArray[np.uint8], layout: Layout, beside: int) -> NDArray[Any]:
    """Unpack numbers of fewer than 8 bits, scaled to 0..255, or of 12 bits."""
    count = layout.stored_width * beside
    found = np.empty((len(rows), count), np.uint8 if layout.bits < 8 else np.uint16)
    weights = 1 << np.arange(layout.bits - 1, -1, -1, dtype=np.uint16)
    step = max(1, _APART // count)
    for at in range(0, len(rows), step):  # some rows at a time, as each bit takes three bytes
        bits = np.unpackbits(rows[at : at + step], axis=1)[:, : count * layout.bits]
        parts = bits.reshape(-1, count, layout.bits).astype(np.uint16)
        numbers = parts @ weights
        if layout.bits < 8:
            numbers *= 255 // ((1 << layout.bits) - 1)
        found[at : at + step] = numbers
    return found


def _undo_predictor(rows: NDArray[np.uint8], page: Directory, beside: int) -> NDArray[Any]:
    layout, dtype = page.layout, _dtype(page)
    if layout.predictor not in (_DIFFERENCES, _FLOAT_DIFFERENCES):
        return rows.view(dtype)
    step = (layout.tile or layout.width) * beside * dtype.itemsize
    parts = [rows[:, at : at + step] for at in range(0, rows.shape[1], step)]
    added = _undo_float_predictor if layout.predictor == _FLOAT_DIFFERENCES else _undo_differences
    return np.concatenate([added(part, dtype, beside) for part in parts], axis=1)


def _undo_differences(rows: NDArray[np.uint8], dtype: np.dtype[Any], beside: int) -> NDArray[Any]:
    whole = np.dtype(f"{dtype.byteorder}u{dtype.itemsize}")
    found = np.ascontiguousarray(rows).view(whole).astype(whole.newbyteorder("="))
    each = found.reshape(len(rows), -1, beside)
    return (
        np.cumsum(each, axis=1, dtype=each.dtype)
        .reshape(len(rows), -1)
        .view(dtype.newbyteorder("="))
    )


def _undo_float_predictor(
    rows: NDArray[np.uint8], dtype: np.dtype[Any], beside: int
) -> NDArray[Any]:
    """Undo the floating point predictor (Adobe Photoshop TIFF Technical Note 3).

    The bytes of a row are regrouped: first those of all numbers, then the second, most
    significant first.
    """
    each = np.ascontiguousarray(rows).reshape(len(rows), -1, beside)
    bytes_ = np.cumsum(each, axis=1, dtype=np.uint8).reshape(len(rows), dtype.itemsize, -1)
    turned = np.ascontiguousarray(bytes_.swapaxes(1, 2))
    return (
        turned.view(dtype.newbyteorder(">")).reshape(len(rows), -1).astype(dtype.newbyteorder("="))
    )
