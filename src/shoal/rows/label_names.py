"""Which array, dataset or file has the labels of another: by usual names, and by length."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
