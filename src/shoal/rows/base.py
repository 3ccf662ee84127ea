"""The protocol of a source: rows of images or vectors, readable in any range of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.errors import InputError
from shoal.rows.kinds import ways

if TYPE_CHECKING:
    from shoal.rows.arrays.array import ArraySource
    from shoal.rows.images.encoded import EncodedSource
    from shoal.rows.tables.mixed import TableSource
    from shoal.rows.taken import Taken

Kind = Literal["images", "vectors", "table"]
LabelValues = Sequence[Any] | NDArray
"""One label per row: numbers, or text with None for a missing label."""


@dataclass(frozen=True)
class Batch:
    """Decoded rows ``start..stop`` of a source.

    `data` has one entry a row: uint8 ``(n, H, W, C)`` for images (grey, RGB, or other channels),
    float32 ``(n, D)`` for vectors. A row that could not be read is all zeros there and has
    its position within the batch as a key of `bad`, with the reason as the value.
    """

    data: NDArray
    bad: dict[int, str] = field(default_factory=dict)


class Rows(Protocol):
    """Defaults of a source: its rows are not in files that are known."""

    @property
    def taken(self) -> Taken | None:
        """Which rows of another source these are; None for a whole source."""
        return None

    def take(self, taken: Taken, label: str = "") -> Source:
        """Return some rows, in any order; `label` is added to the description.

        Each keeps its name, or else its number in this source.
        """
        raise NotImplementedError

    @property
    def waits(self) -> bool:
        """True if reads wait for a network, or for a disk without the system's cache."""
        return False

    def together(self, page: int) -> int:
        """Return how many rows share a page of `page` bytes, and are read as fast as one."""
        return 1

    def some(self: Any, count: int) -> NDArray[np.int64]:
        """Return up to `count` rows from all over that can be read without all others, in order."""
        return spread(self.n_rows, count)

    def first_facts(self, n: int) -> dict[str, Any] | None:
        """Return the facts (sizes, times, names) of the first n rows alone.

        None where they are unknown: within a file, or in formats without such facts.
        """
        return None

    @property
    def label_origin(self) -> str | None:
        """Origin of the labels in messages (``truth.parquet, source``); None without labels."""
        return None

    def labels(self, key: str | None = None) -> LabelValues | None:
        """Read the label of each row, None where it is missing; None without labels.

        `key` is a column or array of their file, where it has several.
        """
        return None

    def as_array(self) -> ArraySource | None:
        return None

    def as_files(self) -> EncodedSource | None:
        return None

    def as_table(self) -> TableSource | None:
        return None

    def file_stamps(self) -> list[list[Any]] | None:
        """Return name, size, time and number of rows of each array file; None for other sources."""
        return None


def spread(n_rows: int, count: int) -> NDArray[np.int64]:
    """Return up to `count` different rows, evenly spread over `n_rows`, in order.

    >>> spread(9, 3).tolist(), spread(2, 5).tolist()
    ([0, 4, 8], [0, 1])
    """
    return np.linspace(0, max(n_rows - 1, 0), min(n_rows, count)).astype(np.int64)


@runtime_checkable
class Source(Rows, Protocol):
    """Rows of images or vectors, readable in any range from any thread or process.

    Sources are picklable and small: they have paths and shapes, and open files when read. Subclass
    `Rows` for the defaults.
    """

    @property
    def kind(self) -> Kind:
        """``"images"``, ``"vectors"`` or ``"table"`` (columns of mixed meaning)."""

    @property
    def n_rows(self) -> int:
        """Number of rows, including unreadable ones."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row as `read` returns it: ``(H, W, C)`` or ``(D,)``."""

    @property
    def mixed_sizes(self) -> bool:
        """True if images have several sizes and are scaled to `shape` by `read`."""

    @property
    def description(self) -> str:
        """One line for messages: ``70,000 grey images of 28×28 (mnist.npz, key images)``."""

    def fingerprint(self) -> dict[str, Any]:
        """Return facts for JSON that change when the data change (paths, sizes, times)."""

    def names(self, start: int, stop: int) -> list[str] | None:
        """Return names of rows (relative file paths, ids), or None where rows have only numbers."""

    def read(self, start: int, stop: int) -> Batch:
        """Decode rows ``start..stop``."""


@runtime_checkable
class ImageSource(Source, Protocol):
    """A source that returns its rows in their own size, or in one that an encoder requests."""

    @property
    def typical_size(self) -> tuple[int, int]:
        """Median height and width of the sampled images as stored."""

    def with_request(self, request: ImageRequest) -> Self:
        """Return the same rows in another size and crop, with a matching `shape`."""

    def read_original(self, row: int, max_side: int | None = None) -> NDArray[np.uint8]:
        """Return one image ``(H, W, C)`` in its own size, or scaled down to `max_side`."""


def remarks_of(source: Source) -> list[str]:
    """Return remarks about a source, in sentences, that its description leaves out."""
    dialect = getattr(getattr(source, "table", None), "dialect", None)
    units = shorten(dialect.units, 60, placeholder=" …") if dialect else ""
    text = f"The row under the column names is read as units, not as data: {units}"
    below = [text] if units else []
    return [*getattr(source, "remarks", ()), *below, *ways(getattr(source, "left_out", {}))]


class Labels(Protocol):
    """Labels stored beside rows, not read yet."""

    @property
    def origin(self) -> str | None:
        """Their origin in messages: ``truth.parquet, source``; None without labels."""

    def read(self, source: Source, key: str | None = None) -> LabelValues | None:
        """Read the labels of the rows of `source`; None without labels."""


def as_requested(source: Source, request: ImageRequest | None) -> Source:
    """Return the images of a source in the size that an encoder requests; None changes nothing."""
    if request is None:
        return source
    if source.kind != "images" or not isinstance(source, ImageSource):
        raise InputError(f"rows of {source.description} have no pictures to scale")
    channels = source.shape[2]
    if request.channels in (1, 3) and channels not in (1, 3):
        raise InputError(
            f"{source.description}, but these features take grey or colour: save three of the "
            f"{channels} channels as RGB"
        )
    return source.with_request(request)
