"""Images or vectors in an array: in memory, ``.npy``, ``.npz``, or shards of ``.npy``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.image_request import ImageRequest
from shoal.core.plural import plural
from shoal.errors import InputError, SourceError
from shoal.rows.arrays.pixels import (
    BLACK,
    WHITE,
    PixelRule,
    bad_values,
    colour_word,
    limit,
    plan_pixels,
    show,
    to_vectors,
)
from shoal.rows.base import Batch, ImageSource, Kind, Labels, LabelValues, Rows, Source
from shoal.rows.memory_budget import refuse_opening
from shoal.rows.store import MemoryStore, Store, check_range
from shoal.rows.tables.selection import NOTHING, Chosen
from shoal.rows.taken import Taken, TakenStore, row_bytes, taken_part

_SAMPLE_ROWS = 256
_SAMPLE_BYTES = 1 << 26
_LEAST_SIDE = 16
_ROW_COPIES = 3  # of a row as it is read, its finite values found, and its pixels made


@dataclass(frozen=True)
class ArraySource(Rows):
    """Rows of an array as images (by a `PixelRule`) or, without a rule, as vectors."""

    store: Store
    row_shape: tuple[int, ...]  # shape given to a stored row
    rule: PixelRule | None  # how it becomes an image; None for vectors
    label: str  # in messages: ``mnist.npz, key images``
    beside: Labels | None = None  # labels in the same folder or file
    # how many files beside its own are left out, by their extensions
    left_out: Mapping[str, int] = field(default_factory=dict)
    # for named columns: which are left out, and why they are vectors
    chosen: Chosen = NOTHING
    column_names: tuple[str, ...] = ()
    scale_remark: str = ""  # how the stored numbers are scaled, unless it is obvious
    # images shown for vectors, in the same order; they also name the rows
    pictures: ImageSource | None = None
    order_remark: str = ""  # about the order of the images

    @property
    def kind(self) -> Kind:
        return "images" if self.rule else "vectors"

    @property
    def n_rows(self) -> int:
        return self.store.n_rows

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rule.shape if self.rule else (int(np.prod(self.row_shape)),)

    @property
    def table(self) -> Any:
        return getattr(self.beside, "table", None)

    @property
    def is_parsed(self) -> bool:
        return self.rule is None and self.store.is_parsed

    @property
    def mixed_sizes(self) -> bool:
        return self.rule is not None and self.rule.scaled

    @property
    def description(self) -> str:
        label = f"{self.label}{self.chosen.briefly}"
        if self.rule is None:
            numbers = plural(self.shape[0], "number")
            text = f"{plural(self.n_rows, 'vector')} of {numbers} ({label})"
            shown = f", shown by {self.pictures.description}" if self.pictures else ""
            return text + shown
        colour = colour_word(self.rule.shape[2])
        count = plural(self.n_rows, f"{colour} image")
        text = f"{count} of {show(self.rule.native[:2])} ({label})"
        return text + self._remarks(self.rule)

    @property
    def remarks(self) -> tuple[str, ...]:
        shown = getattr(self.pictures, "remarks", ())
        every = (*self.chosen.remarks, self.scale_remark, *shown, self.order_remark)
        return tuple(remark for remark in every if remark)

    def _remarks(self, rule: PixelRule) -> str:
        text = ""
        if rule.channels_first:
            text += ", channels first"
        if (rule.low, rule.high) != (0.0, 255.0) and self.store.dtype != bool:
            text += f", values {rule.low:g} to {rule.high:g}"
        if rule.opacity and rule.ground != WHITE:
            text += f", {'black' if rule.ground == BLACK else 'grey'} background"
        return text

    def fingerprint(self) -> dict[str, Any]:
        rule: list[Any] | None = None
        if self.rule:
            rule = [self.rule.channels_first, self.rule.low, self.rule.high]
            rule += [self.rule.request.as_dict()] if self.rule.request else []
            rule += [self.rule.ground] if self.rule.ground != WHITE else []
        return {
            "kind": self.kind,
            "n_rows": self.n_rows,
            "shape": list(self.shape),
            "stored": [str(self.store.dtype), *self.row_shape],
            "rule": rule,
            **({"columns": list(self.column_names)} if self.column_names else {}),
            **self.store.facts(),
            **({"pictures": self.pictures.fingerprint()} if self.pictures else {}),
        }

    @property
    def typical_size(self) -> tuple[int, int]:
        return self._rule("size").native[:2]

    def with_request(self, request: ImageRequest) -> ArraySource:
        return replace(self, rule=self._rule("picture").with_request(request))

    def _rule(self, what: str) -> PixelRule:
        if self.rule is None:
            raise InputError(f"{self.label} holds vectors: its rows have no {what}")
        return self.rule

    @property
    def taken(self) -> Taken | None:
        return getattr(self.store, "taken", None)

    def take(self, taken: Taken, label: str = "") -> Source:
        store = taken_part(self.store, taken, TakenStore)
        pictures: Any = self.pictures.take(taken) if self.pictures else None
        return replace(self, store=store, label=self.label + label, pictures=pictures)

    @property
    def waits(self) -> bool:
        return self.store.waits

    def together(self, page: int) -> int:
        return page // row_bytes(self.store) if self.store.by_range else 1

    def first_facts(self, n: int) -> dict[str, Any] | None:
        part = self.store.first(n)
        return None if part is None else part.facts()

    def as_array(self) -> ArraySource:
        return self

    def file_stamps(self) -> list[list[Any]] | None:
        files = self.store.files()
        return [[f.path.name, f.size, f.mtime_ns, f.n_rows] for f in files] or None

    def names(self, start: int, stop: int) -> list[str] | None:
        shown = self.pictures.names(start, stop) if self.pictures else None
        return self.store.names(start, stop) if shown is None else shown

    @property
    def label_origin(self) -> str | None:
        own = self.beside.origin if self.beside else None
        return self.pictures.label_origin if own is None and self.pictures else own

    def labels(self, key: str | None = None) -> LabelValues | None:
        found = self.beside.read(self, key) if self.beside else None
        return self.pictures.labels(key) if found is None and self.pictures else found

    def read(self, start: int, stop: int) -> Batch:
        stored = self.store.read(start, stop)
        rows = stored.data.reshape(stop - start, *self.row_shape)
        if self.rule is None:
            vectors, bad = to_vectors(rows)
            return Batch(vectors, bad | stored.bad)
        bad = bad_values(rows) | stored.bad
        pixels = self.rule.apply(rows)
        pixels[list(bad)] = 0
        return Batch(pixels, bad)

    def read_original(self, row: int, max_side: int | None = None) -> NDArray[np.uint8]:
        if self.rule is None:
            raise InputError(f"{self.label} holds vectors, so row {row} has no picture")
        check_range(row, row + 1, self.n_rows)
        stored = self.store.read(row, row + 1)
        rows = stored.data.reshape(1, *self.row_shape)
        bad = bad_values(rows) | stored.bad
        if bad:
            raise SourceError(f"row {row}: {bad[0]}")
        return limit(self.rule.apply(rows, native=True)[0], max_side)


def make_array_source(
    store: Store,
    label: str,
    *,
    as_: Kind | None = None,
    shape: tuple[int, ...] | None = None,
    image_size: tuple[int, int] | None = None,
) -> ArraySource:
    """Decide whether rows are images or vectors, and how they are converted.

    Rows of one number each, text and records are rejected; rows ``(D,)`` are vectors, rows
    ``(H, W)`` and ``(H, W, C)`` images, unless `as_` says ``"vectors"``. `shape` gives each
    row another shape of the same size.
    """
    row_shape = _reshaped(store.row_shape, shape, label)
    _check_rows(store, row_shape, label)
    if as_ == "table":
        raise InputError(f"{label} is one array, not a table: give --as images or --as vectors")
    images = as_ == "images" or (as_ is None and len(row_shape) > 1)
    if not images:
        return ArraySource(store, row_shape, None, label)
    if len(row_shape) == 1:
        raise InputError(
            f"{label} has rows of {row_shape[0]} numbers, which are vectors: to take them "
            "for images, give their shape, as in --shape 28,28"
        )
    _check_first_side((store.n_rows, *row_shape), label, sure=bool(as_ or shape))
    refuse_opening(_ROW_COPIES * row_bytes(store), f"reading a row of {label}")
    sample = sample_rows(store).reshape(-1, *row_shape)
    try:
        rule = plan_pixels(row_shape, sample, image_size)
    except InputError as error:
        raise InputError(f"{label}: {error}") from None
    return ArraySource(store, row_shape, rule, label)


def _check_first_side(whole: tuple[int, ...], label: str, *, sure: bool) -> None:
    """Raise if another axis than the first is probably that of the images."""
    first, last = whole[0], whole[-1]
    if not sure and min(whole[:2]) >= _LEAST_SIDE and whole[2:] in ((3,), (4,)):
        raise InputError(
            f"{label} is {show(whole)}, which looks like one colour picture: images are stacked as "
            f"N×H×W×C (give --as images to take it for {first} grey images)"
        )
    # MATLAB stacks along the last side: 28×28×N, 32×32×3×N
    square = len(whole) == 3 and first == whole[1] >= _LEAST_SIDE and last >= 2 * first
    colour = len(whole) == 4 and last > 4
    colour = colour and (whole[2] in (1, 3, 4) or (first in (1, 3) and last >= _LEAST_SIDE))
    if (square and not sure) or colour:
        raise InputError(
            f"{label} is {show(whole)}, and its last side looks like the number of images: move it "
            "first, as in images = numpy.moveaxis(images, -1, 0)"
            + (f" (or give --as images to take it for {first} images)" if square else "")
        )


def _reshaped(
    stored: tuple[int, ...], shape: tuple[int, ...] | None, label: str
) -> tuple[int, ...]:
    if shape is None:
        return stored
    if np.prod(shape) != np.prod(stored):
        raise InputError(
            f"--shape {','.join(map(str, shape))} has {np.prod(shape):,} numbers, but rows of "
            f"{label} are {show(stored) or 'single numbers'}"
        )
    return shape


def _check_rows(store: Store, row_shape: tuple[int, ...], label: str) -> None:
    if store.dtype.kind not in "buif":
        raise InputError(f"{label} holds {store.dtype}, but images and vectors are numbers")
    if not row_shape:
        raise InputError(
            f"{label} has one axis ({store.n_rows:,} numbers): images are N×H×W or N×H×W×C, "
            "vectors N×D"
        )
    if store.n_rows == 0 or 0 in row_shape:
        raise InputError(f"{label} is empty: its shape is {show((store.n_rows, *row_shape))}")


def sample_rows(store: Store) -> NDArray:
    count = max(1, min(store.n_rows, _SAMPLE_ROWS, _SAMPLE_BYTES // row_bytes(store)))
    runs = min(count, 16)
    length = count // runs
    starts = np.linspace(0, store.n_rows - length, runs).astype(int)
    batches = [store.read(int(at), int(at) + length) for at in starts]
    good = [np.delete(one.data, list(one.bad), 0) if one.bad else one.data for one in batches]
    sample = good[0] if len(good) == 1 else np.concatenate(good)
    if not len(sample):
        raise SourceError(batches[0].bad[0])
    return sample


def memory_store(array: Any) -> MemoryStore:
    """Return a store of an array, a list of equal arrays, or anything like an array."""
    try:
        found = np.asarray(array)
    except (ValueError, TypeError) as error:
        shapes = {np.shape(item) for item in array} if isinstance(array, Sequence) else set()
        if len(shapes) > 1:
            some = " and ".join(sorted(map(show, shapes))[:2])
            raise InputError(
                f"the list holds arrays of {len(shapes)} shapes ({some}): scale them to one, "
                "or save them as files in a folder"
            ) from None
        raise InputError(f"{type(array).__name__} cannot be read as an array: {error}") from None
    if found.ndim == 0:
        raise InputError(f"{array!r:.60} is not an array: give N×H×W, N×H×W×C or N×D")
    return MemoryStore(found)
