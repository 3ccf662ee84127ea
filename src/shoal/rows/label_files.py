"""Label files: one label per row, by order or by name; and those in the folder of the data."""

from __future__ import annotations

import csv
import dataclasses
import os
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.arrays.array_choice import (
    LABEL_WORDS,
    WORDS,
    choose_array,
    find_labels,
    names_data,
    names_labels,
    words_of,
)
from shoal.rows.arrays.hdf5 import MAGIC, list_datasets, load_dataset
from shoal.rows.arrays.idx import idx_header, is_idx, load_idx
from shoal.rows.arrays.numpy_files import list_members, load_member, npy_header
from shoal.rows.base import LabelValues, Source
from shoal.rows.handles import head_of
from shoal.rows.images.encoded import PAGE
from shoal.rows.tables.columns import ColumnLabels
from shoal.rows.tables.parquet_files import ParquetCells, inspect_parquet, parquet_schema
from shoal.rows.tables.sniff import csv_rows, open_text
from shoal.storage import is_remote

_KEYS = ("labels", "label", "y", "target", "targets", "classes", "y_train")
_PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class LabelFiles:
    paths: tuple[Path, ...]  # in the order of the rows
    key: str | None = None  # the column or array in each; None where there is only one

    @property
    def origin(self) -> str:
        first = self.paths[0].name + (f", {self.key}" if self.key else "")
        return first if len(self.paths) == 1 else f"{first} and {len(self.paths) - 1} more"

    def read(self, source: Source, key: str | None = None) -> LabelValues:
        found = [read_label_file(path, source, key or self.key) for path in self.paths]
        if len(found) == 1:
            return found[0]
        if all(isinstance(values, np.ndarray) for values in found):
            return np.concatenate([np.ravel(values) for values in found])
        return [label for values in found for label in values]


def read_label_file(path: Path, source: Source, key: str | None = None) -> LabelValues:
    """Read as many labels as a file has: texts, None where one is missing, or an array.

    A CSV file has them by name where its cells are the rows' names, else in row order. `key` is
    the column (of CSV by default the last one), or the array of an ``.npz``, HDF5 or ``.mat`` file.
    """
    if is_remote(path):
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder) / path.name
            here.write_bytes(path.read_bytes())
            return read_label_file(here, source, key)
    try:
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            return _from_table(path, source, key)
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False)
        if path.suffix.lower() in _PARQUET:
            return _from_parquet(path, source, key)
        is_hdf5 = head_of(path, len(MAGIC)) == MAGIC
        kind = "hdf5" if is_hdf5 else path.suffix.lower()[1:]
        is_one = kind not in WORDS
        return _from_idx(path) if is_one else _from_arrays(path, kind, key, all_rows(source))
    except (OSError, ValueError, EOFError, zlib.error, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as labels: {error}") from error


def all_rows(source: Source) -> int:
    taken = source.taken
    return source.n_rows if taken is None else taken.of


def of_taken(values: LabelValues, source: Source) -> LabelValues:
    taken = source.taken
    if taken is None or len(values) != taken.of:
        return values
    if isinstance(values, np.ndarray):
        return values[taken.rows]
    return [values[row] for row in taken.rows.tolist()]


def _from_arrays(path: Path, kind: str, key: str | None, n_rows: int) -> LabelValues:
    """Read one array of a file: that of the key, one named like labels, or of their length."""
    from shoal.rows.arrays import matlab  # which imports this module

    lists: Any = {"npz": list_members, "mat": matlab.list_variables, "hdf5": list_datasets}
    loads = {"npz": load_member, "mat": matlab.load_variable, "hdf5": load_dataset}
    arrays = lists[kind](path)
    flat = [a for a in arrays if a.length or len(a.shape) <= 2]
    usual = [a for a in flat if a.key in _KEYS] or [a for a in flat if names_labels(a.key)]
    usual = usual or [a for a in flat if a.length == n_rows]
    key = key.strip("/") if key and kind == "hdf5" else key
    chosen = choose_array(arrays, path.name, key, lambda a: a in usual, kind, "labels")
    found = loads[kind](path, chosen.key)
    if kind == "mat":
        found = found.ravel()
        if found.dtype.kind == "O":
            return [str(np.squeeze(cell)) for cell in found]
    if found.dtype.kind not in "OSU":
        return found
    texts = (c.decode("utf-8", "replace") if isinstance(c, bytes) else c for c in found.ravel())
    return [str(text).strip() for text in texts]


def _from_parquet(path: Path, source: Source, key: str | None) -> LabelValues:
    parts = inspect_parquet([path])
    names = parquet_schema(path).names
    likely = [key] if key is not None else [n for n in names if n in _KEYS] or names
    if len(likely) != 1:
        raise InputError(f"{path} has the columns {', '.join(names)}: choose one with --key")
    if likely[0] not in names:
        raise InputError(f"{path} has no column {key}: it has {', '.join(names)}")
    found = ColumnLabels(ParquetCells(parts, tuple(likely)), ()).read(source, likely[0])
    assert found is not None
    return found


def _from_idx(path: Path) -> NDArray:
    if not is_idx(path):
        raise SourceError(f"{path} is not a CSV, .npy, .npz, Parquet or IDX file of labels")
    labels = load_idx(path)
    if labels.ndim != 1:
        raise SourceError(f"{path} is an IDX file of {labels.ndim} axes, not of labels")
    return labels


def table_rows(path: Path, most: int | None = None) -> list[list[str]]:
    with open_text(path) as file:
        return list(islice(filter(None, csv_rows(file)), most))


def _from_table(path: Path, source: Source, key: str | None) -> list[str | None]:
    """Read a column of a CSV file: matched by name if it has the rows' names, else in order."""
    cells = table_rows(path)
    if not cells:
        raise InputError(f"{path} is empty")
    header = [cell.strip() for cell in cells[0]]
    column = len(header) - 1
    if key is not None:
        if key not in header:
            raise InputError(f"{path} has no column {key}: it has {', '.join(header)}")
        column = header.index(key)
    names = source.names(0, source.n_rows)
    found = name_column(cells, names) if names else None
    if found is None and names:  # the label of a file applies to all its pages
        files = [name.partition(PAGE)[0] for name in names]
        each = list(dict.fromkeys(files))
        found = name_column(cells, each) if len(each) < len(names) else None
        if found is not None:
            written = dict(zip(each, found[1], strict=True))
            found = found[0], [written[file] for file in files]
    if found is not None and found[0] != column:
        labels = {row[found[0]].strip(): _cell(row, column) for row in cells if row[found[0] :]}
        return [labels.get(name, labels.get(name.partition(PAGE)[0])) for name in found[1]]
    has_header = key is not None or len(cells) - 1 in (source.n_rows, all_rows(source))
    return [_cell(row, column) for row in cells[has_header:]]


def name_column(
    cells: Sequence[Sequence[str]], names: Sequence[str]
) -> tuple[int, Sequence[str]] | None:
    tried = cells[1:1001] or cells
    width = min(len(row) for row in tried)
    for form in (str, os.path.basename, lambda name: os.path.splitext(os.path.basename(name))[0]):
        written = [form(name) for name in names]
        there = set(written)
        hits = [sum(row[at].strip() in there for row in tried) for at in range(width)]
        best = int(np.argmax(hits)) if hits else 0
        if hits and hits[best] * 2 > len(tried) and len(there) == len(written):
            return best, written
    return None


def _cell(row: Sequence[str], column: int) -> str | None:
    return row[column].strip() if column < len(row) else None


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
