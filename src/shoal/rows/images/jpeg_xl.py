"""JPEG XL by imagecodecs, behind Pillow's interface: the size is read without decoding.

Format: ISO/IEC 18181-1 (codestream; size header and image metadata) and 18181-2 (boxes).
"""

from __future__ import annotations

from typing import Any

from PIL import Image, ImageFile

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_WIDTHS = (9, 13, 18, 30)  # bits of a size, by the two bits before it
_HEADER = 64  # bytes that are enough for the size and the orientation


class JxlImageFile(ImageFile.ImageFile):
    format = "JXL"
    format_description = "JPEG XL"

    def _open(self) -> None:
        self._data = self.fp.read()  # type: ignore[union-attr]
        self._size = read_size(self._data)
        self._mode = "RGBA"  # the most that decoding takes
        self.tile = []

    def load(self) -> Any:
        if self._data:
            import imagecodecs
            import numpy as np

            pixels = imagecodecs.jpegxl_decode(self._data, index=0, numthreads=1)
            if pixels.dtype == np.uint16:
                pixels = (pixels >> 8).astype(np.uint8)
            elif pixels.dtype != np.uint8:
                pixels = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
            picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
            self.im, self._mode, self._size = picture.im, picture.mode, picture.size
            self._data = b""
        return super().load()


def read_size(data: bytes) -> tuple[int, int]:
    bits = _Bits(_codestream(data)[2:_HEADER])
    small = bits.take(1)
    height = 8 * (bits.take(5) + 1) if small else 1 + bits.take(_WIDTHS[bits.take(2)])
    ratio = bits.take(3)
    if ratio:
        width = height * _RATIOS[ratio][0] // _RATIOS[ratio][1]
    else:
        width = 8 * (bits.take(5) + 1) if small else 1 + bits.take(_WIDTHS[bits.take(2)])
    is_plain = bits.take(1)
    is_turned = not is_plain and bits.take(1) and bits.take(3) >= 4
    return (height, width) if is_turned else (width, height)


def _codestream(data: bytes) -> bytes:
    if data[:2] == b"\xff\x0a":
        return data[:_HEADER]
    at = 0
    while at + 16 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        inner = at + 8
        if length == 1:
            length, inner = int.from_bytes(data[inner : inner + 8], "big"), inner + 8
        if kind in (b"jxlc", b"jxlp"):
            inner += 4 if kind == b"jxlp" else 0
            return data[inner : inner + _HEADER]
        if length < 8:
            break
        at += length
    raise SyntaxError("no JPEG XL codestream")


class _Bits:
    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise SyntaxError("the JPEG XL header is cut off")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found
