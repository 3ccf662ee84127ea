"""Pictures of rows for people: small ones, and images beside the vectors that are clustered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.errors import InputError, SourceError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.arrays.pixels import shaped
from shoal.rows.base import ImageSource, LabelValues, Source
from shoal.settings import available_cores

_SPAN = 16


def thumbnails(
    source: Source,
    rows: Sequence[int] | NDArray[Any],
    side: int = 96,
    *,
    keep: Literal["centre", "all"] = "centre",
) -> NDArray[np.uint8]:
    """Return small square pictures ``(n, side, side, C)`` of some rows, in the order given.

    They are cropped to the central square, or padded with white. C is 1 for grey, else 3: see
    `to_channels`. An unreadable row is mid-grey.
    """
    seen = as_squares(source, side, keep)
    pictures = np.full((len(rows), side, side, seen.shape[2]), 128, np.uint8)
    if not len(rows):
        return pictures
    # in stored order, each once: tables and archives are read sequentially
    once, at = np.unique(np.asarray(rows, np.int64), return_inverse=True)
    spans = np.split(once, np.flatnonzero(np.diff(once) > 1) + 1)
    pieces = [span[low : low + _SPAN] for span in spans for low in range(0, len(span), _SPAN)]

    def read(piece: NDArray[np.int64]) -> NDArray[np.uint8]:
        return read_span(seen, int(piece[0]), int(piece[-1]) + 1)

    if len(pieces) == 1:
        pictures[...] = read(pieces[0])[at.ravel()]
        return pictures
    with ThreadPoolExecutor(available_cores()) as pool:
        pictures[...] = np.concatenate(list(pool.map(read, pieces)))[at.ravel()]
    return pictures


def as_squares(source: Source, side: int, keep: Literal["centre", "all"] = "centre") -> Source:
    if source.kind != "images" or not isinstance(source, ImageSource):
        raise InputError(f"rows of {source.description} have no pictures")
    channels = 1 if source.shape[2] == 1 else 3
    fit: Any = "crop" if keep == "centre" else "pad"
    return source.with_request(ImageRequest((side, side), channels=channels, fit=fit))


def read_span(source: Source, start: int, stop: int) -> NDArray[np.uint8]:
    """Read rows ``start..stop``; unreadable ones are mid-grey."""
    batch = source.read(start, stop)
    pictures: NDArray[np.uint8] = batch.data
    pictures[list(batch.bad)] = 128
    return pictures


def square(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return shaped(image, ImageRequest((side, side)))


def some_images(source: Source, count: int, max_side: int) -> list[NDArray[np.uint8]]:
    """Return up to `count` images ``(H, W, C)`` from all over a source, always the same ones.

    Unreadable ones are left out; there are none in a source of other rows.
    """
    if source.kind != "images" or not isinstance(source, ImageSource):
        return []
    found = []
    for row in source.some(count).tolist():
        try:
            found.append(source.read_original(row, max_side))
        except SourceError:
            continue
    return found


@dataclass(frozen=True, eq=False)
class LabelsOfRows:
    rows: Source

    @property
    def origin(self) -> str | None:
        return self.rows.label_origin

    def read(self, source: Source, key: str | None = None) -> LabelValues | None:
        return self.rows.labels(key)


def with_pictures(rows: Source, pictures: Source, sorted_here: bool = False) -> ArraySource:
    """Combine vectors with images: row i is shown by image i.

    `sorted_here`: the images were sorted as files of a folder, not given in an order.
    """
    array = rows.as_array()
    if rows.kind != "vectors" or array is None:
        what = "images already" if rows.kind == "images" else "columns of a table"
        raise InputError(
            f"images are shown beside vectors, but the rows of {rows.description} are {what}: "
            "leave --images out, or read the rows --as vectors"
        )
    check_pictures(pictures, rows.n_rows, rows.description)
    remark = _order_remark(pictures) if sorted_here else ""
    shown, left_out = cast(ImageSource, pictures), dict(getattr(pictures, "left_out", {}))
    return replace(array, pictures=shown, order_remark=remark, left_out=left_out)


def check_pictures(pictures: Source, n_rows: int, rows: str) -> None:
    if pictures.kind != "images" or not isinstance(pictures, ImageSource):
        raise InputError(f"--images {pictures.description}: give images")
    if pictures.n_rows != n_rows:
        raise InputError(
            f"{rows}, but {pictures.description}: give one image for each of the {n_rows:,} rows, "
            "in the same order, such as by a text file of their paths"
        )


def beside_vectors(source: Source) -> ImageSource | None:
    array = source.as_array()
    return None if array is None else array.pictures


def rows_of(source: Source) -> Source:
    array = source.as_array()
    if array is None or array.pictures is None:
        return source
    return replace(array, pictures=None, order_remark="", left_out={})


def pictures_of(source: Source) -> Source:
    """Return the images shown for vectors, with the labels of the vectors; other sources as is."""
    pictures, rows = beside_vectors(source), rows_of(source)
    if pictures is None:
        return source
    own = pictures.as_array() or pictures.as_files()
    if own is not None and rows.label_origin:
        return replace(own, beside=LabelsOfRows(rows))
    return pictures


def _order_remark(pictures: Source) -> str:
    names = pictures.names(0, pictures.n_rows) or []
    if names == sorted(names):
        return ""
    return (
        "The images are in natural order (2 before 10): where the vectors were made in another, "
        "such as that of a plain sort, give --images a text file of the paths."
    )
