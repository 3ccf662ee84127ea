"""True classes for evaluating a run, from a label file, stored labels or folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.plural import plural
from shoal.errors import InputError
from shoal.rows import of_taken, read_label_file

if TYPE_CHECKING:
    from shoal.rows import LabelValues, Source

FOLDERS, LABELS = "folders", "labels"


@dataclass(frozen=True)
class Truth:
    """The class of each row, −1 where not known, and the names of the classes."""

    classes: NDArray[np.signedinteger]
    names: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Number of rows without a known class."""
        return int((self.classes < 0).sum())


def read_truth(where: str, source: Source, key: str | None = None) -> Truth:
    """Read the class of every row of a source.

    `where`: ``folders`` for the names of the images' folders, ``labels`` for labels that lie with
    the rows (a file of them, ``.cls`` files of a tar archive, a column), a column of the table that
    the rows are of, or a file; see `shoal.rows.read_label_file`.
    """
    path = Path(where)
    if where == FOLDERS and not path.exists():
        return _coded(_folder_names(source), words=False)
    if where == LABELS and not path.exists():
        values = _own_labels(source, key)
    elif path.is_file():
        values = read_label_file(path, source, key)
    else:
        values = _column(where, source)
    values = of_taken(values, source)
    if isinstance(values, np.ndarray) and values.dtype.kind in "ui" and values.ndim == 1:
        _check_length(len(values), where, source.n_rows)
        return _counted(values)
    return _coded(_checked(values, where, source.n_rows))


def _column(name: str, source: Source) -> LabelValues:
    from shoal.core.plural import listed

    # of vectors and tables, or of what labels the rows of an array
    table = getattr(source, "table", None)
    columns = () if table is None else table.names
    values = source.labels(name) if name in columns else None
    if values is None:
        of = f", a column of the source ({listed(columns)})" if columns else ""
        raise InputError(
            f"--truth {name} does not exist: give a file (.csv, .npy, .npz, .parquet, .h5, .mat or "
            f"IDX), or the word {FOLDERS} or {LABELS}{of}"
        )
    return values


def _counted(values: NDArray) -> Truth:
    """Code integer labels in order, without the cost of text for tens of millions."""
    low, high = int(values.min()), int(values.max())
    if high - low >= 4 * len(values) + 1000:
        names, codes = np.unique(values, return_inverse=True)
        return Truth(codes.astype(np.int64), tuple(map(str, names.tolist())))
    above = values.astype(np.int64) - low if low else values
    there = np.bincount(above) > 0
    codes = (np.cumsum(there, dtype=np.int32) - np.int32(1))[above]
    return Truth(codes, tuple(str(low + at) for at in np.flatnonzero(there).tolist()))


def _check_length(count: int, where: str, n_rows: int) -> None:
    if count != n_rows:
        raise InputError(
            f"--truth {where} has {plural(count, 'label')}, but the run has {plural(n_rows, 'row')}"
        )


def _checked(values: Sequence[Any] | NDArray, where: str, n_rows: int) -> list[str | None]:
    if isinstance(values, np.ndarray):
        flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
        if flat.ndim != 1:
            raise InputError(
                f"--truth {where} has shape {values.shape}; expected one label per row"
            )
        missing = np.isnan(flat) if flat.dtype.kind == "f" else np.zeros(len(flat), bool)
        if flat.dtype.kind == "f" and np.array_equal(flat[~missing], np.rint(flat[~missing])):
            flat = np.where(missing, 0, flat).astype(np.int64)
        texts = [bytes(v).decode() if flat.dtype.kind == "S" else str(v) for v in flat.tolist()]
        values = [None if gone else text for text, gone in zip(texts, missing, strict=True)]
    _check_length(len(values), where, n_rows)
    return list(values)


def _coded(labels: Sequence[str | None], *, words: bool = True) -> Truth:
    """Code labels in numeric order if all are numbers, otherwise by name.

    Unless `words` is false, those that stand for a missing value (``NA``) are not a class.
    """
    from shoal.rows.tables.cells import is_missing

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
    names = source.names(0, source.n_rows)
    if names is None:
        raise InputError(f"--truth {FOLDERS}: the rows of {source.description} have no file names")
    folders: list[str | None] = [PurePosixPath(name).parent.name or None for name in names]
    if len(set(folders)) < 2:
        raise InputError(
            f"--truth {FOLDERS}: all {len(names):,} files are in one folder, so folders do not "
            "give classes"
        )
    if _are_shards(folders):
        raise InputError(
            f"--truth {FOLDERS}: the files are in numbered archives such as {folders[0]} without "
            f"folders inside, so folders do not give classes: give a file, or {LABELS}"
        )
    return folders


def _are_shards(folders: Sequence[str | None]) -> bool:
    """Return whether all names are of archives that differ only in their number."""
    found = set(folders)
    alike = {re.sub(r"[0-9]+", "#", name or "") for name in found}
    return len(alike) == 1 and all((name or "").endswith((".tar", ".zip")) for name in found)


def _own_labels(source: Source, key: str | None) -> LabelValues:
    labels = source.labels(key)
    if labels is None:
        raise InputError(
            f"{source.description} has no labels of its own: give --truth a label file, or "
            f"{FOLDERS}"
        )
    return labels
