"""Sums over all rows in repeated passes: by group of shards, merged in order, then stored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from shoal.engines.base import Task
from shoal.stages.context import Context
from shoal.storage import StageFolder, read_npy, write_npy

SUMS, TOTALS = "sums", "totals"
_GROUPS = 1_000_000  # above the number of groups, to number the parts of each pass


def total(
    context: Context,
    folder: StageFolder,
    number: int,
    shape: tuple[int, ...],
    task: Callable[[list[tuple[int, ...]], int], Task[int]],
) -> NDArray[np.float64]:
    """Return the total of a pass, or the one stored by an interrupted fit.

    Parameters
    ----------
    number
        Number of the pass, unique within the stage.
    shape
        Shape of the sums.
    task
        From the groups and the number of the first part, returns the task that writes the sums of
        group i as part `first` + i of the kind `SUMS`.
    """
    if not folder.has(TOTALS, number):
        groups, first = context.shards.groups(8 * int(np.prod(shape))), _GROUPS * number
        completed = lambda: {part - first for part in folder.numbers(SUMS)}  # noqa: E731
        context.run_missing(task(groups, first), completed, groups, counted=False)
        found = np.zeros(shape)
        for item in range(len(groups)):
            found += read_npy(folder.part(SUMS, first + item))
        write_npy(folder.part(TOTALS, number), found)
        folder.delete_parts(SUMS)
    kept: NDArray[np.float64] = read_npy(folder.part(TOTALS, number))
    return kept


def drop_totals(folder: StageFolder) -> None:
    for kind in (SUMS, TOTALS):
        folder.delete_parts(kind)
