"""Match the rows of two runs, by name if rows have names, otherwise by number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.stages.result import Result
from shoal.storage import read_json, read_table


def rows_in_common(before: Result, after: Result) -> NDArray[np.int64] | None:
    """Find each row of a run in an earlier one.

    Rows with names are matched by name, so files can be added or removed. Rows of a sample are
    matched by their number in the source. Other rows are the same if there are equally many, or if
    more were appended.

    Returns
    -------
    ndarray, shape (N,), int64, or None
        For each row of `after` its row in `before`, −1 for new ones; None if both have the same
        rows in the same order.

    Raises
    ------
    InputError
        When rows cannot be matched, or none is in both.
    """
    named = all(result.folder.stage("index").parts("names") for result in (before, after))
    if before.n_rows < after.n_rows and (
        _begins_with(before, after) if named else _extends(before, after)
    ):
        return _and_new(before.n_rows, after.n_rows)
    if named and before.n_rows == after.n_rows and _begins_with(before, after):
        return None
    if named:
        import pyarrow as pa
        import pyarrow.compute

        one, other = _names(before), _names(after)
        at = pa.compute.index_in(other, value_set=one).fill_null(-1).to_numpy().astype(np.int64)
    elif before.source_rows is None and after.source_rows is None:
        if before.n_rows != after.n_rows:
            raise InputError(
                f"{before.folder.path} has {before.n_rows:,} rows, but {after.folder.path} has "
                f"{after.n_rows:,}, and without names these cannot be matched"
            )
        return None
    else:
        at = _found(_numbers(before), _numbers(after))
    if (at < 0).all():
        raise InputError(f"{after.folder.path} and {before.folder.path} have no rows in common")
    return at


def extension(before: Result) -> dict[str, Any]:
    """Return what a run records about an earlier one that its rows extend."""
    print_ = before.folder.stage("assign").read_receipt().fingerprint
    return {"assign": print_, "rows": before.n_rows}


def _extends(before: Result, after: Result) -> bool:
    """Return whether a run has the rows of an earlier one followed by new ones."""
    path = after.folder.stage("assign").whole("extends", "json")
    return path.exists() and read_json(path) == extension(before)


def _numbers(result: Result) -> NDArray[np.int64]:
    return np.arange(result.n_rows) if result.source_rows is None else result.source_rows


def _found(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place in `one` of each of `other`, −1 for none."""
    order = np.argsort(one, kind="stable")
    at = order[np.searchsorted(one[order], other).clip(0, len(one) - 1)]
    return np.where(one[at] == other, at, -1)


def labels_in_common(labels: NDArray, rows: NDArray[np.int64] | None) -> NDArray:
    """Return the earlier labels of the rows of a later run, −1 for new rows.

    Parameters
    ----------
    labels
        Of the rows of the earlier run.
    rows
        From `rows_in_common`.
    """
    return labels if rows is None else np.append(labels, labels.dtype.type(-1))[rows]


def _and_new(old: int, rows: int) -> NDArray[np.int64]:
    """Return the numbers of the first rows, which are old, and −1 for the others."""
    at: NDArray[np.int64] = np.arange(rows)
    at[old:] = -1
    return at


def _begins_with(before: Result, after: Result) -> bool:
    """Return whether the names of a run begin with those of an earlier one, part by part."""
    import pyarrow as pa

    later = (read_table(path)["name"] for path in after.folder.stage("index").parts("names"))
    ahead = pa.chunked_array([], pa.string())
    for path in before.folder.stage("index").parts("names"):
        names = read_table(path)["name"]
        while len(ahead) < len(names):
            more = next(later, None)
            if more is None:
                return False
            ahead = pa.chunked_array([*ahead.chunks, *more.chunks], pa.string())
        if not ahead.slice(0, len(names)).equals(names):
            return False
        ahead = ahead.slice(len(names))
    return True


def _names(result: Result) -> Any:
    """Return the names of all rows as an Arrow array: some 40 bytes a row."""
    import pyarrow as pa

    paths = result.folder.stage("index").parts("names")
    return pa.concat_tables([read_table(path) for path in paths])["name"]
