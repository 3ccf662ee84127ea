"""Run a method: check what it is given, choose K where none is, put its result in one form."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.hashes import row_hashes
from shoal.core.nearest import nearest_of
from shoal.errors import InputError
from shoal.methods import METHODS
from shoal.methods.base import PASSES, Method, Partition, WeightedRows

_REPEATED = 50_000  # rows: up to so many are repeated for a method that takes no weights
_CHOOSING = 2_000  # rows that K is chosen by
_MOST_K = 20
_LEAST_CHOSEN = 4  # rows, below which all are one cluster unless people ask for something else
_TOO_FEW = "K = 1: there are too few rows to choose K."
_KEYS = 4  # columns that rows are sorted by; after them a hash decides


def run_method(
    name: str,
    vectors: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    seed: int = 0,
    k: int | None = None,
    parameters: Mapping[str, Any] | None = None,
    memory: int = 4 * 2**30,
) -> Partition:
    """Cluster rows in memory by a method.

    Parameters
    ----------
    name : str
        A key of `METHODS`.
    vectors : array-like, shape (m, d)
        Distinct, finite rows.
    weights : array-like, shape (m,), optional
        How often each row counts; once by default.
    seed : int, default 0
    k : int, optional
        Number of clusters; by default the method's own, or that with the largest silhouette.
    parameters : mapping, optional
        Of the method.
    memory : int, default 4 GiB
        Bytes; half of them for the pairs of rows of a method that keeps them.

    Returns
    -------
    Partition
        Labels are 0 .. K − 1 without gaps, by first row; −1 for noise.

    Raises
    ------
    InputError
        For rows, a number of clusters or parameters that cannot be used; says what would do.

    Examples
    --------
    >>> rows = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> run_method("kmeans", rows, k=2).labels.tolist()
    [0, 0, 1, 1]
    """
    method, rows = METHODS[name], weighted_rows(vectors, weights)
    values = method.resolved(parameters or {})
    method.check_k(k, len(rows))
    most = method.most_rows(memory)
    if most is not None and len(rows) > most:
        raise InputError(
            f"{name} takes at most {most:,} rows in this memory; got {len(rows):,}: give at most "
            f"{most:,} representatives"
        )
    few = len(rows) < _LEAST_CHOSEN and not (k or parameters or method.hierarchical)
    if len(rows) == 1 or few:
        return Partition(np.zeros(len(rows), np.int32), notes=(_TOO_FEW,) * (len(rows) > 1))
    order = _own_order(rows.vectors)
    with one_thread_without_warnings():
        found = _fit_with_k(method, rows[order], seed, k, values, most)
    return _renumbered(_in_place(found, order))


def weighted_rows(vectors: ArrayLike, weights: ArrayLike | None) -> WeightedRows:
    """Check rows and weights, and return them as the methods take them."""
    rows = np.ascontiguousarray(vectors, np.float32)
    if rows.ndim != 2 or not len(rows):
        raise InputError(f"vectors of shape {rows.shape}: (rows, numbers) with a row is needed")
    if not np.isfinite(rows).all():
        raise InputError("vectors hold NaN or infinity: fix or remove these rows first")
    heavy = np.ones(len(rows)) if weights is None else np.asarray(weights, np.float64)
    if heavy.shape != (len(rows),) or not (np.isfinite(heavy) & (heavy > 0)).all():
        raise InputError(f"weights must be {len(rows):,} numbers above 0; got shape {heavy.shape}")
    return WeightedRows(rows, heavy)


@contextmanager
def one_thread_without_warnings() -> Iterator[None]:
    """Limit libraries to one thread, as sums over several depend on their number.

    Their warnings are of convergence: what was found is used all the same.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _fit_with_k(
    method: Method,
    rows: WeightedRows,
    seed: int,
    k: int | None,
    values: Mapping[str, Any],
    most: int | None,
) -> Partition:
    """Fit a method, with K by the silhouette where it needs one; all that was chosen is noted."""
    chosen: tuple[str, ...] = ()
    if k is None and method.needs_k:
        k, note = _k_by_silhouette(method, rows, seed, values)
        chosen = (note,)
    found = fit_method(method, rows, seed, k, values, most)
    noise: tuple[str, ...] = ()
    if method.noise:
        share = float(rows.weights[np.asarray(found.labels) < 0].sum() / rows.weights.sum())
        noise = (f"{100 * share:.1f}% of the rows are noise.",)
    return replace(found, notes=(*chosen, *found.notes, *noise))


def _k_by_silhouette(
    method: Method, rows: WeightedRows, seed: int, values: Mapping[str, Any]
) -> tuple[int, str]:
    """Return the K with the largest silhouette, by up to 2,000 rows, and a sentence on it.

    Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster
    analysis", 1987.
    """
    from shoal.methods.scores import silhouette

    if len(rows) < _LEAST_CHOSEN:
        return 1, _TOO_FEW
    share = rows.weights / rows.weights.sum()
    draw = np.random.default_rng(seed)
    some = rows[np.sort(draw.choice(len(rows), min(_CHOOSING, len(rows)), replace=False, p=share))]
    if len(some) < len(rows):  # they were drawn by their weights
        some = replace(some, weights=np.ones(len(some)))
    most = min(_MOST_K, len(some) - 1)
    found = {
        k: silhouette(some.vectors, fit_method(method, some, seed, k, values).labels, some.weights)
        for k in range(2, most + 1)
    }
    best = max(found, key=lambda k: (found[k], -k))
    return best, f"K = {best}, the largest silhouette ({found[best]:.3f}) of 2 to {most}."


def fit_method(
    method: Method,
    rows: WeightedRows,
    seed: int,
    k: int | None,
    values: Mapping[str, Any],
    most: int | None = None,
) -> Partition:
    """Fit, with rows repeated as often as they weigh where the method takes no weights."""
    values = {name: value for name, value in values.items() if name != PASSES.name}
    if method.weighted or rows.is_even:
        return method.fit(rows, seed, k, **values)
    total = rows.weights.sum()
    if total > min(_REPEATED, most or _REPEATED) or (rows.weights % 1 != 0).any():
        note = f"{method.name} takes no weights: each representative counts as one row."
        found = method.fit(replace(rows, weights=np.ones(len(rows))), seed, k, **values)
        return replace(found, notes=(*found.notes, note))
    times = rows.weights.astype(np.int64)
    repeated = WeightedRows(np.repeat(rows.vectors, times, axis=0), np.ones(times.sum()))
    found = method.fit(repeated, seed, k, **values)
    return replace(found, labels=found.labels[np.cumsum(times) - times])


def _own_order(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return an order that depends on the rows alone, as seeds draw rows by their place."""
    first = rows[:, :_KEYS].T[::-1]  # of keys the last one counts first
    order: NDArray[np.int64] = np.lexsort([row_hashes(rows), *first])
    return order


def _in_place(found: Partition, order: NDArray[np.int64]) -> Partition:
    """Take rows back from another order: row i there is row ``order[i]``."""
    place = np.argsort(order, kind="stable")
    merges = found.merges
    if merges is not None:
        nodes = np.concatenate([order, np.arange(len(order), 2 * len(order) - 1)])
        merges = nodes[merges]
    shares = found.memberships
    return replace(
        found,
        labels=np.asarray(found.labels)[place],
        memberships=None if shares is None else shares[place],
        merges=merges,
    )


def _renumbered(found: Partition) -> Partition:
    """Renumber clusters by their first row, without those that have none."""
    labels = np.asarray(found.labels, np.int32)
    used, first = np.unique(labels, return_index=True)
    used, first = used[used >= 0], first[used >= 0]
    used = used[np.argsort(first)]
    number = np.full(int(labels.max(initial=0)) + 2, -1, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    shares = found.memberships
    return replace(
        found,
        labels=number[labels],
        memberships=None if shares is None else np.ascontiguousarray(shares[:, used]),
        rule=None if found.rule is None else found.rule.only(used.astype(np.int64)),
        grid=None if found.grid is None else found.grid[used],
    )


def without_noise(vectors: NDArray[np.float32], labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return labels in which noise goes with the nearest row that is none; 0 where all is noise."""
    noise = labels < 0
    if noise.all():
        return np.zeros_like(labels)
    if not noise.any():
        return labels
    kept = np.flatnonzero(~noise)
    nearest = nearest_of(vectors[noise], vectors[kept])[0][:, 0]
    filled = labels.copy()
    filled[noise] = labels[kept[nearest]]
    return filled
