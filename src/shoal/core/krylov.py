"""Largest eigenpairs of a matrix that is available only through products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, qr

WHOLE = 2_048
"""Rows up to which the whole matrix is requested."""

_MOST_PRODUCTS = 12  # 100 singular values of drawings in 40,000 pixels converge after 8
# Relative change of each singular value by the last product; the remaining error is a thirtieth.
_SETTLED = 1e-4
_ROUNDING = 1e-13  # of a product: a smaller part outside the basis counts as none

Multiply = Callable[[NDArray[np.float64] | None], NDArray[np.float64]]
"""Maps (d, b) to the matrix times that, and None to the matrix itself."""


def block_width(k: int) -> int:
    """Return the number of columns per product: fewer would need more passes.

    With 64 columns 100 singular values take 8 products, with 110 they take 6 that each cost twice
    as much, with 32 they take 12.
    """
    return max(16, -(-2 * k // 3))


def takes_whole(d: int, k: int) -> bool:
    """Return whether to compute the whole matrix: it is small, or most eigenpairs are wanted."""
    return d <= WHOLE or 4 * k > d


def most_columns(d: int, k: int) -> int:
    """Return the maximum number of columns of length d in memory."""
    return d if takes_whole(d, k) else _MOST_PRODUCTS * block_width(k)


def leading_eigenpairs(
    multiply: Multiply, d: int, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the `k` ≤ `d` largest eigenpairs of a positive semi-definite (d, d) matrix.

    Block Lanczos with full reorthogonalisation from fixed random columns, until no square root of
    an eigenvalue changes by more than 1e-4 of itself.

    Returns
    -------
    tuple
        Values, (k,), descending, and vectors, (d, k), zero for eigenvalues of 0 that no product
        revealed.

    References
    ----------
    Golub and Underwood, "The block Lanczos method for computing eigenvalues", 1977.
    Musco and Musco, "Randomized block Krylov methods for stronger and faster approximate singular
    value decomposition", NIPS 2015.
    """
    if takes_whole(d, k):
        values, vectors = eigh(multiply(None), subset_by_index=(d - k, d - 1))
        return np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    inner, basis = _projected(multiply, d, k)
    values, turned = eigh(inner)
    found, vectors = np.zeros(k), np.zeros((d, k))
    some = min(k, len(inner))
    found[:some] = np.maximum(values[::-1][:some], 0.0)
    vectors[:, :some] = basis @ turned[:, ::-1][:, :some]
    return found, vectors


def _projected(
    multiply: Multiply, d: int, k: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the matrix in a basis of a Krylov space, and the basis, (d, b)."""
    start = np.random.default_rng(0).standard_normal((d, block_width(k)))
    basis = block = qr(start, mode="economic")[0]
    inner, before = np.zeros((0, 0)), np.zeros(k)
    for _ in range(_MOST_PRODUCTS):
        product = multiply(block)
        inner = _bordered(inner, basis.T @ product)
        sizes = np.sqrt(np.maximum(np.linalg.eigvalsh(inner)[::-1][:k], 0.0))
        sizes = np.pad(sizes, (0, k - len(sizes)))
        settled = len(inner) >= k and (np.abs(sizes - before) <= _SETTLED * sizes).all()
        if settled or basis.shape[1] + block.shape[1] > d:
            break
        before, block = sizes, _next_block(basis, product)
        if not block.shape[1]:
            break
        basis = np.hstack([basis, block])
    return inner, basis[:, : len(inner)]


def _bordered(inner: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append the last columns to a symmetric matrix, and the same rows."""
    size, old = len(columns), len(inner)
    grown = np.zeros((size, size))
    grown[:old, :old] = inner
    grown[:, old:] = columns
    grown[old:] = columns.T
    corner = columns[old:]
    grown[old:, old:] = (corner + corner.T) / 2
    return grown


def _next_block(basis: NDArray[np.float64], product: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return orthonormal columns for the part of a product outside the basis, possibly none."""
    beyond, sizes, _ = qr(product - basis @ (basis.T @ product), mode="economic", pivoting=True)
    beyond = beyond[:, np.abs(np.diag(sizes)) > _ROUNDING * np.linalg.norm(product)]
    beyond -= basis @ (basis.T @ beyond)  # twice is enough (Kahan and Parlett)
    block: NDArray[np.float64] = qr(beyond, mode="economic")[0] if beyond.size else beyond
    return block
