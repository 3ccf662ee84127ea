"""Which array of a file has the rows, by its header, and which has their labels, by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from shoal.errors import InputError
from shoal.rows.arrays.pixels import show
from shoal.rows.base import Kind


@dataclass(frozen=True)
class Stored:
    """An array in a file: its name there, its shape and type."""

    key: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def what(self) -> str:
        return str(self.dtype)

    @property
    def length(self) -> int | None:
        """Length of its only axis; None if it has several."""
        return self.shape[0] if len(self.shape) == 1 else None

    def __str__(self) -> str:
        return f"{self.key} ({show(self.shape) or 'a single value'} {self.what})"


Array = TypeVar("Array", bound=Stored)


WORDS = {
    "npz": ("key", "arrays"),
    "mat": ("variable", "variables"),
    "hdf5": ("dataset", "datasets"),
}
"""What arrays are called in each kind of file that has several."""


def choose_array(
    arrays: Sequence[Array],
    label: str,
    key: str | None,
    fits: Callable[[Array], bool],
    kind: str,
    what: str = "images or vectors",
) -> Array:
    """Return the array of a file called `key`, or the only one that `fits`."""
    one, many = WORDS[kind]
    listed = ", ".join(map(str, arrays)) or f"no {many}"
    if key is not None:
        for array in arrays:
            if array.key == key:
                return array
        raise InputError(f"{label} has no {one} {key}: it holds {listed}")
    fitting = [array for array in arrays if fits(array)]
    if len(fitting) != 1:
        found = "nothing" if not fitting else f"{len(fitting)} {many}"
        hint = "" if not fitting else f": give --key {fitting[0].key}, or another"
        raise InputError(f"{label} holds {found} that can be {what}{hint} (it has {listed})")
    return fitting[0]


def lengths_of(arrays: Sequence[Stored]) -> dict[str, int]:
    return {one.key: one.length for one in arrays if one.length is not None}


def can_be_rows(array: Stored, as_: Kind | None) -> bool:
    least = 3 if as_ == "images" else 2
    return array.dtype.kind in "buif" and len(array.shape) >= least and 0 not in array.shape


LABEL_WORDS = frozenset(
    (
        *("label", "labels", "y", "ys", "target", "targets", "class", "classes", "cls"),
        *("truth", "gnd", "category", "categories", "lab", "labs"),
    )
)
"""Words in the names of labels; in MATLAB files ``gnd`` often accompanies ``fea``."""

_DATA_WORDS = frozenset(
    (
        *("x", "xs", "image", "images", "img", "imgs", "data", "fea", "feature", "features"),
        *("input", "inputs", "pixels", "vectors", "embedding", "embeddings"),
    )
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def words_of(name: str) -> list[str]:
    """Split a name into its words, in lower case.

    >>> words_of("train-images-idx3-ubyte"), words_of("trainX")
    (['train', 'images', 'idx', '3', 'ubyte'], ['train', 'x'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def names_labels(name: str) -> bool:
    """Return whether a name is usual for labels.

    >>> names_labels("y_train"), names_labels("train-labels-idx1"), names_labels("X")
    (True, True, False)
    """
    return not LABEL_WORDS.isdisjoint(words_of(name))


def names_data(name: str) -> bool:
    return not _DATA_WORDS.isdisjoint(words_of(name))


def find_labels(data: str, n_rows: int, lengths: Mapping[str, int]) -> str | None:
    """Return the name of the array with the labels of another, if it is clear.

    That is the one whose name has a word for labels in place of one for data (``x_train``,
    ``y_train``), else the only one named like labels; `lengths` are those of the arrays of
    one axis in the same place.

    >>> find_labels("x_train", 5, {"y_test": 5, "y_train": 5, "id": 5})
    'y_train'
    >>> find_labels("embeddings", 5, {"labels": 5}), find_labels("X", 5, {"y": 4})
    ('labels', None)
    """
    fitting = [name for name, length in lengths.items() if length == n_rows and name != data]
    paired = [name for name in fitting if _are_paired(words_of(data), words_of(name))]
    named = [name for name in fitting if names_labels(name)]
    alone = [name for name in named if LABEL_WORDS.issuperset(words_of(name))]
    return next((found[0] for found in (paired, alone, named) if len(found) == 1), None)


def _are_paired(data: list[str], labels: list[str]) -> bool:
    if len(data) != len(labels):
        return False
    differing = [(a, b) for a, b in zip(data, labels, strict=True) if a != b]
    words = [(a, b) for a, b in differing if not (a.isdigit() and b.isdigit())]
    return len(words) == 1 and words[0][0] in _DATA_WORDS and words[0][1] in LABEL_WORDS
