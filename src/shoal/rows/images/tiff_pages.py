"""A page of a TIFF file as a file of its own, as it is or as the bytes of its samples."""

from __future__ import annotations

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shoal.errors import SourceError
from shoal.rows.images import tiff
from shoal.rows.images.tiff import Directory

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
