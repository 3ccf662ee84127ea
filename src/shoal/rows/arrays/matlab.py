"""MATLAB files: one of their arrays, with rows along its last or first axis.

Files of version 7.3 are HDF5 with the axes reversed; all others are read by
SciPy, the chosen array as a whole.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.rows.arrays.array_choice import (
    Stored,
    can_be_rows,
    choose_array,
    find_labels,
    lengths_of,
)
from shoal.rows.arrays.hdf5 import Hdf5Rows, chunk_bytes, load_dataset, open_hdf5
from shoal.rows.arrays.views import RowView
from shoal.rows.base import Source
from shoal.rows.handles import fresh_path, head_of, readable
from shoal.rows.label_files import LabelFiles
from shoal.rows.memory_budget import ReadCache, refuse
from shoal.rows.options import SourceOptions
from shoal.rows.store import Store, inflated, part_of

TEXT = b"MATLAB "
"""The first bytes of files, except those of version 4."""

_CHANNELS = (1, 3, 4)
# https://www.mathworks.com/help/matlab/matlab_prog/fundamental-matlab-classes.html
_NUMBERS = {
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "single": "float32",
    "double": "float64",
    "logical": "bool",
}


@dataclass(frozen=True)
class Variable(Stored):
    """An array in a file: its shape as in MATLAB; its type is object unless it has numbers."""

    kind: str
    chunk: int = 0

    @property
    def what(self) -> str:
        return self.kind

    @property
    def length(self) -> int | None:
        """Length of its only axis longer than 1; None if it has several."""
        count = math.prod(self.shape)
        return count if 0 < count == max(self.shape, default=0) else None


def is_matlab(path: Path, magic: bytes) -> bool:
    """Return whether it is a MATLAB file, by its first bytes or, for version 4, by its name."""
    return magic.startswith(TEXT) or path.suffix.lower() == ".mat"


def open_matlab(path: Path, options: SourceOptions, magic: bytes) -> Source:
    options.refuse(f"{path.name}, a MATLAB file", dtype=options.dtype)
    variables = list_variables(path)
    chosen = choose_array(
        variables,
        path.name,
        options.key,
        lambda one: can_be_rows(one, options.stored_as) and not one.length,
        "mat",
    )
    if chosen.dtype.kind not in "buif" or chosen.length or 0 in chosen.shape:
        raise InputError(f"{path.name}: {chosen} cannot be rows of images or vectors")
    lengths = lengths_of(variables)
    axis = _row_axis(chosen, path, options, set(lengths.values()))
    labels = find_labels(chosen.key, chosen.shape[axis], lengths)
    store = (_hdf5_rows if _is_hdf5(magic) else _in_memory)(path, chosen, axis)
    beside = None if labels is None else LabelFiles((path,), labels)
    return options.array(store, f"{path.name}, variable {chosen.key}", beside)


def _row_axis(chosen: Variable, path: Path, options: SourceOptions, lengths: set[int]) -> int:
    """Find the axis of the rows: that with the length of the labels, or by the other axes."""
    shape, last = chosen.shape, len(chosen.shape) - 1
    counted = [at for at in (last, 0) if shape[at] in lengths]
    if len(counted) == 1:
        return counted[0]
    if last == 1:
        flat = None if options.shape is None else math.prod(options.shape)
        return 1 if flat in (shape[0],) and flat != shape[1] else 0
    if last == 2 and shape[0] == shape[1] != shape[2] and shape[2] not in (3, 4):
        return 2
    if last == 2 and shape[1] == shape[2] != shape[0]:
        return 0
    if last == 3 and shape[2] in _CHANNELS:
        return 3
    if last == 3 and (shape[3] in _CHANNELS or shape[1] in _CHANNELS):
        return 0
    raise InputError(
        f"{path.name}: it is unclear which axis of {chosen} has the rows: save it with that "
        f"axis first, as in numpy.save('x.npy', numpy.moveaxis(scipy.io.loadmat({path.name!r})"
        f"[{chosen.key!r}], -1, 0))"
    )


def _is_hdf5(magic: bytes) -> bool:
    return magic.startswith(TEXT + b"7.3")


def list_variables(path: Path) -> list[Variable]:
    return _list_hdf5(path) if _is_hdf5(head_of(path)) else _list(path)


def _readable(path: Path) -> AbstractContextManager[None]:
    """Raise `SourceError` instead of the many errors that SciPy raises on damaged files."""
    return readable(path, " as a MATLAB file", Exception)


def _list(path: Path) -> list[Variable]:
    from scipy import io

    with _readable(path), path.open("rb") as file:
        return [
            Variable(key, shape, np.dtype(_NUMBERS.get(kind, "O")), kind)
            for key, shape, kind in io.whosmat(file)
        ]


def _list_hdf5(path: Path) -> list[Variable]:
    with _readable(path), open_hdf5(path)[0] as file:
        return [
            Variable(key, thing.shape[::-1], thing.dtype, _matlab_class(thing), chunk_bytes(thing))
            for key, thing in file.items()
            if hasattr(thing, "dtype") and thing.shape
        ]


def _matlab_class(dataset: Any) -> str:
    found = dataset.attrs.get("MATLAB_class", str(dataset.dtype))
    return found.decode() if isinstance(found, bytes) else str(found)


def _load_rows(path: Path, key: str, axis: int) -> NDArray:
    return np.ascontiguousarray(np.moveaxis(load_variable(path, key), axis, 0))


def _in_memory(path: Path, chosen: Variable, axis: int) -> Store:
    shape = (chosen.shape[axis], *chosen.shape[:axis], *chosen.shape[axis + 1 :])
    load = partial(_load_rows, fresh_path(path), chosen.key, axis)
    return inflated(path, load, chosen.dtype, shape, copies=2)  # as stored, and by rows


def _hdf5_rows(path: Path, chosen: Variable, axis: int) -> Store:
    if axis != len(chosen.shape) - 1:
        return _in_memory(path, chosen, axis)
    part = part_of(path, chosen.shape[axis])
    rows = Hdf5Rows((part,), chosen.key, chosen.dtype, chosen.shape[axis - 1 :: -1], chosen.chunk)
    refuse(rows.memory_need.least, ReadCache.most, f"reading a chunk of {path.name}")
    return RowView(rows, tuple(range(axis))[::-1])


def load_variable(path: Path, key: str) -> NDArray:
    from scipy import io

    with _readable(path), path.open("rb") as file:
        if _is_hdf5(file.read(len(TEXT) + 3)):
            return load_dataset(path, key).T
        file.seek(0)
        return np.asarray(io.loadmat(file, variable_names=[key])[key])
