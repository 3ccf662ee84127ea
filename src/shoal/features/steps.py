"""Steps after an encoder that are fitted to all rows: scaling, truncated SVD, PCA."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoal.core.krylov import block_width, leading_eigenpairs, most_columns, takes_whole
from shoal.features.projection import signs

Arrays = dict[str, NDArray]
Sums = Callable[..., NDArray[np.floating]]
"""``sums(rows, **arrays)``: what float32 rows (n, d) add to a total of a fixed shape."""

BLOCK_BYTES = 16 << 20
"""Bytes of float32 rows per block, so that memory does not depend on their width."""

_PIVOTS = 64  # rows whose mean sums are taken about, so that nothing cancels far from zero
_CONSTANT = 1e-14  # of the squared mean: a smaller variance is what float32 leaves of equal rows
_SMALLEST = 1e-12  # of the largest eigenvalue: a smaller one is rounding


class Feed(Protocol):
    """The rows that a step is fitted to, after the earlier steps."""

    @property
    def d(self) -> int: ...  # Length of a row
    # Add up `sums` over all rows, in a fixed order
    def total(
        self, sums: Sums, shape: tuple[int, ...], **arrays: NDArray
    ) -> NDArray[np.float64]: ...
    # Return at most `count` rows from all over, (n, d)
    def sample(self, count: int) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Step:
    """How a kind of step is fitted and applied; the fit is a set of named arrays."""

    # ``fit(feed, k)``: the arrays, `k` numbers a row being wanted
    fit: Callable[[Feed, int], Arrays]
    # ``apply(rows, arrays)``: float32 (n, k) for float32 (n, d)
    apply: Callable[[NDArray[np.float32], Arrays], NDArray[np.float32]]
    arrays: tuple[str, ...]  # Their names, in the order in which they are stored
    # ``memory(d, k)``: bytes of the fit, whatever the workers are
    memory: Callable[[int, int], int]
    # ``passes(d, k)``: about how often the fit reads all rows
    passes: Callable[[int, int], int] = lambda _d, _k: 0
    version: int = 1  # Raised whenever the same rows give other numbers


def column_sums(rows: NDArray[np.float32], pivot: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return count, sums and sums of squares about a pivot, (3, d)."""
    apart = rows - pivot
    return np.stack([np.full(len(pivot), float(len(rows))), apart.sum(0), (apart**2).sum(0)])


def scatter(
    rows: NDArray[np.float32], mean: NDArray[np.float32], basis: NDArray[np.float32] | None = None
) -> NDArray[np.floating]:
    """Return the scatter of rows about a mean, (d, d), or its product with a basis, (d, b).

    The products are in float32, which is as exact as the rows; the blocks are added in float64.
    """
    centred = rows - mean
    if basis is None:
        whole = centred.astype(np.float64)
        return np.asarray(whole.T @ whole)
    return np.asarray(centred.T @ (centred @ basis))


def _moments(feed: Feed) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    pivot = feed.sample(_PIVOTS).astype(np.float64).mean(axis=0)
    count, sums, squares = feed.total(column_sums, (3, feed.d), pivot=pivot)
    n = max(float(count[0]), 1.0)
    mean = sums / n
    return n, pivot + mean, np.maximum(squares / n - mean**2, 0.0)


def _fit_standard(feed: Feed, _: int) -> Arrays:
    _n, mean, variance = _moments(feed)
    constant = variance <= _CONSTANT * mean**2
    return {"mean": mean, "scale": 1.0 / np.sqrt(np.where(constant, 1.0, variance))}


def _standard(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    return ((rows - arrays["mean"]) * arrays["scale"]).astype(np.float32)


def _l2(rows: NDArray[np.float32], _: Arrays) -> NDArray[np.float32]:
    length = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1.0)).astype(np.float32)


def _fit_directions(feed: Feed, k: int, kind: str) -> Arrays:
    """Fit the first k directions of the rows, about zero for ``svd``, else about the mean."""
    n, mean, _variance = _moments(feed)
    d, middle = feed.d, mean.astype(np.float32)
    exact = middle.astype(np.float64)  # what is taken off the rows, to the last bit

    def multiply(basis: NDArray[np.float64] | None) -> NDArray[np.float64]:
        if basis is None:
            product = feed.total(scatter, (d, d), mean=middle)
        else:
            product = feed.total(scatter, basis.shape, mean=middle, basis=basis.astype(np.float32))
        if kind == "svd":  # the rows' own products are these and those of their mean
            product += n * np.outer(exact, exact if basis is None else exact @ basis)
        return product

    values, vectors = leading_eigenpairs(multiply, d, k)
    kept = values > _SMALLEST * values[0]
    gains = 1.0 / np.sqrt(np.where(kept, values, 1.0) / n) if kind == "whiten" else 1.0
    matrix = vectors * signs(vectors) * kept * gains
    offset = exact @ matrix if kind == "svd" else np.zeros(k)
    return {
        "mean": middle,
        "matrix": matrix.astype(np.float32),
        "offset": offset.astype(np.float32),
        "singular": np.sqrt(values),
    }


def _directions(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    return (rows - arrays["mean"]) @ arrays["matrix"] + arrays["offset"]


def _direction_step(kind: str) -> Step:
    def memory(d: int, k: int) -> int:
        # The basis, its copy while it grows, a product and the part of a group.
        block = d if takes_whole(d, k) else block_width(k)
        return 8 * d * (2 * most_columns(d, k) + 3 * block)

    return Step(
        lambda feed, k: _fit_directions(feed, k, kind),
        _directions,
        ("mean", "matrix", "offset", "singular"),
        memory,
        lambda d, k: 2 if takes_whole(d, k) else 10,
    )


def _fit_random(feed: Feed, k: int) -> Arrays:
    """Draw a sparse matrix of signs (Li, Hastie and Church, "Very sparse random projections")."""
    from sklearn.random_projection import SparseRandomProjection

    drawn = SparseRandomProjection(k, random_state=0).fit(np.zeros((1, feed.d), np.float32))
    matrix = drawn.components_
    return {
        "values": matrix.data.astype(np.float32),
        "columns": matrix.indices,
        "ends": matrix.indptr,
    }


def _random(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    from scipy.sparse import csr_array

    shape = (len(arrays["ends"]) - 1, rows.shape[1])
    matrix = csr_array((arrays["values"], arrays["columns"], arrays["ends"]), shape=shape)
    return np.ascontiguousarray((matrix @ rows.T).T)


STEPS: dict[str, Step] = {
    "standard": Step(
        _fit_standard, _standard, ("mean", "scale"), lambda d, _: 96 * d, lambda _d, _k: 1
    ),
    "l2": Step(lambda _feed, _k: {}, _l2, (), lambda _d, _k: 0),
    "svd": _direction_step("svd"),
    "pca": _direction_step("pca"),
    "whiten": _direction_step("whiten"),
    "random": Step(
        _fit_random, _random, ("values", "columns", "ends"), lambda d, k: 16 * k * int(d**0.5 + 1)
    ),
}
"""Steps fitted to all rows, by kind; those in `landmarks.STEPS` are fitted to a sample."""
