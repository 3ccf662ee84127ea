"""Files of one kind in a folder: those whose rows are alike are one set, the others beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

from shoal.errors import InputError
from shoal.rows.arrays.hdf5 import list_datasets
from shoal.rows.arrays.idx import idx_header
from shoal.rows.arrays.numpy_files import npy_header
from shoal.rows.sibling_labels import is_beside
from shoal.rows.tables.parquet_files import parquet_schema
from shoal.storage import many

_DIGITS = re.compile(r"[0-9]+")
# As for kinds of files: what is beside data is much smaller.
_MUCH_LARGER = 10


def alike(root: Path, kind: str, names: Sequence[str], paths: Sequence[Path]) -> list[str] | None:
    """Choose the files of a folder whose rows are alike and are the data.

    None where a file that is not is numbered like those that are: a shard that is damaged or of
    another version is not to be left out.

    Parameters
    ----------
    root : Path
        The folder.
    kind : str
        Of all of the files.
    names, paths : sequence
        In the folder, and where they are.

    Raises
    ------
    InputError
        When there are several sets of files, none of which is much larger than the others.
    """
    groups: dict[Hashable, list[int]] = {}
    for at, signature in enumerate(many(paths[0], _SIGNATURES[kind], list(paths))):
        groups.setdefault(signature, []).append(at)
    data = [group for what, group in groups.items() if what is not None]
    data = [g for g in data if not all(is_beside(names[at]) for at in g)] or data
    if len(data) < 2:
        return [names[at] for at in (data or list(groups.values()))[0]]
    series = [{_DIGITS.sub("#", names[at]) for at in group} for group in data]
    if len(set().union(*series)) < sum(map(len, series)):
        return None
    sizes = [sum(paths[at].stat().st_size for at in group) for group in data]
    order = sorted(range(len(data)), key=lambda at: -sizes[at])
    if sizes[order[0]] < _MUCH_LARGER * sizes[order[1]]:
        first, second = (names[data[at][0]] for at in order[:2])
        raise InputError(
            f"the folder {root} holds files of several sets, such as {first} and {second}, whose "
            f"rows are not alike: give those of one set, such as {root / first}"
        )
    return [names[at] for at in data[order[0]]]


def _of_npy(path: Path) -> Hashable:
    """Type and shape of a row; None where rows are single numbers."""
    dtype, shape = npy_header(path)
    return (dtype.str, shape[1:]) if len(shape) > 1 and shape[1:] != (1,) else None


def _of_idx(path: Path) -> Hashable:
    """Type and shape of a row; None for labels."""
    dtype, shape = idx_header(path)
    return (dtype.str, shape[1:]) if len(shape) > 1 else None


def _of_hdf5(path: Path) -> Hashable:
    return frozenset((one.key, one.dtype.str, one.shape[1:]) for one in list_datasets(path))


def _of_parquet(path: Path) -> Hashable:
    return str(parquet_schema(path))


_SIGNATURES: dict[str, Callable[[Path], Hashable]] = {
    "npy": _of_npy,
    "idx": _of_idx,
    "hdf5": _of_hdf5,
    "parquet": _of_parquet,
}
