"""Changes of a source's files since the fit: sizes, times, link targets."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import RunError
from shoal.rows import Source
from shoal.rows.handles import origins
from shoal.rows.images.encoded import EncodedSource
from shoal.stages.result import Result
from shoal.stages.shards import Shards
from shoal.storage import StageFolder, read_json, read_npy


def changed_rows(result: Result, source: Source) -> NDArray[np.bool_]:
    """Return whether the file of each row changed since the fit, (N,).

    If files hold many rows and any of them changed, all rows count. Sources without files (in
    stores, in memory) and runs of earlier versions report no change.
    """
    changed = np.zeros(result.n_rows, bool)
    index = result.folder.stage("index")
    rows = changed_files(index, source, result.n_rows, int(result.summary["shard_rows"]))
    if rows is not None:
        changed[rows] = True
    elif (before := _origins(index)) is not None:
        changed[:] = before != [list(one) for one in origins(source)]
    return changed


def changed_files(
    index: StageFolder, source: Source, n_rows: int, size: int
) -> NDArray[np.int64] | None:
    """Return those of the first rows whose files changed in size, time or link target.

    None if rows are not files of a folder, or the run has no record.

    Parameters
    ----------
    index
        The index of the run.
    source
        Opened now, in the order of the run.
    n_rows, size
        Rows to compare, and rows of a shard.
    """
    files = source.as_files()
    if files is None or not index.parts("stamps"):
        return None
    found = [np.empty(0, np.int64)]
    shards = Shards(n_rows, size)
    for number in range(len(shards)):
        start, stop = shards.bounds(number)
        now = files.stamps(start, stop)
        if now is None or not index.has("stamps", number):
            return None
        other = now != read_npy(index.part("stamps", number))
        other |= _led_elsewhere(index, files, number, shards)
        found.append(start + np.flatnonzero(other))
    return np.concatenate(found)


def without_new_links(result: Result, source: Source) -> Source:
    """Return the source without rows behind links that are new since the fit.

    Raises
    ------
    RunError
        When rows are in large files, and one of these is such a link.
    """
    index = result.folder.stage("index")
    before = _origins(index)
    if before is not None:
        links = [(name, link) for name, *_, link in before]
        for name, _, _, link in origins(source):
            if link is not None and (name, link) not in links:
                raise RunError(
                    f"the rows of {result.folder.path} cannot be read: since the fit, {name} has "
                    f"become a symbolic link to {link}: restore the file, or fit again"
                )
    files = source.as_files()
    if files is None or files.links(0, 0) is None:
        return source
    shards = Shards(result.n_rows, int(result.summary["shard_rows"]))
    away = [_led_elsewhere(index, files, number, shards) for number in range(len(shards))]
    return files.without_redirected(np.flatnonzero(np.concatenate(away)))


def _led_elsewhere(
    index: StageFolder, files: EncodedSource, number: int, shards: Shards
) -> NDArray[np.bool_]:
    """Return which rows of a shard are behind links that are new or point elsewhere."""
    start, stop = shards.bounds(number)
    now = files.links(start, stop)
    if now is None or not now.any():
        return np.zeros(stop - start, bool)
    if index.has("links", number):
        return (now != 0) & (now != read_npy(index.part("links", number)))
    if read_json(index.whole("summary", "json")).get("links") is None:  # an earlier version
        stamps = files.stamps(start, stop)
        return (now != 0) & (stamps != read_npy(index.part("stamps", number)))
    return now != 0


def _origins(index: StageFolder) -> list[list[Any]] | None:
    """Return the large files of the source at the fit; None if the run has no record."""
    path = index.whole("origins", "json")
    found: list[list[Any]] | None = read_json(path) if path.exists() else None
    return found
