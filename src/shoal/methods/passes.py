"""How a pass over all rows moves what a method found by representatives: sums, then a new rule.

The sums of blocks of rows add up in any grouping, so a pass is done in parts, by any workers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoal.methods.gmm import gaussian_rule, shares_of
from shoal.methods.rules import Rule
from shoal.methods.spherical_kmeans import unit

_AT_ONCE = 1 << 20  # numbers in memory at a time: blocks stay in a core's cache

COSTS = {"euclidean": "inertia", "cosine": "sum of 1 − cosine", "gaussian": "log-likelihood"}
"""What the passes lessen (the last: raise), by the kind of rule."""


def sums_shape(rule: Rule) -> tuple[int, int]:
    """Return the shape of the sums: for each cluster its rows, their cost, and their moments."""
    k, d = rule.centres.shape
    second = 0 if rule.whiten is None else int(np.prod(rule.whiten.shape[1:]))
    return k, 2 + d + second


def pass_sums(rule: Rule, rows: NDArray) -> NDArray[np.float64]:
    """Sum rows by the clusters that they belong to, (K, 2 + d) or more for mixtures."""
    k, d = rule.centres.shape
    sums = np.zeros(sums_shape(rule))
    step = max(1, _AT_ONCE // (k + 2 * d))
    for start in range(0, len(rows), step):
        block = np.asarray(rows[start : start + step], np.float64)
        if rule.kind == "gaussian":
            _add_shares(rule, block, sums)
        else:
            _add_nearest(rule, block, sums)
    return sums


def _add_nearest(rule: Rule, rows: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
    """Add rows to the sums of their cluster, which float32 products find; costs are exact."""
    n, k = len(rows), len(rule.centres)
    if rule.kind == "cosine":
        rows = unit(rows if rule.origin is None else rows - rule.origin)
        middle, near, centres, half, square = 0.0, rows, rule.centres, np.zeros(k), np.ones(n)
    else:
        middle = rule.centres.mean(axis=0)  # nothing cancels where all lie far from zero
        near, centres = rows - middle, rule.centres - middle
        half, square = 0.5 * (centres**2).sum(axis=1), np.einsum("ij,ij->i", near, near)
    scores = near.astype(np.float32) @ centres.T.astype(np.float32)
    scores -= half.astype(np.float32)
    member = sparse.csr_matrix((np.ones(n), scores.argmax(axis=1), np.arange(n + 1)), shape=(n, k))
    found = member.T @ np.column_stack([np.ones(n), square, rows])
    size, inside = found[:, 0], (centres * (found[:, 2:] - found[:, :1] * middle)).sum(axis=1)
    found[:, 1] -= inside if rule.kind == "cosine" else 2 * (inside - size * half)
    sums += found


def _add_shares(rule: Rule, rows: NDArray[np.float64], sums: NDArray[np.float64]) -> None:
    """Add rows to each Gaussian by their share in it, moments about its middle."""
    assert rule.whiten is not None  # a mixture's rule has them
    d = rows.shape[1]
    shares, likelihood = shares_of(rule, rows)
    sums[:, 0] += shares.sum(axis=0)
    sums[0, 1] += likelihood.sum()
    for j, centre in enumerate(rule.centres):
        apart = rows - centre
        weighed = shares[:, j, None] * apart
        sums[j, 2 : 2 + d] += weighed.sum(axis=0)
        second = (weighed * apart).sum(axis=0) if rule.whiten.ndim == 2 else weighed.T @ apart
        sums[j, 2 + d :] += second.ravel()


def moved(rule: Rule, sums: NDArray[np.float64], shape: str = "", added: float = 0.0) -> Rule:
    """Return the rule of the sums of all rows by the last one; a cluster without rows stays.

    `shape`, `added`: of a mixture, the kind of its covariances and what is added to the diagonals.
    """
    d = rule.centres.shape[1]
    size, first = sums[:, :1], sums[:, 2 : 2 + d] / np.maximum(sums[:, :1], 1e-10)
    if rule.kind != "gaussian":
        centres = unit(first) if rule.kind == "cosine" else first
        return Rule(rule.kind, np.where(size > 0, centres, rule.centres), origin=rule.origin)
    second = sums[:, 2 + d :] / np.maximum(size, 1e-10)
    if second.shape[1] == d:
        spread = np.maximum(second - first**2, 0.0)
    else:
        spread = second.reshape(-1, d, d) - first[:, :, None] * first[:, None, :]
    return gaussian_rule(rule.centres + first, size[:, 0], spread, shape, added)
