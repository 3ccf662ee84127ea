"""How a method assigns new rows: to the nearest centre, or to the likeliest component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1 << 24  # numbers in memory at a time
KINDS = ("euclidean", "cosine", "manhattan", "gaussian")
ARRAYS = ("centres", "transform", "origin", "whiten", "offsets")


@dataclass(frozen=True)
class Rule:
    """Assigns rows to clusters."""

    kind: str  # One of `KINDS`
    centres: NDArray[np.float64]  # (K, d)
    # Of ``euclidean``, (d, d): rows and centres are multiplied by it first
    transform: NDArray[np.float64] | None = None
    # Of ``cosine``, (d,): from where directions are measured
    origin: NDArray[np.float64] | None = None
    # Of ``gaussian``: one over the standard deviations, (K, d), or the Cholesky factors of the
    # precisions, (K, d, d), upper triangular, so that (x − centre) @ factor is white
    whiten: NDArray[np.float64] | None = None
    # Of ``gaussian``, (K,): the logarithm of each component's weight and its factor's determinant
    offsets: NDArray[np.float64] | None = None

    def assign(self, rows: NDArray) -> NDArray[np.int32]:
        """Return the cluster of each row, (n,) int32; the first of equally near ones."""
        found = np.empty(len(rows), np.int32)
        k, d = self.centres.shape
        step = max(1, _AT_ONCE // (k * (d if self.kind == "manhattan" else 1) + d))
        for start in range(0, len(rows), step):
            block = np.asarray(rows[start : start + step], np.float64)
            found[start : start + step] = self.scores(block).argmax(axis=1)
        return found

    def scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how well each row fits each cluster, (n, K): it belongs to the largest."""
        if self.kind == "gaussian":
            return self._log_densities(rows)
        if self.kind == "manhattan":
            return -np.abs(rows[:, None, :] - self.centres).sum(axis=2)
        if self.kind == "cosine":
            return (rows if self.origin is None else rows - self.origin) @ self.centres.T
        centres = self.centres
        if self.transform is not None:
            rows, centres = rows @ self.transform, centres @ self.transform
        middle = centres.mean(axis=0)  # nothing cancels where all lie far from zero
        rows, centres = rows - middle, centres - middle
        return rows @ centres.T - 0.5 * (centres**2).sum(axis=1)

    def _log_densities(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of weight × density of each component, less a constant."""
        assert self.whiten is not None
        assert self.offsets is not None
        if self.whiten.ndim == 2:
            middle = self.centres.mean(axis=0)  # nothing cancels where all lie far from zero
            apart, centres, precision = rows - middle, self.centres - middle, self.whiten**2
            inside = apart**2 @ precision.T - 2.0 * apart @ (precision * centres).T
            return self.offsets - 0.5 * (inside + (precision * centres**2).sum(axis=1))
        found = np.empty((len(rows), len(self.centres)))
        for j, (centre, factor) in enumerate(zip(self.centres, self.whiten, strict=True)):
            apart = rows - centre
            white = apart @ factor
            found[:, j] = self.offsets[j] - 0.5 * np.einsum("ij,ij->i", white, white)
        return found

    def only(self, clusters: NDArray[np.int64]) -> Rule:
        """Return the rule for some of the clusters, in that order."""
        return replace(
            self,
            centres=self.centres[clusters],
            whiten=None if self.whiten is None else self.whiten[clusters],
            offsets=None if self.offsets is None else self.offsets[clusters],
        )

    def to_arrays(self) -> dict[str, NDArray]:
        """Return the arrays that `from_arrays` takes, the kind apart."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        return {name: array for name, array in arrays.items() if array is not None}

    @classmethod
    def from_arrays(cls, kind: str, arrays: Mapping[str, NDArray]) -> Rule:
        """Make the rule from what `to_arrays` returned."""
        return cls(kind, **{name: np.asarray(array, np.float64) for name, array in arrays.items()})
