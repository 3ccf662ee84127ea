"""Label files: one label per row, in the order of the rows or by their names."""

from __future__ import annotations

import csv
import os
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError
from shoal.rows.arrays.array_choice import choose_array
from shoal.rows.arrays.hdf5 import MAGIC, list_datasets, load_dataset
from shoal.rows.arrays.idx import is_idx, load_idx
from shoal.rows.arrays.numpy_files import list_members, load_member
from shoal.rows.base import LabelValues, Source
from shoal.rows.handles import head_of
from shoal.rows.images.encoded import PAGE
from shoal.rows.label_names import names_labels
from shoal.rows.tables.columns import ColumnLabels
from shoal.rows.tables.parquet_files import ParquetCells, inspect_parquet, parquet_schema
from shoal.rows.tables.sniff import csv_rows, open_text
from shoal.storage import is_remote

_KEYS = ("labels", "label", "y", "target", "targets", "classes", "y_train")
_PARQUET = (".parquet", ".pq")
_WORDS = {
    "npz": ("key", "arrays"),
    "mat": ("variable", "variables"),
    "hdf5": ("dataset", "datasets"),
}


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
    """Read one label for each row.

    Parameters
    ----------
    path : Path
        CSV (by name where its cells are the rows' names, else in row order), ``.npy``, ``.npz``,
        Parquet, HDF5, ``.mat``, or IDX (also ``.gz``).
    source : Source
        The rows.
    key : str, optional
        The column of a CSV file (by default the last one) or of a Parquet file, or the array of
        an ``.npz``, HDF5 or ``.mat`` file.

    Returns
    -------
    list of str, None where a label is missing, or ndarray
        As many as the file has; the caller compares their number with the rows.

    Raises
    ------
    InputError
        When it cannot be read.
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
        is_one = kind not in _WORDS
        return _from_idx(path) if is_one else _from_arrays(path, kind, key, all_rows(source))
    except (OSError, ValueError, EOFError, zlib.error, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} cannot be read as labels: {error}") from error


def all_rows(source: Source) -> int:
    """Return the number of rows, or of those that a sample was drawn from."""
    taken = source.taken
    return source.n_rows if taken is None else taken.of


def of_taken(values: LabelValues, source: Source) -> LabelValues:
    """Return the labels of the rows of a sample, selected from those of all rows."""
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
    one, many = _WORDS[kind]
    arrays = lists[kind](path)
    flat = [a for a in arrays if a.length or len(a.shape) <= 2]
    usual = [a for a in flat if a.key in _KEYS] or [a for a in flat if names_labels(a.key)]
    usual = usual or [a for a in flat if a.length == n_rows]
    key = key.strip("/") if key and kind == "hdf5" else key
    chosen = choose_array(
        arrays, path.name, key, lambda a: a in usual, one=one, many=many, what="labels"
    )
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
    """Read the non-empty rows of a CSV or TSV file, at most `most`."""
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
