"""Truth to measure a run by: a file of labels, or the folders that the images are in."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError, SourceError

if TYPE_CHECKING:
    from shoal.sources import Source

FOLDERS, LABELS = "folders", "labels"
_KEYS = ("labels", "label", "y", "target", "targets", "classes", "y_train")
_PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Truth:
    """The class of each row, −1 where not known, and the names of the classes."""

    classes: NDArray[np.signedinteger]
    names: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """How many rows have no known class."""
        return int((self.classes < 0).sum())


def read_truth(where: str, source: Source, key: str | None = None) -> Truth:
    """Read the class of every row of a source.

    Parameters
    ----------
    where : str
        ``folders`` for the names of the images' folders, ``labels`` for labels that lie with
        the images (``.cls`` files of a tar archive, a column of a table), or a file: CSV (by
        name where its cells are the rows' names, else in row order), ``.npy``, ``.npz``,
        Parquet, IDX (also ``.gz``).
    source : Source
        The rows.
    key : str, optional
        The column of a CSV file (by default the last one) or of a Parquet file, or the array of
        an ``.npz`` file.

    Raises
    ------
    InputError
        When it cannot be read, or does not go with the rows.
    """
    path = Path(where)
    if where == FOLDERS and not path.exists():
        return _coded(_folder_names(source), words=False)
    if where == LABELS and not path.exists():
        return _coded(_own_labels(source))
    if not path.is_file():
        raise InputError(
            f"--truth {where} is no file: give a .csv, .npy, .npz, .parquet or IDX file, "
            f"{FOLDERS} or {LABELS}"
        )
    try:
        if path.suffix.lower() in (".csv", ".tsv", ".txt"):
            values: Sequence[Any] | NDArray = _from_table(path, source, key)
        elif path.suffix.lower() == ".npz":
            values = _from_npz(path, key, _all_rows(source))
        elif path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        elif path.suffix.lower() in _PARQUET:
            values = _from_parquet(path, key)
        else:
            values = _from_idx(path)
    except (OSError, ValueError, EOFError, zlib.error, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"--truth {where} cannot be read: {error}") from error
    values = _sampled(values, source)
    if isinstance(values, np.ndarray) and values.dtype.kind in "ui" and values.ndim == 1:
        _check_length(len(values), where, source.n_rows)
        return _counted(values)
    return _coded(_checked(values, where, source.n_rows))


def _all_rows(source: Source) -> int:
    """Count the rows that a sample was drawn from; else those that there are."""
    from shoal.sources import taken_of

    taken = taken_of(source)
    return source.n_rows if taken is None else taken.of


def _sampled(values: Sequence[Any] | NDArray, source: Source) -> Sequence[Any] | NDArray:
    """Give the labels of the rows that were drawn, out of those of all rows."""
    from shoal.sources import taken_of

    taken = taken_of(source)
    if taken is None or len(values) != taken.of:
        return values
    if isinstance(values, np.ndarray):
        return values[taken.rows]
    return [values[row] for row in taken.rows.tolist()]


def _counted(values: NDArray) -> Truth:
    """Code whole numbers in their order: tens of millions take seconds, as no text is made."""
    low, high = int(values.min()), int(values.max())
    if high - low >= 4 * len(values) + 1000:
        names, codes = np.unique(values, return_inverse=True)
        return Truth(codes.astype(np.int64), tuple(map(str, names.tolist())))
    above = values.astype(np.int64) - low if low else values
    there = np.bincount(above) > 0
    codes = (np.cumsum(there, dtype=np.int32) - np.int32(1))[above]
    return Truth(codes, tuple(str(low + at) for at in np.flatnonzero(there).tolist()))


def _check_length(count: int, where: str, n_rows: int) -> None:
    """Raise unless there is one label a row."""
    if count != n_rows:
        raise InputError(f"--truth {where} has {count:,} labels, but there are {n_rows:,} rows")


def _checked(values: Sequence[Any] | NDArray, where: str, n_rows: int) -> list[str | None]:
    """Give labels as text, None where missing; there must be one a row."""
    if isinstance(values, np.ndarray):
        flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        if flat.ndim != 1:
            raise InputError(f"--truth {where} has shape {values.shape}: one label a row is needed")
        missing = np.isnan(flat) if flat.dtype.kind == "f" else np.zeros(len(flat), bool)
        if flat.dtype.kind == "f" and np.array_equal(flat[~missing], np.rint(flat[~missing])):
            flat = np.where(missing, 0, flat).astype(np.int64)
        texts = [bytes(v).decode() if flat.dtype.kind == "S" else str(v) for v in flat.tolist()]
        values = [None if gone else text for text, gone in zip(texts, missing, strict=True)]
    _check_length(len(values), where, n_rows)
    return list(values)


def _coded(labels: Sequence[str | None], *, words: bool = True) -> Truth:
    """Turn labels into numbers: in their order as numbers if they all are, else by name.

    Unless `words` is false, those that stand for a missing value (``NA``) are no class.
    """
    from shoal.sources.sniff import is_missing

    labels = [label if label is None else label.strip() for label in labels]
    known = {label for label in set(labels) if label and not (words and is_missing(label))}
    if not known:
        raise InputError("--truth has no label for any row")
    try:
        names = sorted(known, key=lambda name: (float(name), name))
    except ValueError:
        names = sorted(known)
    code = {name: at for at, name in enumerate(names)}
    classes = np.array([-1 if v is None else code.get(v, -1) for v in labels], np.int64)
    return Truth(classes, tuple(names))


def _folder_names(source: Source) -> list[str | None]:
    """Give the name of the folder that each row's file is in."""
    names = source.names(0, source.n_rows)
    if names is None:
        raise InputError(f"--truth {FOLDERS}: the rows of {source.description} have no file names")
    folders: list[str | None] = [PurePosixPath(name).parent.name or None for name in names]
    if len(set(folders)) < 2:
        raise InputError(
            f"--truth {FOLDERS}: all {len(names):,} files are in one folder, "
            "so their folders tell no classes apart"
        )
    if _are_shards(folders):
        raise InputError(
            f"--truth {FOLDERS}: the files are in numbered archives such as {folders[0]} without "
            f"folders, which tell no classes apart: give a file, or {LABELS}"
        )
    return folders


def _are_shards(folders: Sequence[str | None]) -> bool:
    """Tell names of archives that differ in nothing but their numbers."""
    found = set(folders)
    alike = {re.sub(r"[0-9]+", "#", name or "") for name in found}
    return len(alike) == 1 and all((name or "").endswith((".tar", ".zip")) for name in found)


def _own_labels(source: Source) -> list[str | None]:
    """Give the labels that lie with the images."""
    from shoal.sources import Labelled

    labels = source.labels() if isinstance(source, Labelled) else None
    if labels is None:
        raise InputError(
            f"--truth {LABELS}: no labels lie with the rows of {source.description}: give a file, "
            f"or {FOLDERS}"
        )
    return labels


def _from_npz(path: Path, key: str | None, n_rows: int) -> NDArray:
    """Read one array of an ``.npz`` file: that of the key, or the one that can be labels."""
    with np.load(path, allow_pickle=False) as file:
        held = ", ".join(file.files)
        if key is not None:
            if key not in file.files:
                raise InputError(f"{path} has no key {key}: it holds {held}")
            return np.asarray(file[key])
        likely = [name for name in _KEYS if name in file.files]
        likely = likely or [name for name in file.files if file[name].shape == (n_rows,)]
        if len(likely) != 1:
            raise InputError(f"{path} holds {held}: say with --key which are the labels")
        return np.asarray(file[likely[0]])


def _from_parquet(path: Path, key: str | None) -> Sequence[Any] | NDArray:
    """Read one column of a Parquet file: that of the key, or the only one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(str(path), "rb") as file, pq.ParquetFile(file) as parquet:
        names = parquet.schema_arrow.names
        if key is not None and key not in names:
            raise InputError(f"--truth {path} has no column {key}: it has {', '.join(names)}")
        likely = [key] if key is not None else [n for n in names if n in _KEYS] or names
        if len(likely) != 1:
            raise InputError(
                f"--truth {path} has the columns {', '.join(names)}: say with --key which it is"
            )
        column = parquet.read(columns=likely, use_threads=False).column(0)
    if column.null_count or not pa.types.is_integer(column.type):
        return [None if value is None else str(value) for value in column.to_pylist()]
    return np.asarray(column)


def _from_idx(path: Path) -> NDArray:
    """Read an IDX file of bytes, one a row."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        data = file.read()
    # http://yann.lecun.com/exdb/mnist: 00 00, type 08 for bytes, number of axes, then lengths.
    if data[:3] != b"\0\0\x08" or len(data) < 8:
        raise SourceError(f"--truth {path} is no CSV, .npy, .npz, Parquet or IDX file of labels")
    if data[3] != 1:
        raise SourceError(f"--truth {path} is an IDX file of {data[3]} axes, not of labels")
    count = int.from_bytes(data[4:8], "big")
    if len(data) != 8 + count:
        raise SourceError(f"--truth {path} is damaged: it promises {count:,} labels")
    return np.frombuffer(data, np.uint8, offset=8)


def _from_table(path: Path, source: Source, key: str | None) -> list[str | None]:
    """Read a column of a CSV file: by name where the rows' names are in it, else in order."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.readline()
        delimiter = max(",;\t|", key=first.count)
        file.seek(0)
        cells = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if not cells:
        raise InputError(f"--truth {path} is empty")
    names = source.names(0, source.n_rows)
    by_name = _name_column(cells, set(names)) if names else None
    header = [cell.strip() for cell in cells[0]]
    column = len(header) - 1
    if key is not None:
        if key not in header:
            raise InputError(f"--truth {path} has no column {key}: it has {', '.join(header)}")
        column = header.index(key)
    if by_name is not None and names is not None and by_name != column:
        labels = {row[by_name].strip(): _cell(row, column) for row in cells}
        return [labels.get(name) for name in names]
    has_header = key is not None or len(cells) - 1 in (source.n_rows, _all_rows(source))
    return [_cell(row, column) for row in cells[has_header:]]


def _name_column(cells: Sequence[Sequence[str]], names: set[str]) -> int | None:
    """Find the column that holds the rows' names, if any."""
    tried = cells[1:1001] or cells
    width = min(len(row) for row in tried)
    hits = [sum(row[at].strip() in names for row in tried) for at in range(width)]
    best = int(np.argmax(hits)) if hits else 0
    return best if hits and hits[best] * 2 > len(tried) else None


def _cell(row: Sequence[str], column: int) -> str | None:
    """Give a cell, None where it is missing."""
    return row[column].strip() if column < len(row) else None
