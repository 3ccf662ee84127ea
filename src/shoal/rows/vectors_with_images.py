"""Vectors with an image for each: the vectors are clustered, the images are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from shoal.errors import InputError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.base import ImageSource, LabelValues, Source


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
    """Return a remark if the order of the images differs from a plain sort of their names."""
    names = pictures.names(0, pictures.n_rows) or []
    if names == sorted(names):
        return ""
    return (
        "The images are in natural order (2 before 10): where the vectors were made in another, "
        "such as that of a plain sort, give --images a text file of the paths."
    )
