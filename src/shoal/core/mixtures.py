"""Groups of few rows: a Gaussian mixture whose groups are apart and reproducible.

A graph of nearest neighbours has few edges where rows are few, so it proves little. A mixture uses
all rows at once.
"""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.metrics import adjusted_rand

MOST_ROWS = 1_000
"""Rows up to which a mixture is tried: with more, the graph has edges enough."""

_MOST = 12  # Gaussians
_PATIENCE = 3  # so many K without a better criterion end the search
_ROWS_A_NUMBER = 1.5  # rows for each free parameter, at least
_RIDGE = 1e-4  # of the mean variance, added to each
_NEAR = 10.0  # of the criterion: beyond, evidence is very strong (Raftery 1995)
_STARTS = 10  # of EM, which is stuck in a local optimum now and then; a part of the rows gets 3
_PARTS, _PART_STARTS = 8, 3
# The two limits were chosen on 300 drawn sets of 150 to 800 rows, 2 to 5 dimensions and 2 to 8
# groups of six shapes, moons, rings and bars among them: from a stability of .8 and a valley of .2
# on none of them gets worse, and with higher ones fewer get better.
_STABLE = 0.9  # mean ARI with mixtures of parts of the rows
_VALLEY = 0.3  # see `_valley`, at each pair of Gaussians
_FEWEST = 5  # rows of a group
_GRID = 200  # places between groups


def gaussian_groups(
    vectors: NDArray, weights: NDArray, seed: int, more_than: int
) -> NDArray[np.int32] | None:
    """Return the Gaussian of each row, (m,), if a mixture of more than `more_than` is credible.

    Of the numbers of Gaussians whose integrated completed likelihood is near the least, the best
    that is credible is taken; None if there is none. The weights are whole numbers.

    References
    ----------
    Biernacki, Celeux and Govaert, "Assessing a mixture model for clustering with the integrated
    completed likelihood", IEEE PAMI 22 (2000). Hennig, "Methods for merging Gaussian mixture
    components", Advances in Data Analysis and Classification 4 (2010).
    """
    from threadpoolctl import threadpool_limits

    scaled = vectors.astype(np.float64) - np.average(vectors, axis=0, weights=weights)
    scaled /= np.sqrt(np.average(scaled**2, axis=0, weights=weights).mean())
    rows = np.repeat(scaled, weights.astype(np.int64), axis=0)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence: what does not hold is left out
        tried = sorted(_tried(rows, seed), key=lambda one: one[0])
        for criterion, model in tried:
            if criterion > tried[0][0] + _NEAR or model.n_components <= more_than:
                return None
            if _is_apart(model, rows) and _is_stable(model, rows, seed):
                labels = model.predict(scaled)
                return np.unique(labels, return_inverse=True)[1].astype(np.int32)
    return None


def _is_apart(model: Any, rows: NDArray[np.float64]) -> bool:
    labels = model.predict(rows)
    groups = [rows[labels == group] for group in range(model.n_components)]
    return all(_valley(*two) >= _VALLEY for two in combinations(groups, 2))


def _is_stable(model: Any, rows: NDArray[np.float64], seed: int) -> bool:
    labels, draw, agreed = model.predict(rows), np.random.default_rng(seed), []
    for _ in range(_PARTS):
        part = np.sort(draw.choice(len(rows), len(rows) * 4 // 5, replace=False))
        other = _fitted(rows[part], model.n_components, _PART_STARTS, seed)[1]
        agreed.append(adjusted_rand(labels, other.predict(rows)))
    return float(np.mean(agreed)) >= _STABLE


def _fitted(rows: NDArray[np.float64], k: int, starts: int, seed: int) -> tuple[float, Any]:
    """Return the least criterion of some starts of EM, and its mixture.

    The likeliest of them often has a Gaussian for a few rows in a line.
    """
    from sklearn.mixture import GaussianMixture

    best, least = None, np.inf
    for start in range(starts):
        model = GaussianMixture(k, random_state=(seed + start) % 2**32, reg_covar=_RIDGE).fit(rows)
        unsure = np.log(model.predict_proba(rows).max(axis=1)).sum()
        criterion = float(model.bic(rows) - 2.0 * unsure)
        if criterion < least or best is None:
            best, least = model, criterion
    return least, best


def _tried(rows: NDArray[np.float64], seed: int) -> list[tuple[float, Any]]:
    """Return mixtures of 1, 2, ... Gaussians and their criterion, until it gets worse."""
    n, d = rows.shape
    found: list[tuple[float, Any]] = []
    for k in range(1, _MOST + 1):
        least = min((one for one, _ in found[:-_PATIENCE]), default=np.inf)
        worse = all(one > least for one, _ in found[-_PATIENCE:])
        if (found and worse) or n < _ROWS_A_NUMBER * k * (d + d * (d + 1) / 2):
            break
        found.append(_fitted(rows, k, _STARTS, seed))
    return found


def _valley(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return ln of the lower peak over the least density between two groups of rows.

    Along Fisher's discriminant, by a Gaussian kernel. One standard error of the rows at the valley
    is added to them first, so that few rows prove little.
    """
    small = min(len(one), len(other))
    if small < _FEWEST:
        return -np.inf
    inside = sum(len(part) * np.cov(part.T, bias=True) for part in (one, other))
    scatter = np.atleast_2d(inside) / (len(one) + len(other)) + _RIDGE * np.eye(one.shape[1])
    axis = np.linalg.solve(scatter, other.mean(axis=0) - one.mean(axis=0))
    low, high = one @ axis, other @ axis
    width = max(0.9 * min(low.std(), high.std()) * small**-0.2, 1e-9)  # Silverman's rule
    places = np.concatenate([low, high])
    grid = np.linspace(places.min(), places.max(), _GRID)
    rows = np.exp(-0.5 * ((grid[:, None] - places) / width) ** 2).sum(axis=1)
    between = np.flatnonzero((grid > np.median(low)) & (grid < np.median(high)))
    if not len(between):
        return -np.inf
    at = between[rows[between].argmin()]
    count = np.sqrt(2) * rows[at]  # the effective number under the kernel
    least = (count + np.sqrt(count) + 0.5) / np.sqrt(2)
    return float(np.log(min(rows[: at + 1].max(), rows[at:].max()) / least))
