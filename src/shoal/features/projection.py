"""The projection: exact mergeable moments of the features, and their principal components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.linalg import eigh

from shoal.errors import InputError

COMPONENTS = 64
_BLOCK = 4096  # rows turned to float64 at a time
PROJECTED = 1024
"""Rows that are projected at a time: they stay in a core's cache."""

_NOISE = 1e-2  # of the largest eigenvalue: whitening raises smaller components no further
_SETTLED = 8  # rows a component: with fewer, up to 16% of MNIST's held-out digits seemed unknown
_ROUNDING = 1e-4  # of the usual length of a row: what is left out below that is none
_SMALLEST = 1e-6  # of the largest eigenvalue: below it a component is rounding
_MOMENTS = ("count", "weight", "mean", "scatter")
_PROJECTION = ("mean", "matrix", "eigenvalues")
_NOT_FINITE = "the features hold NaN or infinity, or overflow: fix or remove these rows first"


@dataclass(frozen=True)
class Moments:
    """Count, weight, mean and scatter of feature rows: all that a projection needs.

    Kept about the mean, not about zero, so that nothing cancels when the mean is far from zero.
    Merging in a fixed order gives identical bytes; in another order, equal up to rounding.

    Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample
    variances. COMPSTAT 1982.
    """

    count: int
    weight: float  # Sum of the rows' weights; equal to `count` without weights
    mean: NDArray  # float64 (d,), weighted
    scatter: NDArray  # float64 (d, d), weighted outer products of the rows less the mean

    @classmethod
    def zero(cls, d: int) -> Moments:
        return cls(0, 0.0, np.zeros(d), np.zeros((d, d)))

    @classmethod
    def of(cls, features: NDArray, weights: NDArray | None = None) -> Moments:
        """Moments of float ``(n, d)`` features, of ``(n,)`` weights of at least 0."""
        if features.ndim != 2:
            raise InputError(f"features of shape {features.shape}: (rows, features) is needed")
        if not np.isfinite(features).all():
            raise InputError(_NOT_FINITE)
        if weights is not None:
            _check_weights(weights, len(features))
        moments = cls.zero(features.shape[1])
        for a in range(0, len(features), _BLOCK):
            part = None if weights is None else weights[a : a + _BLOCK]
            moments = moments.merge(_moments_of_block(features[a : a + _BLOCK], part))
        return moments

    def merge(self, other: Moments) -> Moments:
        if len(self.mean) != len(other.mean):
            raise InputError(
                f"rows of {len(self.mean)} and of {len(other.mean)} features cannot be merged"
            )
        count, weight = self.count + other.count, self.weight + other.weight
        if self.weight == 0 or other.weight == 0:
            full = other if self.weight == 0 else self
            return Moments(count, weight, full.mean, full.scatter)
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.weight / weight)
        between = np.outer(shift, shift)
        between *= self.weight * (other.weight / weight)
        between += self.scatter
        between += other.scatter
        return Moments(count, weight, mean, between)

    def to_arrays(self) -> dict[str, NDArray]:
        return {name: np.asarray(getattr(self, name)) for name in _MOMENTS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> Moments:
        mean, scatter = (np.asarray(arrays[name], np.float64) for name in ("mean", "scatter"))
        return cls(int(arrays["count"]), float(arrays["weight"]), mean, scatter)


@dataclass(frozen=True)
class Projection:
    """A shift and a matrix that take features to the space that is clustered."""

    mean: NDArray  # float64 (features,), subtracted first
    # float64 (features, components): principal directions, each divided by a power of its
    # eigenvalue, the whitening
    matrix: NDArray
    eigenvalues: NDArray  # float64 (components,): variances before whitening, falling

    @property
    def n_components(self) -> int:
        return int(self.matrix.shape[1])

    def apply(self, features: NDArray) -> NDArray:
        """Return float32 ``(n, components)`` for float ``(n, features)``."""
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise InputError(
                f"features of shape {features.shape}: (rows, {len(self.mean)}) is needed"
            )
        mean, matrix, rest = self._rounded
        out = np.empty((len(features), self.n_components), np.float32)
        for a in range(0, len(features), PROJECTED):
            rows = np.asarray(features[a : a + PROJECTED] - mean, np.float32)
            np.dot(rows, matrix, out=out[a : a + PROJECTED])
        out -= rest @ matrix
        return out

    def centred(self, features: NDArray) -> NDArray[np.float32]:
        """Return features without their mean, as exact as float32 has the difference."""
        mean, _, rest = self._rounded
        return np.asarray(features - mean, np.float32) - rest

    def squares(
        self, features: NDArray, vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the squared length of centred features, and how much of it is left out, (n,)."""
        mean, _, rest = self._rounded
        weights = 1 / np.einsum("ij,ij->j", self.matrix, self.matrix)
        found = np.empty(len(features)), np.empty(len(features))
        _squares(features, mean, rest, vectors, weights, *found)
        return found

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """What projected rows are multiplied by to lie among the features again."""
        back = self.matrix / np.linalg.norm(self.matrix, axis=0) ** 2
        return np.ascontiguousarray(back.T, np.float32)

    @cached_property
    def _rounded(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The mean and the matrix in float32, and what the mean loses by that."""
        mean = self.mean.astype(np.float32)
        return mean, self.matrix.astype(np.float32), (self.mean - mean).astype(np.float32)

    def is_settled(self, count: int) -> bool:
        """Return whether `count` rows fit the projection so well that new rows lie as these do.

        Else the components are drawn to the rows, which lie farther from each other than new
        rows will from them; what is left out of these makes up for it in the whole distance.
        """
        return self.n_components == len(self.mean) or count >= _SETTLED * self.n_components

    def weighed(self, left: NDArray) -> NDArray:
        """Return lengths of what the projection leaves out in units of projected rows.

        They count as the last component does, the one nearest to what is left out; what is no
        more than rounding counts as nothing.
        """
        rounding = _ROUNDING * float(np.sqrt(self.eigenvalues.sum()))
        gain = float(np.linalg.norm(self.matrix[:, -1]))
        return np.where(left > rounding, gain * left, 0).astype(np.float32)

    def unfitted(self, vectors: NDArray, left: NDArray, count: int) -> tuple[NDArray, NDArray]:
        """Return projected rows, and what is left out of them, as if they had not been fitted.

        Components are drawn towards the rows that they are fitted to, the more so the fewer these
        are and the smaller the component. To first order a row without which the projection is
        fitted has, at a component of eigenvalue λ, 1 - R² / (n (λ - σ²)) of its coordinate, with
        R the length of what is left out of it then, and σ² the mean eigenvalue of what is left
        out of all; the row's length stays, which gives R. This is exact with as many components
        as rows: R is the distance to the plane through the others.

        `vectors`: (rows, components), of fitted rows; `left`: (rows,), length of what it leaves
        out of each, in features.
        """
        if not len(vectors) or self.n_components == len(self.mean):
            return vectors, left
        gains = np.linalg.norm(self.matrix, axis=0)
        squares, outside = (vectors / gains).astype(np.float64) ** 2, left.astype(np.float64) ** 2
        rest = min(len(self.mean), count - 1) - self.n_components
        noise = float(outside.mean()) / rest if rest > 0 else 0.0
        spread = count * np.maximum(self.eigenvalues - noise, _SMALLEST * self.eigenvalues[0])
        # R² = left² + Σ y² (1 - (1 - R² / spread)²) is a quadratic equation for R².
        pull, curve = 2 * (squares / spread).sum(1) - 1, (squares / spread**2).sum(1)
        tiny = np.finfo(np.float64).tiny
        alone = (pull + np.sqrt(pull**2 + 4 * curve * outside)) / np.maximum(2 * curve, tiny)
        kept = np.clip(1 - np.maximum(alone, outside)[:, None] / spread, 0, 1)
        centred = count / max(count - 1, 1)  # the mean moves too
        outside += (squares * (1 - kept**2)).sum(1)
        moved = (vectors * (kept * centred)).astype(np.float32)
        return moved, (np.sqrt(outside) * centred).astype(np.float32)

    def direction(self, features: NDArray) -> NDArray:
        """Return what projected rows are multiplied by, in place of the rows by some features.

        ``apply(rows) @ direction(features).T`` is ``(rows - mean) @ features.T``, except for what
        the projection leaves out: so rows come in the order of their inner products.
        """
        squares = (self.matrix**2).sum(axis=0)  # its columns are orthogonal
        return (features.astype(np.float64) @ self.matrix / squares).astype(np.float32)

    def to_arrays(self) -> dict[str, NDArray]:
        return {name: getattr(self, name) for name in _PROJECTION}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray]) -> Projection:
        return cls(*(np.asarray(arrays[name], np.float64) for name in _PROJECTION))


def fit_projection(
    moments: Moments, n_components: int = COMPONENTS, whiten: float = 0.25
) -> Projection:
    """Fit at most `n_components` principal components, divided by eigenvalues to a power.

    With a `whiten` of a quarter a component of standard deviation s comes out with √s: halfway
    between plain components and whitened ones. A hundredth of the first eigenvalue is added to
    each before the power is taken, so that components of mere noise are not raised.
    """
    if moments.weight <= 0:
        raise InputError("there are no rows: clustering needs at least 2 different ones")
    covariance = moments.scatter / moments.weight
    if not (np.isfinite(covariance).all() and np.isfinite(moments.mean).all()):
        raise InputError(_NOT_FINITE)
    if covariance.trace() <= _rounding(moments):
        raise InputError(
            f"all rows are identical ({moments.count:,} of them): there is nothing to cluster"
        )
    d = len(covariance)
    values, vectors = eigh(covariance, subset_by_index=(max(0, d - n_components), d - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > _SMALLEST * values[0]
    values, vectors = values[kept], vectors[:, kept]
    divisors = (values + _NOISE * values[0]) ** whiten
    return Projection(moments.mean, vectors * (signs(vectors) / divisors), values)


def _rounding(moments: Moments) -> float:
    """Variance that rounding alone can leave among identical rows."""
    return float((moments.mean**2).sum()) * 1e-28


def signs(vectors: NDArray) -> NDArray:
    """±1 a column, such that its entry of greatest size comes out positive."""
    size = np.abs(vectors)
    # the first that is as great as the greatest up to rounding: ties do not turn with rounding
    first = (size >= size.max(axis=0) * (1 - 1e-6)).argmax(axis=0)
    return np.where(vectors[first, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)


def _check_weights(weights: NDArray, n: int) -> None:
    if weights.shape != (n,):
        raise InputError(f"{n} rows, but weights of shape {weights.shape}: ({n},) is needed")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("weights that are negative, NaN or infinite: each must be 0 or more")


def _moments_of_block(features: NDArray, weights: NDArray | None) -> Moments:
    rows = features.astype(np.float64)
    if weights is None:
        mean = rows.mean(axis=0)
        rows -= mean
        return Moments(len(rows), float(len(rows)), mean, rows.T @ rows)
    factors = weights.astype(np.float64)
    total = float(factors.sum())
    if total == 0:
        return Moments(len(rows), 0.0, np.zeros(rows.shape[1]), np.zeros((rows.shape[1],) * 2))
    mean = factors @ rows / total
    rows -= mean
    rows *= np.sqrt(factors)[:, None]
    return Moments(len(rows), total, mean, rows.T @ rows)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _squares(features, mean, rest, vectors, weights, lengths, outside):  # type: ignore[no-untyped-def]
    """Fill squared lengths: as directions are orthogonal, what is inside is a sum of squares."""
    for i in range(len(features)):
        length = inside = 0.0
        for j in range(features.shape[1]):
            step = np.float64(features[i, j] - mean[j] - rest[j])
            length += step * step
        for j in range(vectors.shape[1]):
            inside += np.float64(vectors[i, j]) ** 2 * weights[j]
        lengths[i], outside[i] = length, length - inside
