"""Labels in the folder of the data: arrays of one axis, and tables of file names."""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from shoal.errors import SourceError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.arrays.idx import idx_header
from shoal.rows.arrays.numpy_files import npy_header
from shoal.rows.base import Source
from shoal.rows.label_files import LabelFiles, name_column, table_rows
from shoal.rows.label_names import LABEL_WORDS, find_labels, names_data, names_labels, words_of
from shoal.storage import is_remote

_ABOUT_WORDS = frozenset(("metadata", "meta", "split", "splits", "annotations", "info"))
_MOST_FILES = 100
_MOST_SEEN = 10_000
_TRIED_ROWS = 50
_MOST_COUNTED_BYTES = 1 << 26


def is_beside(name: str) -> bool:
    """Return whether a file is named like labels or metadata rather than data.

    >>> is_beside("a/truth.parquet"), is_beside("metadata.csv"), is_beside("x_train.npy")
    (True, True, False)
    """
    stem = _stem(name)
    labels = names_labels(stem) and not names_data(stem)
    return labels or not _ABOUT_WORDS.isdisjoint(words_of(stem))


def labels_beside(source: Source, files: Mapping[str, Path]) -> LabelFiles | None:
    """Find the labels of a source among the files of its folder.

    A file for each of the source's own files (``y_train.npy`` for ``x_train.npy``), or one for all
    rows: an array of the same length that is named like labels, or a table with the rows'
    names and such a column.
    """
    arrays = [path for name, path in files.items() if name.endswith(".npy") or "idx" in name]
    paths = {_stem(p.name): p for p in arrays if names_labels(p.name) and not is_remote(p)}
    lengths = {
        stem: length
        for stem, path in islice(paths.items(), _MOST_FILES)
        if (length := array_length(path)) is not None
    }
    array = source.as_array()
    parts = [] if array is None else array.store.files()
    paired = [find_labels(_stem(part.path.name), part.n_rows, lengths) for part in parts]
    if paired and None not in paired and len(set(paired)) == len(paired):
        return LabelFiles(tuple(paths[stem] for stem in paired if stem))
    whole = [stem for stem, length in lengths.items() if length == source.n_rows]
    if len(whole) == 1:
        return LabelFiles((paths[whole[0]],))
    tables = [p for n, p in files.items() if n.lower().endswith((".csv", ".tsv"))]
    found = (_in_table(path, source) for path in tables[:_MOST_FILES] if not is_remote(path))
    return next((labels for labels in found if labels), None)


def with_labels_beside(source: ArraySource, path: Path) -> ArraySource:
    """Return the rows of one file, with the labels in an array of its folder if there are any."""
    if is_remote(path):
        return source
    try:
        names = [entry.name for entry in islice(os.scandir(path.parent), _MOST_SEEN)]
    except OSError:
        return source
    arrays = [name for name in names if name.endswith(".npy") or "idx" in name]
    beside = labels_beside(source, {name: path.parent / name for name in arrays})
    return dataclasses.replace(source, beside=beside) if beside else source


def _stem(name: str) -> str:
    return os.path.splitext(os.path.basename(name).removesuffix(".gz"))[0]


def array_length(path: Path) -> int | None:
    """Return the length of an array of one axis; None for others, and for damaged files."""
    try:
        is_npy = path.suffix.lower() == ".npy"
        dtype, shape = npy_header(path) if is_npy else idx_header(path)
    except SourceError:
        return None
    return shape[0] if dtype.kind != "O" and shape[1:] in ((), (1,)) and shape else None


def _in_table(path: Path, source: Source) -> LabelFiles | None:
    try:
        cells = table_rows(path, _TRIED_ROWS)
    except (OSError, ValueError, csv.Error):
        return None
    header = [cell.strip() for cell in cells[0]] if cells else []
    named = [name for name in header if not LABEL_WORDS.isdisjoint(words_of(name))]
    if source.as_array() is not None:
        is_small = path.stat().st_size <= _MOST_COUNTED_BYTES
        in_order = is_beside(path.name) and is_small and len(table_rows(path)) == source.n_rows + 1
        return LabelFiles((path,), named[0]) if named and in_order else None
    # labels.csv with the columns id and breed is one by its file name
    is_pair = len(header) == 2 and names_labels(_stem(path.name))
    names = source.names(0, source.n_rows) if named or is_pair else None
    found = name_column(cells, names) if names else None
    if found is None:
        return None
    return LabelFiles((path,), named[0] if named else header[1 - found[0]])
