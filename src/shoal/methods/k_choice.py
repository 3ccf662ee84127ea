"""Choosing K: one method fitted for many K, and what each criterion would pick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.checked import checked_whole
from shoal.errors import InputError, SettingError
from shoal.methods import METHODS, Method
from shoal.methods.base import WeightedRows
from shoal.methods.dendrograms import cut
from shoal.methods.k_criteria import Labels, add_bic, add_gap, add_strength, measures, picks
from shoal.methods.run import fit_method, one_thread_without_warnings, weighted_rows
from shoal.methods.scores import silhouettes

_QUICK = ("kmeans", "mini-batch-kmeans")  # enough for structureless twins by default
_SILHOUETTE_ROWS = 2_000  # rows whose distances to each other are measured
_REFERENCE_ROWS = 1_000  # rows of which structureless twins are clustered for every K
_REFERENCES = 10
_ANEW_ROWS = 10_000  # rows for which k-means also starts anew for each K
_STARTS_ANEW = 10  # of the starts that are given, one in so many: the centres before are one, too


@dataclass(frozen=True)
class KChoice:
    """What criteria say of each K."""

    method: str  # The method that was fitted
    # One record for each K: k, inertia, silhouette, calinski_harabasz, davies_bouldin, gap and
    # gap_error, strength, bic; those that were not computed are None
    table: tuple[dict[str, Any], ...]
    picks: dict[str, int]  # The K that each criterion would pick
    # Of each cluster at the K with the largest silhouette: the silhouettes of its rows, falling
    silhouettes: tuple[NDArray[np.float64], ...]

    @property
    def agreed(self) -> int:
        """The K that most criteria pick, the smallest of equals."""
        picked = list(self.picks.values())
        return min(set(picked), key=lambda k: (-picked.count(k), k))


def evaluate_ks(
    vectors: ArrayLike,
    weights: ArrayLike | None = None,
    *,
    method: str = "kmeans",
    ks: Sequence[int] = tuple(range(2, 31)),
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    references: int | None = None,
) -> KChoice:
    """Fit a method for each K and measure what it found.

    k-means goes on from K to K + 1 by one more centre; a dendrogram is made once and cut.

    Parameters
    ----------
    vectors, weights, seed, parameters
        As in `run_method`.
    method : str
        One that takes K.
    ks : sequence of int
        From 2 on.
    references : int, optional
        Structureless sets for the gap statistic and halves for the prediction strength; by default
        10 for k-means and dendrograms, 0 for methods that are fitted anew for each K.

    Raises
    ------
    SettingError
        When the method does not take K, or no K fits the rows.
    """
    chosen, rows = METHODS[method], weighted_rows(vectors, weights)
    values = _checked_values(chosen, parameters)
    tried = _checked_ks(chosen, ks, len(rows))
    if references is None:
        references = _REFERENCES if method in _QUICK or chosen.hierarchical else 0
    checked_whole("references", references, 0)
    with one_thread_without_warnings():
        return _evaluated(chosen, rows, tried, seed, values, references)


def _evaluated(
    method: Method,
    rows: WeightedRows,
    ks: list[int],
    seed: int,
    values: Mapping[str, Any],
    references: int,
) -> KChoice:
    """Fit each K, then compute the criteria: those of the labels first, the slow ones last."""

    def fit(some: WeightedRows) -> Labels:
        return labels_for(method, some, [k for k in ks if k <= len(some)], seed, values)

    draw = np.random.default_rng(seed)
    found = fit(rows)
    near = _drawn(rows, _SILHOUETTE_ROWS, draw)
    records = [measures(k, rows, found[k], near) for k in ks]
    if method.name == "gmm":
        add_bic(records, rows, seed, values)
    if references:
        some = rows.vectors[_drawn(rows, _REFERENCE_ROWS, draw)]
        add_gap(records, some, fit, references, draw)
        add_strength(records, some, fit, draw)
    best = picks(records)
    own = found[best["silhouette"]][near]
    each = silhouettes(rows.vectors[near], own)
    falling = tuple(np.sort(each[own == c])[::-1] for c in np.unique(own[own >= 0]))
    return KChoice(method.name, tuple(records), best, falling)


def _checked_values(method: Method, parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    values = method.resolved(parameters or {})
    if values.get("passes"):
        raise SettingError(
            f"passes {values['passes']} need all rows of a fit, but K is chosen from its "
            "representatives: leave passes out"
        )
    return values


def _checked_ks(method: Method, ks: Sequence[int], m: int) -> list[int]:
    """Return the K that can be tried, rising."""
    if not method.takes_k:
        raise SettingError(
            f"{method.name} finds the number of clusters itself: give a method that takes K, such "
            "as kmeans"
        )
    if m < 3:
        raise InputError(f"choosing K needs at least 3 distinct rows; got {m}")
    given = [ks] if isinstance(ks, str | bytes) or not isinstance(ks, Iterable) else ks
    wanted = sorted({checked_whole("a number of clusters to try", k, 2) for k in given})
    kept = [k for k in wanted if k < m]
    if not kept:
        raise SettingError(f"no K from 2 to {m - 1} is in the range: give one such as 2:{m - 1}")
    return kept


def labels_for(
    method: Method, rows: WeightedRows, ks: Sequence[int], seed: int, values: Mapping[str, Any]
) -> Labels:
    """Return the labels of a method for each K."""
    if method.name == "kmeans":
        return warm_kmeans(rows, ks, seed, values["starts"], values["iterations"])
    if method.hierarchical:
        merges = fit_method(method, rows, seed, ks[0], values).merges
        assert merges is not None  # it is a hierarchy
        return {k: cut(merges, k) for k in ks}
    return {k: fit_method(method, rows, seed, k, values).labels for k in ks}


def warm_kmeans(
    rows: WeightedRows, ks: Sequence[int], seed: int, starts: int, iterations: int
) -> Labels:
    """Run k-means for rising K, from the centres before and one more, and from new ones.

    The better of the two is kept: centres that only grow are stuck where the first ones put them.
    Where rows are many they only grow, as new ones take twice the steps: 29 fits then take less
    time than three of ten starts with K = 30. The first K gets all starts, later ones a tenth.
    """
    from sklearn.cluster import KMeans

    def fitted(k: int, n: int, init: Any = "k-means++") -> KMeans:
        model = KMeans(k, init=init, n_init=n, max_iter=iterations, random_state=seed)
        return model.fit(x, sample_weight=weights)

    x, weights, draw = rows.as_float64, rows.weights, np.random.default_rng(seed)
    x -= np.average(x, axis=0, weights=weights)
    squares = (x**2).sum(axis=1)
    found: Labels = {}
    centres: NDArray[np.float64] | None = None
    for k in ks:
        if centres is None:
            model = fitted(k, starts)
        else:
            while len(centres) < k:
                centres = _one_more(x, squares, weights, centres, draw)
            model = fitted(k, 1, centres)
            if len(x) <= _ANEW_ROWS:
                other = fitted(k, max(1, starts // _STARTS_ANEW))
                model = other if other.inertia_ < model.inertia_ else model
        found[k], centres = model.labels_, model.cluster_centers_
    return found


def _one_more(
    x: NDArray, squares: NDArray, weights: NDArray, centres: NDArray, draw: np.random.Generator
) -> NDArray[np.float64]:
    """Add the best of some rows, drawn by their squared distance to the nearest centre."""

    def away(points: NDArray) -> NDArray:
        apart = squares[:, None] - 2 * x @ points.T + (points**2).sum(axis=1)
        return np.maximum(apart, 0.0)

    near = away(centres).min(axis=1)
    costs = weights * near
    if costs.sum() <= 0:
        return np.concatenate([centres, x[draw.choice(len(x), 1)]])
    tried = draw.choice(len(x), 2 + int(np.log(len(centres) + 1)), p=costs / costs.sum())
    left = weights @ np.minimum(away(x[tried]), near[:, None])
    return np.concatenate([centres, x[tried[[int(left.argmin())]]]])


def _drawn(rows: WeightedRows, most: int, draw: np.random.Generator) -> NDArray[np.int64]:
    if len(rows) <= most:
        return np.arange(len(rows))
    share = rows.weights / rows.weights.sum()
    return np.sort(draw.choice(len(rows), most, replace=False, p=share))
