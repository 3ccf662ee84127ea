"""The choice of the columns of vectors or pixels, and of the one that names the rows."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import chain

from shoal.core.plural import listed
from shoal.errors import InputError
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Kind
from shoal.rows.tables.columns import LOOKS, Column, OpenedTable, find_answers, numbered

_ID = re.compile(r"(.*[_\s.-])?(id|uuid|index|key|row)|unnamed: 0", re.IGNORECASE)
CAMEL_ID = re.compile(r".*[a-z](ID|Id)")
NAMES = ("id", "name", "path", "file", "filename", "file_name", "uuid", "key", "image")
_FEWEST_ROWS = 20
# Named columns have one scale up to this ratio: the narrowest then still has 1/25 of the
# variance of the widest. Numbered ones up to the other, from the median one to the widest:
# principal components and pixels differ by less, or are centred on 0.
_NAMED, _NUMBERED_RATIO = 5.0, 10.0
_CENTRED = 0.25
_LOST_ROWS = 0.05
_SPARSE, _SPARSE_COLUMNS = 0.8, 32


@dataclass(frozen=True)
class Picked:
    columns: tuple[str, ...] | None = None  # the only ones to use; None for all
    leave_out: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()  # whose numbers are codes

    def among(self, names: Sequence[str], label: str) -> Picked:
        """Expand patterns such as ``e*`` to column names; raise for unknown names."""
        given = {"columns": self.columns or (), "leave_out": self.leave_out}
        given["categories"] = self.categories
        found = {option: _expanded(wanted, names) for option, wanted in given.items()}
        for option, wanted in found.items():
            for name in (one for one in wanted if one not in names):
                near = get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]}?" if near else f"it has {listed(names)}"
                flag = f"--{option.replace('_', '-')} {name}"
                raise InputError(f"{flag}: {label} has no such column: {hint}")
        columns = None if self.columns is None else found["columns"]
        return Picked(columns, found["leave_out"], found["categories"])

    def is_named(self, name: str) -> bool:
        return name in (self.columns or ()) or name in self.categories

    def takes(self, name: str) -> bool:
        return name not in self.leave_out and (self.columns is None or name in self.columns)


@dataclass(frozen=True)
class Chosen:
    # positions of the columns of vectors; None for a table
    vectors: tuple[int, ...] | None
    name: int | None = None  # position of the column that names the rows of vectors
    # columns that are not used, each with the reason: ids, labels and, for vectors, words
    left_out: tuple[tuple[str, str], ...] = ()
    why: str = ""  # why it is read so; empty if that was requested

    @property
    def briefly(self) -> str:
        return f", left out {listed([name for name, _ in self.left_out])}" * bool(self.left_out)

    @property
    def remarks(self) -> tuple[str, ...]:
        if self.vectors is None:
            other = "(--as vectors takes the numbers as they are)"
            return (f"Read as a table, because {self.why} {other}.",) if self.why else ()
        other = "(--as table gives each column the same weight)"
        why = [f"Read as vectors, because {self.why} {other}."] if self.why else []
        return (*why, *([f"Left out: {reasons(self.left_out)}."] if self.left_out else []))


NOTHING = Chosen(None)
"""A table without unused columns."""


def _choose_columns(table: OpenedTable, as_: Kind | None, fixed: Mapping[str, str]) -> Chosen:
    """Choose how columns are read, by the whole file, whatever columns are selected.

    Vectors are numbers on one scale, whose columns are numbered (``e0``, ``e1``) or about as
    wide as each other. Words, missing cells and different scales make a table.

    `fixed` are columns without information on single rows, and why. The columns of the vectors of
    a run are used if all exist.
    """
    columns, picked, fitted = table.columns, table.picked, table.options.fitted
    if as_ == "vectors" and picked.categories:
        raise InputError(f"--categories {listed(picked.categories)} does not apply to --as vectors")
    place = {column.name: at for at, column in enumerate(columns)}
    name = name_column([None if picked.is_named(c.name) else c for c in columns])
    rest = [c for at, c in enumerate(columns) if at != name]
    found = _left_out(rest, fixed)
    if fitted and all(one in place for one in fitted):
        others = tuple(pair for pair in found.items() if pair[0] not in fitted)
        return Chosen(tuple(place[one] for one in fitted), name, others)
    left_out = {one: why for one, why in found.items() if not picked.is_named(one)}
    taken = [c for c in rest if picked.takes(c.name)]
    used = [c for c in taken if c.name not in left_out]
    numbers = [c for c in used if c.numeric]
    whole = [c for c in rest if c.name not in found]
    words = any(not c.numeric for c in whole)
    alike, why = are_vectors(whole)
    if as_ is not None or fitted is not None:
        alike, why = as_ == "vectors" or (as_ is None and not words), ""
    elif picked.categories or not numbers or any(not c.numeric for c in used):
        alike = False
    if not alike:
        return Chosen(None, name, tuple(left_out.items()), why)
    numbers = numbers or [c for c in taken if c.numeric]
    if not numbers:
        names = listed([column.name for column in columns])
        raise InputError(f"{table.label} has no numeric columns (it has {names})")
    kept = {c.name for c in numbers}
    gone = [(c.name, left_out.get(c.name, "no number")) for c in taken if c.name not in kept]
    return Chosen(tuple(place[c.name] for c in numbers), name, tuple(gone), why)


def _left_out(columns: Sequence[Column], fixed: Mapping[str, str]) -> dict[str, str]:
    found = {c.name: c.identity for c in columns if c.identity}
    found |= {c.name: "an id" for c in columns if c.whole and c.distinct and is_id(c.name)}
    found |= fixed
    found = find_answers([c for c in columns if c.name not in found]) | found
    left = (c for c in columns if c.name not in found)
    return found if any(c.numeric or c.is_code for c in left) else {}


def reasons(left_out: Sequence[tuple[str, str]]) -> str:
    return listed([f"{name} ({why})" for name, why in left_out])


def _expanded(wanted: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    found = ([name] if name in names else fnmatch.filter(names, name) or [name] for name in wanted)
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def name_column(columns: Sequence[Column | None]) -> int | None:
    """Find the column that names the rows: distinct text, or whole numbers under an id header."""
    known = [(at, column) for at, column in enumerate(columns) if column is not None]
    for at, column in known:
        if column.numeric and column.whole and column.distinct and is_id(column.name):
            return at
    text = [at for at, column in known if not column.numeric and column.distinct]
    usual = [at for at, column in known if at in text and column.name.lower() in NAMES]
    return next(iter(usual or text), None)


def is_id(name: str) -> bool:
    return bool(_ID.fullmatch(name) or CAMEL_ID.fullmatch(name))


def are_vectors(columns: Sequence[Column]) -> tuple[bool, str]:
    words = [column.name for column in columns if not column.numeric]
    if words:
        return False, f"{words[0]} is not a number"
    numbers = [column for column in columns if column.values > 1]
    if max((column.known for column in numbers), default=0) < _FEWEST_ROWS:
        return True, "all columns are numbers"  # too few rows to judge scales
    if len(numbered(numbers)) == len(numbers):
        why = _why_numbered(numbers)
        return not why, why or "the columns are numbered alike"
    why = _why_named(numbers)
    return not why, why or "all columns are numbers of about one scale"


def _why_named(numbers: Sequence[Column]) -> str:
    gaps = [column.name for column in numbers if column.missing]
    if gaps:
        return f"cells of {gaps[0]} are missing"
    counted = [column for column in numbers if column.whole and column.ends[0] >= 0]
    sparse = sum(column.common >= _SPARSE for column in counted)
    if len(counted) == len(numbers) >= _SPARSE_COLUMNS and 2 * sparse > len(numbers):
        return ""  # counts of words and the like, mostly 0
    two = [column.name for column in numbers if column.values == 2]
    if two and len(two) < len(numbers):
        return f"{two[0]} has two values"
    by_spread = sorted(numbers, key=lambda column: column.spread)
    return _unlike(by_spread[0], by_spread[-1], _NAMED)


def _why_numbered(numbers: Sequence[Column]) -> str:
    least = min(column.missing for column in numbers)  # rows without any numbers do not count
    kept = 1.0
    for column in numbers:
        kept *= 1 - (column.missing - least)
    if kept < 1 - _LOST_ROWS:
        return f"cells of {next(c.name for c in numbers if c.missing)} are missing"
    centred = sum(abs(column.ends[2]) <= _CENTRED * column.spread for column in numbers)
    if centred >= 0.8 * len(numbers):
        return ""
    by_spread = sorted(numbers, key=lambda column: column.spread)
    return _unlike(by_spread[(len(numbers) - 1) // 2], by_spread[-1], _NUMBERED_RATIO)


def _unlike(narrow: Column, wide: Column, most: float) -> str:
    ratio = wide.spread / narrow.spread
    return f"{wide.name} spans {ratio:,.0f} times what {narrow.name} does" if ratio > most else ""


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
    """Choose how columns are read: as the pixels of pictures, as vectors, or as a table.

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
        return _choose_columns(table, options.as_, fixed), None
    if found is not None and math.prod(options.shape) == len(found[0]):
        return _chosen(columns, found[0], options.shape), options.shape
    chosen = _choose_columns(table, "vectors", fixed)
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
