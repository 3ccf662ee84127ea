"""The directories of TIFF files: the layout of each page, and where its bytes are.

Format: TIFF 6.0 (https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf), and BigTIFF
(https://libtiff.gitlab.io/libtiff/specification/bigtiff.html). Own code, as tifffile takes nine
times as long to list the pages of a file (170 µs, not 19), and needs imagecodecs for LZW.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from shoal.errors import SourceError
from shoal.rows.handles import ReadAt

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 256, 257, 258, 259, 262
DESCRIPTION, SAMPLES, PLANAR, PREDICTOR = 270, 277, 284, 317
SUBFILE, ORIENTATION, SUB_DIRECTORIES, EXTRA_SAMPLES, FORMAT = 254, 274, 330, 338, 339
STRIP_OFFSETS, ROWS, STRIP_BYTES = 273, 278, 279
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
DNG_VERSION = 50706

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

LZW, JPEG, DEFLATE, PACK_BITS = 5, 7, 8, 32773
BYTE_CODECS = (1, LZW, DEFLATE, PACK_BITS, 32946, 34925, 50000)
"""Compressions of plain bytes: none, LZW, deflate, PackBits, LZMA, zstd."""

_PREDICTED = (LZW, DEFLATE, 32946, 34925, 50000)

# Bytes of each type of value, and its struct code; rationals and signed ones are only copied.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}  # by photometric: RGB, CMYK, YCbCr, Lab …
_CMYK, _WHITE_IS_ZERO = 5, 0
_IMAGEJ = b"ImageJ="
_MOST_TAGS = 4096
_MOST_PAGES = 1 << 20
_MOST_VALUE_BYTES = 1 << 24  # of one tag: 2 million strips, or a long description


class Entry(NamedTuple):
    """One tag of a directory: its type, the number of its values, and their position."""

    type: int
    number: int
    at: int

    @property
    def size(self) -> int:
        return _SIZES.get(self.type, 1) * self.number


@dataclass(frozen=True)
class Layout:
    height: int  # rows, columns, and numbers a pixel
    width: int
    samples: int
    bits: int  # of a number; 0 where they differ. Format 1: unsigned, 2: signed, 3: floating point
    format: int
    photometric: int  # as TIFF numbers them
    compression: int
    # whether each sample is stored as a picture of its own, not interleaved
    separate: bool
    predictor: int  # 2: horizontal differences, 3: those of floating point numbers
    tile: int  # width of a tile, 0 for strips
    # kinds of the samples after the colours: 1 and 2 are opacity, 0 is unspecified
    extra: tuple[int, ...]

    @property
    def stored_width(self) -> int:
        return -(-self.width // self.tile) * self.tile if self.tile else self.width

    @property
    def colours(self) -> int:
        """Number of colour samples; 1 where the photometric interpretation is unknown."""
        return min(_COLOURS.get(self.photometric, 1), self.samples)

    @property
    def opacity(self) -> int | None:
        behind = self.extra[: self.samples - self.colours]
        return next((self.colours + at for at, kind in enumerate(behind) if kind in (1, 2)), None)

    @property
    def has_byte_codec(self) -> bool:
        """True if its compression works on plain bytes, not on pixels."""
        return self.compression in BYTE_CODECS

    @property
    def is_usual(self) -> bool:
        """True if Pillow reads it: grey or colour, perhaps with opacity, of usual depths."""
        if self.samples - self.colours - (self.opacity is not None) > 0:
            return False
        if self.photometric == _CMYK:
            return self.bits in (8, 16)
        depth = (self.bits, self.format)
        wide = self.samples == 1 and depth in ((16, 1), (32, 3))
        wide &= self.photometric != _WHITE_IS_ZERO  # which Pillow does not invert
        return wide or (0 < self.bits <= 8 and self.format in (1, 4))


@dataclass(frozen=True)
class Directory:
    file: Tiff = field(repr=False)
    at: int  # its position, and that of the next one; 0 for none
    next: int
    entries: dict[int, Entry]  # by tag
    # distance of its pixels from the noted position, for pages without a directory
    shift: int = 0

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the integers of a tag; none if it is missing or of another type."""
        entry = self.entries.get(tag)
        if entry is None or entry.type not in _WHOLE:
            return ()
        data = self.value(tag)
        count = len(data) // _SIZES[entry.type]
        return struct.unpack(f"{self.file.order}{count}{_WHOLE[entry.type]}", data)

    def number(self, tag: int, otherwise: int = 0) -> int:
        found = self.numbers(tag)
        return found[0] if found else otherwise

    def value(self, tag: int) -> bytes:
        entry = self.entries[tag]
        if entry.size > _MOST_VALUE_BYTES:
            raise SourceError(f"the image is damaged: its tag {tag} claims {entry.size:,} bytes")
        data = self.file.read(entry.at, entry.size)
        if len(data) < entry.size:
            raise SourceError(f"the image is cut off: the values of its tag {tag} are missing")
        return data

    @property
    def is_imagej(self) -> bool:
        entry = self.entries.get(DESCRIPTION)
        return entry is not None and self.file.read(entry.at, len(_IMAGEJ)) == _IMAGEJ

    @property
    def plain_bytes(self) -> int:
        """Bytes of its pixels if they are stored uncompressed in one piece, else 0."""
        places, layout = self.numbers(STRIP_OFFSETS), self.layout
        sizes = self.numbers(STRIP_BYTES)
        whole = layout.height * layout.width * layout.samples * layout.bits // 8
        joined = all(a + n == b for a, n, b in zip(places, sizes, places[1:], strict=False))
        plain = layout.compression == 1 and layout.bits % 8 == 0 and joined
        return whole if plain and sum(sizes) in (whole, 0) else 0

    @cached_property
    def text(self) -> str:
        if DESCRIPTION not in self.entries:
            return ""
        return self.value(DESCRIPTION).split(b"\0")[0].decode("utf-8", "replace")

    @cached_property
    def layout(self) -> Layout:
        bits, formats = self.numbers(BITS) or (1,), self.numbers(FORMAT) or (1,)
        samples = self.number(SAMPLES, 1)
        is_even = len(set(bits[:samples])) == 1 and len(set(formats[:samples])) == 1
        compression = self.number(COMPRESSION, 1)
        return Layout(
            self.number(HEIGHT),
            self.number(WIDTH),
            samples,
            bits[0] if is_even else 0,
            formats[0],
            self.number(PHOTOMETRIC, 1),
            compression,
            samples > 1 and self.number(PLANAR, 1) == 2,
            self.number(PREDICTOR, 1) if compression in _PREDICTED else 1,
            self.number(TILE_WIDTH) if TILE_OFFSETS in self.entries else 0,
            self.numbers(EXTRA_SAMPLES),
        )

    @cached_property
    def orientation(self) -> int:
        found = self.number(ORIENTATION, 1)
        return found if 1 <= found <= 8 else 1

    @cached_property
    def is_reduced(self) -> bool:
        """True if it is a smaller version or a mask of another page (TIFF 6.0, NewSubfileType)."""
        return bool(self.number(SUBFILE) & 5)


@dataclass(frozen=True)
class Tiff:
    read: ReadAt
    order: str  # byte order, ``<`` or ``>`` as in struct
    big: bool  # BigTIFF: positions of 8 bytes
    first: int  # position of its first directory

    def directory(self, at: int) -> Directory:
        place, counted = ("Q", "Q") if self.big else ("I", "H")
        width = 20 if self.big else 12
        head = self.read(at, 8 if self.big else 2)
        if at <= 0 or len(head) < (8 if self.big else 2):
            raise SourceError("the image is cut off: a directory of its pages is missing")
        count = struct.unpack(self.order + counted, head)[0]
        if not 0 < count <= _MOST_TAGS:
            raise SourceError(f"the image is damaged: one of its pages claims {count:,} tags")
        first = at + len(head)
        data = self.read(first, count * width + (8 if self.big else 4))
        if len(data) < count * width:
            raise SourceError("the image is cut off within a directory of its pages")
        inner = 8 if self.big else 4
        order: Literal["little", "big"] = "little" if self.order == "<" else "big"
        entries = {}
        rows = struct.iter_unpack(f"{self.order}HH{place}{inner}s", data[: count * width])
        for i, (tag, kind, number, value) in enumerate(rows, 1):
            where = first + i * width - inner  # short values are in the entry itself
            if _SIZES.get(kind, 1) * number > inner:
                where = int.from_bytes(value, order)
            entries[tag] = Entry(kind, number, where)
        end = data[count * width :]
        follows = struct.unpack(self.order + place, end)[0] if len(end) == inner else 0
        return Directory(self, at, follows, entries)

    def pages(self) -> list[Directory]:
        found, seen, at = list[Directory](), set[int](), self.first
        while at or not found:
            if at in seen or len(found) == _MOST_PAGES:
                raise SourceError("the image is damaged: its pages lead in a circle")
            seen.add(at)
            found.append(self.directory(at))
            at = found[-1].next
        return found


def is_tiff(head: bytes) -> bool:
    """Return whether the first bytes are those of TIFF, or of a format built on it."""
    return head[:4] in MAGIC


def open_tiff(read: ReadAt) -> Tiff | None:
    r"""Open a TIFF file; None if it is not one.

    >>> open_tiff(reader(b"MM\0*\0\0\0\x08" + bytes(6))).first
    8
    """
    head = read(0, 16)
    if not is_tiff(head):
        return None
    order, big = "<" if head[:1] == b"I" else ">", head[2:4] in (b"+\0", b"\0+")
    if len(head) < (16 if big else 8):
        raise SourceError("the image is cut off within its first bytes")
    return Tiff(
        read,
        order,
        big,
        struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)[0],
    )


def reader(data: bytes) -> ReadAt:
    return lambda at, length: data[at : at + length]
