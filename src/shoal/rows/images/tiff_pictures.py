"""Which pages of a TIFF file make one picture: each page, or several as its channels.

Pages are channels where metadata says so: of OME (https://docs.openmicroscopy.org/ome-model/),
of ImageJ, or of tifffile, which notes the shape of the array that it wrote and perhaps its axes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SourceError
from shoal.rows.images.tiff import Directory, Tiff

Pages = Literal["auto", "rows", "channels"]
Page = TypeVar("Page")

MOST_CHANNELS = 16
"""Most pages that are channels by their shape alone: stacks of more pages are series."""

_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_ATTRIBUTE = re.compile(r'\b(\w+)\s*=\s*"([^"]*)"')
_IMAGEJ = re.compile(r"^(images|channels|slices|frames)=(\d+)\s*$", re.MULTILINE)
_MOST_PLANES = 1 << 20


@dataclass(frozen=True)
class Pictures(Generic[Page]):
    pages: tuple[Page, ...]  # those of each picture together, in order of their channels
    each: int = 1  # pages a picture
    # whether all pages were written as one array whose first axis has no name
    is_array: bool = False

    def __len__(self) -> int:
        return len(self.pages) // self.each

    def picture(self, number: int) -> tuple[Page, ...]:
        return self.pages[number * self.each : (number + 1) * self.each]


def find_pictures(file: Tiff, pages: Pages = "auto") -> Pictures[Directory]:
    """Find the pictures of a file, without pages that are smaller versions of others."""
    first = file.directory(file.first)
    if first.next:
        every = file.pages()
        found = tuple(page for page in every if not page.is_reduced) or (first,)
    else:
        found = _imagej_pages(first) if first.is_imagej else (first,)
    if pages == "channels":
        return Pictures(found, len(found))
    if pages == "rows" or len(found) == 1:
        return Pictures(found)
    order, is_array = _grouped(first, len(found))
    if order is None:
        return Pictures(found, is_array=is_array)
    return Pictures(tuple(found[at] for at in order.ravel()), order.shape[1])


def _imagej_pages(first: Directory) -> tuple[Directory, ...]:
    """Return the pages of a stack for which ImageJ wrote only the first directory.

    It does so above 4 GB; the pictures follow each other.
    """
    count = int(dict(_IMAGEJ.findall(first.text)).get("images", "1"))
    if count < 2:
        return (first,)
    size = first.plain_bytes
    if not size or count > _MOST_PLANES:
        raise SourceError(
            f"ImageJ notes {count:,} images in the file, but only the first can be found: save "
            "it anew as TIFF"
        )
    return tuple(replace(first, shift=at * size) for at in range(count))


def _grouped(first: Directory, count: int) -> tuple[NDArray[np.int64] | None, bool]:
    """Return the pages of each picture's channels, or None; and whether they are one array."""
    text = first.text
    if first.is_imagej:
        noted = {name: int(number) for name, number in _IMAGEJ.findall(text)}
        sizes = [("T", noted.get("frames", 1)), ("Z", noted.get("slices", 1))]
        return _by_channel([[*sizes, ("C", noted.get("channels", 1))]], count), False
    if "<OME" in text[:2000] or ":OME" in text[:2000]:
        return _by_channel(_ome_sizes(text, first.layout.samples), count), False
    if text.startswith('{"shape"'):
        return _of_shape(text, first, count)
    return None, False


def _ome_sizes(text: str, samples: int) -> list[list[tuple[str, int]]]:
    """Return the axes of each image in OME metadata, slowest first, without rows and columns."""
    found = []
    for tag in _PIXELS.findall(text):
        noted = dict(_ATTRIBUTE.findall(tag))
        try:
            sizes = {axis: int(noted.get(f"Size{axis}", "1")) for axis in "CZT"}
        except ValueError:
            return []
        sizes["C"] = max(1, sizes["C"] // samples)
        order = [axis for axis in reversed(noted.get("DimensionOrder", "XYCZT")) if axis in sizes]
        found.append([(axis, sizes[axis]) for axis in order])
    return found


def _of_shape(text: str, first: Directory, count: int) -> tuple[NDArray[np.int64] | None, bool]:
    try:
        noted = json.loads(text)
        shape, axes = [int(side) for side in noted["shape"]], str(noted.get("axes", ""))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None, False
    behind = 2 + (first.layout.samples > 1 and shape[-1:] == [first.layout.samples])
    leading = shape[: len(shape) - behind]
    if len(axes) == len(shape):
        return _by_channel([list(zip(axes, leading, strict=False))], count), False
    return None, [count] == leading


def _by_channel(images: list[list[tuple[str, int]]], count: int) -> NDArray[np.int64] | None:
    """Return the pages ``(pictures, channels)``; None for one channel, or for wrong totals.

    >>> _by_channel([[("C", 2), ("Z", 3)]], 6).tolist()
    [[0, 3], [1, 4], [2, 5]]
    """
    found, at = [], 0
    for sizes in images:
        lengths = [length for _, length in sizes]
        total = int(np.prod(lengths))
        channel = next((i for i, (axis, _) in enumerate(sizes) if axis in "CS"), None)
        if channel is None or not 0 < total <= count:
            return None
        order = np.arange(at, at + total).reshape(lengths)
        found.append(np.moveaxis(order, channel, -1).reshape(-1, lengths[channel]))
        at += total
    if at != count or len({order.shape[1] for order in found}) != 1 or found[0].shape[1] < 2:
        return None
    return np.concatenate(found)
