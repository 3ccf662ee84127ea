"""Rows of vectors or of a table as plain numbers, to be drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.sources import Source
from shoal.sources.mixed import TableSource


def drawn(source: Source, data: NDArray) -> NDArray[np.float64]:
    """Give rows as finite numbers, (n, numbers).

    Of a table: numbers as they are, the median where one is missing; for each category 1 in its
    rows and 0 in others.
    """
    if not isinstance(source, TableSource):
        return data.astype(np.float64).reshape(len(data), -1)
    blocks = []
    for at, column in enumerate(source.schema.columns):
        cells = data[:, at]
        if column.role == "category":
            blocks.append((cells[:, None] == np.arange(len(column.labels))).astype(np.float64))
        else:
            median = column.quantiles[len(column.quantiles) // 2]
            blocks.append(np.where(np.isfinite(cells), cells, median)[:, None])
    return np.concatenate(blocks, axis=1)


def drawn_names(source: Source) -> list[str] | None:
    """Name what `drawn` gives, None where the numbers have no names."""
    if isinstance(source, TableSource):
        return [
            name
            for column in source.schema.columns
            for name in ([f"{column.name}: {label}" for label in column.labels] or [column.name])
        ]
    names: list[Any] = source.fingerprint().get("columns") or []
    named = len(names) == int(np.prod(source.shape))  # else it is the one name of lists
    return list(map(str, names)) if named else None
