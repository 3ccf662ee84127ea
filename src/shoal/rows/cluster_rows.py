"""One cluster's rows as a source of their own, and the settings of its fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.rows.arrays.array import ArraySource
from shoal.rows.base import Source
from shoal.rows.images.encoded import EncodedSource
from shoal.rows.pictured import PicturedSource
from shoal.rows.tables.mixed import TableSource
from shoal.rows.taken import (
    Taken,
    TakenCells,
    TakenImages,
    TakenStore,
    take,
    taken_of,
)
from shoal.settings import FitSettings, fit_settings

READING = (
    "as_",
    "key",
    "shape",
    "dtype",
    "columns",
    "leave_out",
    "categories",
    "pages",
    "images",
)
"""Settings that say how rows are read."""

_OF_OTHERS = ("sample", "previous", "added", "constraints")


def take_within(source: Source, rows: NDArray[np.int64], label: str = "") -> Source:
    """Return some rows of a source, by their numbers in the one that lies on the disk.

    Parameters
    ----------
    source : Source
        The rows, or some rows of another source, such as a sample.
    rows : ndarray, shape (n,), int64
        Positions in `source`.
    label : str
        What people are told of them.
    """
    taken = taken_of(source)
    if taken is None:
        return take(source, Taken(rows, source.n_rows), label)
    return take(_untaken(source), Taken(taken.rows[rows], taken.of), label)


def _untaken(source: Source) -> Source:
    """Return the source that rows were taken of."""
    if isinstance(source, PicturedSource):
        pictures: Any = _untaken(source.pictures)
        return dataclasses.replace(source, rows=_untaken(source.rows), pictures=pictures)
    if isinstance(source, ArraySource) and isinstance(source.store, TakenStore):
        return dataclasses.replace(source, store=source.store.inner)
    if isinstance(source, EncodedSource) and isinstance(source.store, TakenImages):
        return dataclasses.replace(source, store=source.store.inner)
    if isinstance(source, TableSource) and isinstance(source.table, TakenCells):
        return dataclasses.replace(source, table=source.table.inner)
    return source


def cluster_settings(run: Any, stored: Mapping[str, Any], given: Mapping[str, Any]) -> FitSettings:
    """Check the settings of a fit of one cluster of a run, whose rows are read as they were there.

    Parameters
    ----------
    run : path
        The run's folder, for people.
    stored : mapping
        Settings of that run.
    given : mapping
        Those of this fit.

    Raises
    ------
    InputError
        When a setting is given that says how rows are read, or what other rows are fitted.
    """
    for name in (*READING, *_OF_OTHERS):
        if given.get(name) is not None:
            flag = "--" + name.strip("_").replace("_", "-")
            why = (
                f"its rows are read as in {run}"
                if name in READING
                else "it is for fits of all rows"
            )
            raise InputError(f"{flag} cannot be given with a cluster: {why}")
    kept = {name: stored.get(name) for name in (*READING, "features")}
    return fit_settings(**{**kept, **{k: v for k, v in given.items() if v is not None}})
