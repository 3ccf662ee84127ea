"""Pictures in the columns of a table: one pixel per column (``label,pixel0,pixel1``)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shoal.core.plural import listed
from shoal.errors import InputError
from shoal.rows.arrays.pixels import show
from shoal.rows.tables.columns import LOOKS, Column, find_answers
from shoal.rows.tables.opened import OpenedTable
from shoal.rows.tables.selection import Chosen, Picked, choose_columns

Shape = tuple[int, ...]

_PIXEL = re.compile(r"(?:pixels?|pix|px)[ _.-]*(\d+)", re.IGNORECASE)
_PLACE = re.compile(r"(?:pixels?|pix|px)[ _.-]*(\d+)[x_,.-](\d+)(?:[x_,.-](\d+))?", re.IGNORECASE)
_PLACE_ALONE = re.compile(r"(\d+)x(\d+)(?:x(\d+))?", re.IGNORECASE)
_UNNAMED = re.compile(r"(?:column )?\d+")
# Sets of pictures of 4×4 pixels are not known; without names, of 8×8 they are.
_FEWEST, _FEWEST_UNNAMED = 16, 64
_MOST_CLASSES, _MOST_OTHERS = 100, 3
_PARTS = frozenset(("usage", "split", "set", "fold", "subset", "partition"))


def choose_pixels(table: OpenedTable, fixed: Mapping[str, str]) -> tuple[Chosen, Shape | None]:
    """Choose how columns are read: as `choose_columns` does, or as the pixels of pictures.

    They are pixels if a shape is given, or if their names say so and fill a square, grey
    or of three channels: ``pixel0 … pixel783``, ``1x1 … 28x28``, or no names at all beside one
    column of classes.

    Returns the columns in the order of the pixels, and the shape of a picture; None for vectors
    and tables.
    """
    columns, label, options, picked = table.columns, table.label, table.options, table.picked
    inferred = options.as_ in (None, "images") and options.fitted is None and picked.columns is None
    found = _by_name(columns, picked) if inferred or options.shape else None
    if found is not None and options.shape in (None, found[1]):
        return _chosen(columns, *found), found[1]
    if options.shape is None:
        if options.as_ == "images":
            raise InputError(
                f"{label} lists no images in a column called path, and its numbers cannot be read "
                "--as images without their shape, as in --shape 28,28"
            )
        return choose_columns(columns, label, options.as_, picked, fixed, options.fitted), None
    if found is not None and math.prod(options.shape) == len(found[0]):
        return _chosen(columns, found[0], options.shape), options.shape
    chosen = choose_columns(columns, label, "vectors", picked, fixed, options.fitted)
    return _of_shape(columns, chosen, options.shape, label), options.shape


def label_among(others: Sequence[Column]) -> tuple[tuple[str, str], ...]:
    """Return why columns beside pictures are not used, that of the labels first."""
    answers = find_answers(others, aside=True)
    if not any("--truth" in why for why in answers.values()):
        codes = [c for c in others if c.is_code and c.name.lower() not in _PARTS]
        answers |= {c.name: f"{LOOKS}: --truth {c.name} compares with it" for c in codes[:1]}
    rest = [c.name for c in others if c.name not in answers]
    return (*answers.items(), *((name, "beside the pixels") for name in rest))


def _by_name(columns: Sequence[Column], picked: Picked) -> tuple[list[int], Shape] | None:
    """Find the columns that are pixels by their names, in order, and their shape."""
    taken = [
        at for at, column in enumerate(columns) if column.numeric and picked.takes(column.name)
    ]
    numbered = [(int(m[1]), at) for at in taken if (m := _PIXEL.fullmatch(columns[at].name))]
    if len(numbered) >= _FEWEST:
        shape = square(len(numbered))
        return None if shape is None else ([at for _, at in sorted(numbered)], shape)
    names = ((columns[at].name, at) for at in taken)
    matches = ((_PLACE.fullmatch(name) or _PLACE_ALONE.fullmatch(name), at) for name, at in names)
    placed = [(match, at) for match, at in matches if match]
    if len(placed) >= _FEWEST:
        places = [(tuple(int(g) for g in m.groups(default="0")), at) for m, at in placed]
        sides = [len({place[axis] for place, _ in places}) for axis in range(3)]
        shape = (sides[0], sides[1], *([sides[2]] if sides[2] > 1 else []))
        whole = math.prod(sides) == len(places) and sides[2] in (1, 3, 4)
        return ([at for _, at in sorted(places)], shape) if whole else None
    return _without_names(columns, taken)


def _without_names(
    columns: Sequence[Column], taken: Sequence[int]
) -> tuple[list[int], Shape] | None:
    """Find pixels that are only numbered: bytes that fill a square, beside a column of classes."""
    pixels = [at for at in taken if _UNNAMED.fullmatch(columns[at].name)]
    found = set(pixels)
    others = [column for at, column in enumerate(columns) if at not in found]
    if not others:
        end = _class_at_end(columns, pixels)
        pixels = [at for at in pixels if at != end]
        others = [] if end is None else [columns[end]]
    beside = 0 < len(others) <= _MOST_OTHERS and any(column.is_code for column in others)
    shape = square(len(pixels)) if beside and len(pixels) >= _FEWEST_UNNAMED else None
    are_bytes = all(
        columns[at].whole and columns[at].ends[0] >= 0 and columns[at].ends[-1] <= 255
        for at in pixels
    )
    return (pixels, shape) if shape is not None and are_bytes else None


def _class_at_end(columns: Sequence[Column], places: Sequence[int]) -> int | None:
    """Return the first or last column if it numbers a few classes; None if unclear."""
    ends = [
        at
        for at in (*places[:1], *places[-1:])
        if columns[at].counts and columns[at].is_code and columns[at].values <= _MOST_CLASSES
    ]
    ends.sort(key=lambda at: columns[at].common)
    is_sure = len(ends) == 1 or (ends and columns[ends[1]].common > 2 * columns[ends[0]].common)
    return ends[0] if is_sure else None


def square(count: int) -> Shape | None:
    """Return the shape of a square picture, grey or of three channels; None if not a square.

    >>> square(784), square(2352), square(785)
    ((28, 28), (28, 28, 3), None)
    """
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if count == side * side * channels and side > 1:
            return (side, side) if channels == 1 else (side, side, channels)
    return None


def _chosen(columns: Sequence[Column], places: Sequence[int], shape: Shape) -> Chosen:
    used = set(places)
    left_out = label_among([c for at, c in enumerate(columns) if at not in used])
    why = f"their names make pictures of {show(shape)}"
    return Chosen(tuple(places), None, left_out, why)


def _of_shape(columns: Sequence[Column], chosen: Chosen, shape: Shape, label: str) -> Chosen:
    places, needed = chosen.vectors or (), math.prod(shape)
    end = _class_at_end(columns, places) if len(places) == needed + 1 else None
    if end is not None:
        rest = tuple(at for at in places if at != end)
        why = label_among([columns[end]])
        return replace(chosen, vectors=rest, left_out=(*chosen.left_out, *why))
    if len(places) != needed:
        names = listed([columns[at].name for at in places])
        raise InputError(
            f"--shape {','.join(map(str, shape))} has {needed:,} numbers, but rows of {label} have "
            f"{len(places):,} ({names}): name those that are pixels with --columns, or the others "
            "with --leave-out"
        )
    return chosen
