"""Samples of TIFF pages that Pillow does not read: any bands, any depth, several pages."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from shoal.errors import SourceError
from shoal.rows.images.tiff import JPEG, Directory, Layout
from shoal.rows.images.tiff_pages import row_bytes, samples_as_bytes

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
    """Return the type of a page's numbers as stored; packed ones as after unpacking."""
    layout = page.layout
    size = {12: 2}.get(layout.bits, max(1, layout.bits // 8))
    return np.dtype(f"{page.file.order}{_KINDS.get(layout.format, 'u')}{size}")


def _page_numbers(page: Directory, sample: int | None) -> NDArray[Any]:
    """Return the numbers of a page, or of one of its samples, ``(H, W, S)``."""
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
