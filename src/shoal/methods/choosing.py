"""Choosing K: one method for many K, and what each criterion would pick."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoal.core.checked import checked_whole
from shoal.core.validity import validity
from shoal.errors import InputError, SettingError
from shoal.methods import METHODS, Method
from shoal.methods.dendrograms import cut
from shoal.methods.run import checked_rows, fit_method
from shoal.methods.scores import silhouette, silhouettes

_WARM = "kmeans"
_QUICK = ("kmeans", "mini-batch-kmeans")  # enough for structureless twins by default
_SILHOUETTE_ROWS = 2_000  # rows whose distances to each other are measured
_REFERENCE_ROWS = 1_000  # rows of which structureless twins are clustered for every K
_REFERENCES = 10
_STRENGTH = 0.8  # from which clusters are predicted well (Tibshirani and Walther 2005)
_ANEW_ROWS = 10_000  # rows for which k-means also starts anew for each K
_STARTS_ANEW = 10  # of the starts that are given, one in so many: the centres before are one, too

Labels = dict[int, NDArray[np.int32]]


@dataclass(frozen=True)
class KChoice:
    """What criteria say of each K.

    Attributes
    ----------
    method
        The method that was fitted.
    table
        One record for each K: k, inertia, silhouette, calinski_harabasz, davies_bouldin, gap and
        gap_error, strength, bic; those that were not computed are None.
    picks
        The K that each criterion would pick.
    knives
        The silhouettes at the K picked by these, cluster by cluster, falling; for the picture.
    """

    method: str
    table: tuple[dict[str, Any], ...]
    picks: dict[str, int]
    knives: tuple[NDArray[np.float64], ...]

    @property
    def agreed(self) -> int:
        """The K that most criteria pick, the smallest of equals."""
        picked = list(self.picks.values())
        return min(set(picked), key=lambda k: (-picked.count(k), k))


def choice_of_k(
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
        One that can be told K.
    ks : sequence of int
        From 2 on.
    references : int, optional
        Structureless sets for the gap statistic and halves for the prediction strength; by default
        10 for k-means and dendrograms, 0 for methods that are fitted anew for each K.

    Raises
    ------
    SettingError
        When the method cannot be told K, or no K fits the rows.
    """
    from threadpoolctl import threadpool_limits

    chosen = METHODS[method]
    rows, heavy = checked_rows(vectors, weights)
    values = chosen.resolved(parameters or {})
    if values.get("passes"):
        raise SettingError(
            f"passes {values['passes']} need all rows of a fit, but K is chosen from its "
            "representatives: leave passes out"
        )
    kept = _checked_ks(chosen, ks, len(rows))
    quick = method in _QUICK or chosen.hierarchical
    twins = (_REFERENCES if quick else 0) if references is None else references
    checked_whole("references", twins, 0)
    draw = np.random.default_rng(seed)

    def fit(some: NDArray[np.float32], times: NDArray[np.float64]) -> Labels:
        return labels_for(chosen, some, times, [k for k in kept if k <= len(some)], seed, values)

    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fit(rows, heavy)
        near = _drawn(rows, heavy, _SILHOUETTE_ROWS, draw)
        records = [_measured(k, rows, heavy, found[k], near) for k in kept]
        if method == "gmm":
            _add_bic(records, rows, heavy, seed, values)
        if twins:
            some = _drawn(rows, heavy, _REFERENCE_ROWS, draw)
            _add_gap(records, rows[some], fit, twins, draw)
            _add_strength(records, rows[some], fit, draw)
    picks = _picks(records)
    return KChoice(method, tuple(records), picks, _knives(rows, found[picks["silhouette"]], near))


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
    kept = sorted({checked_whole("a number of clusters to try", k, 2) for k in given})
    kept = [k for k in kept if k < m]
    if not kept:
        raise SettingError(f"no K from 2 to {m - 1} is in the range: give one such as 2:{m - 1}")
    return kept


def labels_for(
    method: Method,
    rows: NDArray[np.float32],
    weights: NDArray[np.float64],
    ks: Sequence[int],
    seed: int,
    values: Mapping[str, Any],
) -> Labels:
    """Return the labels of a method for each K."""
    if method.name == _WARM:
        return warm_kmeans(rows, weights, ks, seed, values["starts"], values["iterations"])
    if method.hierarchical:
        merges = fit_method(method, rows, weights, seed, ks[0], values, None).merges
        assert merges is not None  # it is a hierarchy
        return {k: cut(merges, k) for k in ks}
    return {k: fit_method(method, rows, weights, seed, k, values, None).labels for k in ks}


def warm_kmeans(
    rows: NDArray[np.float32],
    weights: NDArray[np.float64],
    ks: Sequence[int],
    seed: int,
    starts: int = 10,
    iterations: int = 300,
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

    x, draw = rows.astype(np.float64), np.random.default_rng(seed)
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


def _drawn(
    rows: NDArray, weights: NDArray, most: int, draw: np.random.Generator
) -> NDArray[np.int64]:
    """Draw some rows by their weights, rising."""
    if len(rows) <= most:
        return np.arange(len(rows))
    return np.sort(draw.choice(len(rows), most, replace=False, p=weights / weights.sum()))


def _measured(
    k: int,
    rows: NDArray[np.float32],
    weights: NDArray[np.float64],
    labels: NDArray[np.int32],
    near: NDArray[np.int64],
) -> dict[str, Any]:
    """Measure the clusters of one K."""
    heavy = weights[near] if len(near) == len(rows) else None
    return {
        "k": k,
        **validity(rows, labels, weights).as_dict(),
        "silhouette": silhouette(rows[near], labels[near], heavy),
        "gap": None,
        "gap_error": None,
        "strength": None,
        "bic": None,
    }


def _add_bic(
    records: list[dict[str, Any]],
    rows: NDArray[np.float32],
    weights: NDArray[np.float64],
    seed: int,
    values: Mapping[str, Any],
) -> None:
    """Add the Bayesian information criterion of mixtures."""
    from shoal.methods.gmm import mixture

    names = ("covariance", "starts", "iterations", "tolerance", "ridge")
    chosen = {name: values[name] for name in names}
    for record in records:
        found = mixture(rows.astype(np.float64), weights, record["k"], seed, **chosen)
        record["bic"] = found.bic(float(weights.sum()))


def _add_gap(
    records: list[dict[str, Any]],
    rows: NDArray[np.float32],
    fit: Callable[[NDArray, NDArray], Labels],
    references: int,
    draw: np.random.Generator,
) -> None:
    """Add the gap statistic: how much tighter clusters are than those of structureless twins.

    Twins are uniform in the box along the principal axes.

    References
    ----------
    Tibshirani, Walther and Hastie, "Estimating the number of clusters in a data set via the gap
    statistic", 2001.
    """
    ones = np.ones(len(rows))
    middle = rows.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(rows - middle, full_matrices=False)[2]
    along = (rows - middle) @ axes.T
    low, high = along.min(axis=0), along.max(axis=0)

    def logs(some: NDArray) -> dict[int, float]:
        tiny = np.finfo(np.float64).tiny
        found = fit(some.astype(np.float32), ones)
        return {k: float(np.log(max(validity(some, found[k]).inertia, tiny))) for k in found}

    real = logs(rows)
    twins = [logs(draw.uniform(low, high, along.shape) @ axes) for _ in range(references)]
    for record in records:
        k = record["k"]
        if k not in real:
            continue
        others = np.asarray([twin[k] for twin in twins])
        record["gap"] = float(others.mean()) - real[k]
        record["gap_error"] = float(others.std() * np.sqrt(1 + 1 / references))


def _add_strength(
    records: list[dict[str, Any]],
    rows: NDArray[np.float32],
    fit: Callable[[NDArray, NDArray], Labels],
    draw: np.random.Generator,
) -> None:
    """Add the prediction strength: how well clusters of one half hold in the other.

    The least share, over the clusters of one half, of its pairs that the means of the other half
    keep together; the mean of both directions.

    References
    ----------
    Tibshirani and Walther, "Cluster validation by prediction strength", 2005.
    """
    from shoal.methods.mahalanobis_kmeans import means
    from shoal.methods.rules import Rule

    order = draw.permutation(len(rows))
    halves = [np.sort(order[::2]), np.sort(order[1::2])]
    ones = [np.ones(len(half)) for half in halves]
    found = [fit(rows[half], one) for half, one in zip(halves, ones, strict=True)]
    for record in records:
        k = record["k"]
        if k not in found[0] or k not in found[1]:
            continue
        shares = []
        for mine, other in ((0, 1), (1, 0)):
            centres = means(rows[halves[other]], ones[other], found[other][k], k)
            told = Rule("euclidean", centres).assign(rows[halves[mine]])
            shares.append(_kept_together(found[mine][k], told))
        record["strength"] = float(np.mean(shares))


def _kept_together(own: NDArray, told: NDArray) -> float:
    """Return the least share of the pairs of a cluster that are together in other labels."""
    least = 1.0
    for cluster in np.unique(own):
        sizes = np.bincount(told[own == cluster])
        n = int(sizes.sum())
        if n > 1:
            least = min(least, float((sizes * (sizes - 1)).sum() / (n * (n - 1))))
    return least


def _picks(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the K that each criterion would pick."""
    ks = [record["k"] for record in records]

    def values(name: str) -> NDArray[np.float64]:
        return np.asarray([np.nan if r[name] is None else r[name] for r in records], np.float64)

    picks = {
        "elbow": elbow(ks, values("inertia")),
        "silhouette": ks[int(np.nanargmax(values("silhouette")))],
        "calinski_harabasz": ks[int(np.nanargmax(values("calinski_harabasz")))],
    }
    if np.isfinite(values("davies_bouldin")).any():
        picks["davies_bouldin"] = ks[int(np.nanargmin(values("davies_bouldin")))]
    gap = values("gap")
    if np.isfinite(gap).any():
        later = np.append(gap[1:] - values("gap_error")[1:], -np.inf)
        picks["gap"] = ks[int(np.argmax(gap >= np.nan_to_num(later, nan=-np.inf)))]
    strong = np.flatnonzero(values("strength") >= _STRENGTH)
    if len(strong):
        picks["strength"] = ks[int(strong[-1])]
    if np.isfinite(values("bic")).any():
        picks["bic"] = ks[int(np.nanargmin(values("bic")))]
    return picks


def elbow(ks: Sequence[int], inertia: NDArray[np.float64]) -> int:
    """Return the K at which the curve of the inertia lies farthest below its chord.

    It always falls, so there is such a K in structureless data, too (Satopää et al. 2011).

    >>> elbow([1, 2, 3, 4, 5], np.array([100.0, 60, 12, 10, 8]))
    3
    """
    if len(ks) < 3 or inertia[0] <= inertia[-1]:
        return int(ks[0])
    at = (np.asarray(ks, np.float64) - ks[0]) / (ks[-1] - ks[0])
    height = (inertia - inertia[-1]) / (inertia[0] - inertia[-1])
    return int(ks[int((1 - at - height).argmax())])


def _knives(
    rows: NDArray[np.float32], labels: NDArray[np.int32], near: NDArray[np.int64]
) -> tuple[NDArray[np.float64], ...]:
    """Return the silhouettes of the rows of each cluster, falling."""
    each, own = silhouettes(rows[near], labels[near]), labels[near]
    return tuple(np.sort(each[own == c])[::-1] for c in np.unique(own[own >= 0]))
