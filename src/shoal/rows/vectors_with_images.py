"""Vectors with an image beside each: the vectors are compared, the images are shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

from shoal.errors import InputError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.base import Batch, ImageSource, Kind, LabelValues, Rows, Source
from shoal.rows.taken import Taken


@dataclass(frozen=True, eq=False)
class PicturedSource(Rows):
    """Vectors, and the images that they were made of, in the same order."""

    rows: Source  # the vectors
    pictures: ImageSource  # the images, which name the rows
    remark: str = ""  # what people should know of the order of the images

    @property
    def taken(self) -> Taken | None:
        return self.rows.taken

    def take(self, taken: Taken, label: str = "") -> Source:
        pictures: Any = self.pictures.take(taken)
        return replace(self, rows=self.rows.take(taken, label), pictures=pictures)

    @property
    def waits(self) -> bool:
        return self.rows.waits

    def together(self, page: int) -> int:
        return self.rows.together(page)

    def as_array(self) -> ArraySource | None:
        return self.rows.as_array()

    def first_facts(self, n: int) -> dict[str, Any] | None:
        return self.rows.first_facts(n)

    def file_stamps(self) -> list[list[Any]] | None:
        return self.rows.file_stamps()

    @property
    def kind(self) -> Kind:
        return self.rows.kind

    @property
    def n_rows(self) -> int:
        return self.rows.n_rows

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    @property
    def mixed_sizes(self) -> bool:
        return False

    @property
    def description(self) -> str:
        return f"{self.rows.description}, shown by {self.pictures.description}"

    @property
    def remarks(self) -> tuple[str, ...]:
        both = (*getattr(self.rows, "remarks", ()), *getattr(self.pictures, "remarks", ()))
        return (*both, self.remark) if self.remark else both

    @property
    def left_out(self) -> dict[str, int]:
        return dict(getattr(self.pictures, "left_out", {}))

    @property
    def column_names(self) -> tuple[str, ...]:
        return getattr(self.rows, "column_names", ())

    @property
    def label_origin(self) -> str | None:
        return next((o for one in (self.rows, self.pictures) if (o := one.label_origin)), None)

    def labels(self, key: str | None = None) -> LabelValues | None:
        found = (one.labels(key) for one in (self.rows, self.pictures) if one.label_origin or key)
        return next((labels for labels in found if labels is not None), None)

    def fingerprint(self) -> dict[str, Any]:
        return {**self.rows.fingerprint(), "pictures": self.pictures.fingerprint()}

    def names(self, start: int, stop: int) -> list[str] | None:
        named = self.pictures.names(start, stop)
        return self.rows.names(start, stop) if named is None else named

    def read(self, start: int, stop: int) -> Batch:
        return self.rows.read(start, stop)


@dataclass(frozen=True, eq=False)
class LabelsOfRows:
    rows: Source

    @property
    def origin(self) -> str | None:
        return self.rows.label_origin

    def read(self, source: Source, key: str | None = None) -> LabelValues | None:
        return self.rows.labels(key)


def with_pictures(rows: Source, pictures: Source, sorted_here: bool = False) -> PicturedSource:
    """Put images beside vectors: row i is shown by image i."""
    if rows.kind != "vectors":
        what = "images already" if rows.kind == "images" else "columns of a table"
        raise InputError(
            f"images are shown beside vectors, but the rows of {rows.description} are {what}: "
            "leave --images out, or read the rows --as vectors"
        )
    check_pictures(pictures, rows.n_rows, rows.description)
    remark = _order_remark(pictures) if sorted_here else ""
    return PicturedSource(rows, cast(ImageSource, pictures), remark)


def check_pictures(pictures: Source, n_rows: int, rows: str) -> None:
    if pictures.kind != "images" or not isinstance(pictures, ImageSource):
        raise InputError(f"--images {pictures.description}: give images")
    if pictures.n_rows != n_rows:
        raise InputError(
            f"{rows}, but {pictures.description}: give one image for each of the {n_rows:,} rows, "
            "in the same order, such as by a text file of their paths"
        )


def rows_of(source: Source) -> Source:
    """Return the vectors of a source with pictures; others as they are."""
    return source.rows if isinstance(source, PicturedSource) else source


def pictures_of(source: Source) -> Source:
    """Return the images of a source with pictures, with the labels of its vectors; others as is."""
    if not isinstance(source, PicturedSource):
        return source
    rows, pictures = source.rows, source.pictures
    own = pictures.as_array() or pictures.as_files()
    if own is not None and rows.label_origin:
        return replace(own, beside=LabelsOfRows(rows))
    return pictures


def _order_remark(pictures: Source) -> str:
    """Say in which order images are, where that of a plain sort of their names is another."""
    names = pictures.names(0, pictures.n_rows) or []
    if names == sorted(names):
        return ""
    return (
        "The images are in natural order (2 before 10): where the vectors were made in another, "
        "such as that of a plain sort, give --images a text file of the paths."
    )
