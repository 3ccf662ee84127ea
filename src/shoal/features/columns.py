"""Columns of a table as features with equal weight."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.core.hashes import row_hashes, uniforms
from shoal.errors import InputError
from shoal.features.base import Needs
from shoal.features.fill import BLOCK as FILLED_AT_ONCE
from shoal.features.fill import Cells, fill_from
from shoal.features.scales import MISMATCH, Scale, learn_scale
from shoal.features.vectors import WIDEST, Vectors

_TOGETHER = 0.7  # power of a chance: ten correlated columns count like seven independent ones


class ColumnLike(Protocol):
    @property
    def role(self) -> str: ...  # Number, date or category
    @property
    def quantiles(self) -> tuple[float, ...]: ...  # Of numbers and dates
    @property
    def step(self) -> float: ...  # Smallest difference between two of them
    # A number that many rows have, and their share
    @property
    def atom(self) -> tuple[float, float] | None: ...
    @property
    def labels(self) -> tuple[str, ...]: ...  # The categories


class TableLike(Protocol):
    @property
    def columns(self) -> Sequence[ColumnLike]: ...  # Those that are used
    @property
    def probabilities(self) -> Sequence[float]: ...  # At which quantiles are given
    @property
    def donors(self) -> NDArray[np.float64]: ...  # Full rows to fill others from
    @property
    def description(self) -> str: ...  # What is done with each column


@dataclass(frozen=True, eq=False)
class Columns:
    """Numbers on a common scale, categories as directions, gaps filled from similar rows.

    **Numbers** and dates: see `Scale`; each column has variance 1, whatever its unit.

    **Categories** of C labels are the corners of a simplex, each `MISMATCH` from any other. Two
    independent rows differ by a squared distance of 2 in a column of numbers, and of at most 1.5
    here; Hennig and Liao advise 1, as whole categories would otherwise become clusters.

    Even so, rows of one category have distance 0 in it, so with many rows all near ones share it.
    So a cell is **spread**: a category along the line from the common centre to twice its corner, a
    whole number over half a step to either side. Categories unrelated to the other columns then
    form no clusters. The draw is a hash of the row's cells, so that equal rows have equal features.

    **Missing cells**, infinite ones and those of unknown categories are filled from the most
    similar of some thousand complete rows (a hot deck): medians would form clusters of gaps.

    `donors`: (n, columns), float64, full rows to fill others from.

    Gower: A general coefficient of similarity and some of its properties. Biometrics 27, 1971.
    Huang: Extensions to the k-means algorithm for clustering large data sets with categorical
    values. Data Mining and Knowledge Discovery 2, 1998. Hennig, Liao: How to find an appropriate
    clustering for mixed-type variables. Journal of the Royal Statistical Society C 62, 2013.
    Nagler: A generic approach to nonparametric function estimation with mixed data. Statistics
    and Probability Letters 137, 2018 (spreading). Andridge, Little: A review of hot deck
    imputation for survey non-response. International Statistical Review 78, 2010.
    """

    name: ClassVar[str] = "columns"
    whiten: ClassVar[float] = 0.0  # No whitening: the columns are on one scale already

    scales: tuple[Scale | int, ...]
    donors: NDArray[np.float64]

    @classmethod
    def of(cls, table: TableLike) -> Columns:

        def scale(column: ColumnLike) -> Scale | int:
            if column.role == "category":
                return len(column.labels)
            is_date = column.role == "date"
            quantiles = table.probabilities, column.quantiles
            return learn_scale(*quantiles, column.step, is_date, column.atom)

        return cls(tuple(map(scale, table.columns)), np.asarray(table.donors, np.float64))

    @property
    def needs(self) -> Needs:
        return Needs(scratch=8 * FILLED_AT_ONCE * (len(self.donors) + 4 * self.wide))

    @property
    def wide(self) -> int:
        """Numbers per row, before very wide rows are reduced."""
        return sum(scale if isinstance(scale, int) else 1 for scale in self.scales)

    @property
    def n_features(self) -> int:
        return min(self.wide, WIDEST)

    def equal_by_chance(self, rows: float) -> bool:
        """Return whether this many rows would include equal ones by chance.

        The chance that two rows are equal is about that of independent normal columns, to a power
        that allows for correlated columns.
        """
        chances = [1.0 / s if isinstance(s, int) else s.equal for s in self.scales]
        return rows * float(np.prod(np.minimum(chances, 1.0))) ** _TOGETHER > 1.0

    def settings(self) -> dict[str, Any]:
        donors = hashlib.blake2b(np.ascontiguousarray(self.donors).tobytes(), digest_size=16)
        return {
            "name": self.name,
            "version": 1,
            "mismatch": MISMATCH,
            "columns": [s if isinstance(s, int) else s.as_dict() for s in self.scales],
            "donors": donors.hexdigest(),
        }

    def setup(self) -> None: ...  # nothing to load

    def encode(self, data: NDArray) -> NDArray:
        """Return float32 ``(n, n_features)`` for cells ``(n, columns)``, as a table is read."""
        if data.ndim != 2 or data.shape[1] != len(self.scales):
            raise InputError(f"rows of shape {data.shape}: (rows, {len(self.scales)}) is needed")
        rows = self._filled(np.asarray(data, np.float64))
        draws = row_hashes(self._cells(rows).features.astype(np.float32))
        out = np.empty((len(rows), self.wide), np.float32)
        at = 0
        for column, scale in enumerate(self.scales):
            cells, draw = rows[:, column], uniforms(draws, column)
            if isinstance(scale, int):
                out[:, at : at + scale] = _corners(cells, scale) * (2 * draw)[:, None]
                at += scale
            else:
                out[:, at] = scale.apply(cells, draw)
                at += 1
        return out if self.wide <= WIDEST else Vectors(self.wide).encode(out)

    def _cells(self, rows: NDArray[np.float64]) -> Cells:
        """Return cells with their features before the spreading, (n, wide)."""
        known = self._known(rows)
        values = np.where(known, rows, self._fill)
        blocks = []
        for column, scale in enumerate(self.scales):
            cells = values[:, column]
            block = _corners(cells, scale) if isinstance(scale, int) else scale.apply(cells)
            blocks.append(np.where(known[:, [column]], block.reshape(len(rows), -1), 0))
        return Cells(rows, known, np.concatenate(blocks, axis=1))

    def _known(self, rows: NDArray[np.float64]) -> NDArray[np.bool_]:
        counts = np.array([s if isinstance(s, int) else 0 for s in self.scales])
        with np.errstate(invalid="ignore"):
            return np.isfinite(rows) & ((counts == 0) | ((rows >= 0) & (rows < counts)))

    @cached_property
    def _fill(self) -> NDArray[np.float64]:
        """Values that no donor has: the median, the most common category."""
        return np.array([0.0 if isinstance(s, int) else s.fill for s in self.scales])

    @cached_property
    def _donor_cells(self) -> Cells:
        return self._cells(self.donors)

    def _filled(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        gaps = np.flatnonzero(~self._known(rows).all(axis=1))
        if not len(gaps):
            return rows
        widths = np.array([s if isinstance(s, int) else 1 for s in self.scales])
        rows = rows.copy()
        rows[gaps] = fill_from(self._cells(rows[gaps]), self._donor_cells, widths, self._fill)
        return rows


def _corners(codes: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return categories as corners of a simplex about 0, `MISMATCH` from each other, (n, count)."""
    corners = np.full((len(codes), count), -1 / count)
    corners[np.arange(len(codes)), codes.astype(np.int64)] += 1
    return corners * (MISMATCH / math.sqrt(2))
