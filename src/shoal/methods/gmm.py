"""Gaussian mixture: clusters are Gaussians, to which rows belong in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoal.errors import SettingError
from shoal.methods.base import PASSES, Method, Parameter, Partition, WeightedRows
from shoal.methods.rules import Rule

COVARIANCES = ("full", "tied", "diagonal", "spherical")
_MOST_NUMBERS = 1 << 26  # of all covariances: half a GiB, of which there are two at a time
_PATIENCE = 3  # so many K without a better BIC end the search


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture."""

    rule: Rule
    log_likelihood: float  # Weighted sum over the rows
    free: int  # Parameters that were learnt

    def bic(self, total: float) -> float:
        """Return the Bayesian information criterion for rows of some weight; less is better."""
        return -2.0 * self.log_likelihood + self.free * float(np.log(total))


def fit(
    data: WeightedRows,
    seed: int,
    k: int | None,
    covariance: str,
    starts: int,
    iterations: int,
    tolerance: float,
    most: int,
    ridge: float,
) -> Partition:
    """Fit `k` Gaussians by weighted EM from k-means; without `k` as many as have the least BIC.

    Own code: scikit-learn's takes no weights. `ridge` times the mean variance is added to the
    diagonal of each covariance.
    """
    m, d = data.vectors.shape
    if covariance in ("full", "tied") and (k or most) * d * d > _MOST_NUMBERS:
        raise SettingError(
            f"{k or most:,} covariances of {d:,} × {d:,} numbers do not fit the memory: give "
            "--set covariance=diagonal, or a smaller K"
        )

    def fitted(count: int) -> Mixture:
        return mixture(data, count, seed, covariance, starts, iterations, tolerance, ridge)

    total = float(data.weights.sum())
    notes: tuple[str, ...] = ()
    if k is not None:
        best = fitted(k)
    else:
        best, found = fitted(1), 1
        for count in range(2, min(most, m) + 1):
            # The criterion holds for more rows than parameters: without, each row is a Gaussian.
            if count > found + _PATIENCE or _free(count, d, covariance) >= total:
                break
            other = fitted(count)
            if other.bic(total) < best.bic(total):
                best, found = other, count
        notes = (f"K = {found}, the lowest BIC of 1 to {min(most, m)}.",)
    shares = shares_of(best.rule, data.as_float64)[0]
    labels = shares.argmax(axis=1).astype(np.int32)
    return Partition(labels, shares.astype(np.float32), rule=best.rule, notes=notes)


def shares_of(
    rule: Rule, rows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return each row's shares in the Gaussians, (n, K), and its log-likelihood, (n,)."""
    scores = rule.scores(rows)
    top = scores.max(axis=1, keepdims=True)
    shares = np.exp(scores - top)
    each = shares.sum(axis=1, keepdims=True)
    shares /= each
    return shares, (top + np.log(each))[:, 0] - 0.5 * rows.shape[1] * np.log(2 * np.pi)


def least_variance(rows: NDArray[np.float64], weights: NDArray[np.float64], ridge: float) -> float:
    """Return what is added to each variance: a share of their mean."""
    apart = rows - np.average(rows, axis=0, weights=weights)
    return ridge * max(float(np.average(apart**2, axis=0, weights=weights).mean()), 1e-300)


def mixture(
    data: WeightedRows,
    k: int,
    seed: int,
    covariance: str = "full",
    starts: int = 1,
    iterations: int = 200,
    tolerance: float = 1e-4,
    ridge: float = 1e-6,
) -> Mixture:
    """Fit a mixture from each of several k-means, and return the likeliest.

    Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm",
    1977.
    """
    from sklearn.cluster import KMeans

    rows, weights = data.as_float64, data.weights
    added = least_variance(rows, weights, ridge)
    middle = np.average(rows, axis=0, weights=weights)
    centred = rows - middle

    def fitted(start: int) -> Mixture:
        """Alternate between the Gaussians and the shares of rows until the likelihood stays."""
        model = KMeans(k, n_init=1, random_state=(seed + start) % 2**32)
        shares = np.eye(k)[model.fit_predict(centred, sample_weight=weights)]
        before = -np.inf
        for _ in range(iterations):
            rule = _gaussians(centred, weights[:, None] * shares, covariance, added)
            shares, each = shares_of(rule, centred)
            likelihood = float(weights @ each)
            if likelihood - before < tolerance * weights.sum():
                break
            before = likelihood
        return Mixture(rule, likelihood, _free(k, rows.shape[1], covariance))

    best = max(map(fitted, range(starts)), key=lambda found: found.log_likelihood)
    rule = best.rule
    moved = Rule("gaussian", rule.centres + middle, whiten=rule.whiten, offsets=rule.offsets)
    return Mixture(moved, best.log_likelihood, best.free)


def _gaussians(
    rows: NDArray[np.float64], counts: NDArray[np.float64], covariance: str, added: float
) -> Rule:
    """Return the Gaussians of rows that belong to them by `counts`, (m, K)."""
    size = np.maximum(counts.sum(axis=0), 1e-10)
    centres = counts.T @ rows / size[:, None]
    if covariance in ("diagonal", "spherical"):
        spread = np.maximum(counts.T @ rows**2 / size[:, None] - centres**2, 0.0)
    else:
        spread = np.empty((len(size), rows.shape[1], rows.shape[1]))
        for j, centre in enumerate(centres):
            apart = rows - centre
            spread[j] = (counts[:, j] * apart.T) @ apart / size[j]
    return gaussian_rule(centres, size, spread, covariance, added)


def gaussian_rule(
    centres: NDArray[np.float64],
    size: NDArray[np.float64],
    spread: NDArray[np.float64],
    covariance: str,
    added: float,
) -> Rule:
    """Return the rule of Gaussians of these sizes and variances (K, d) or covariances (K, d, d)."""
    offsets = np.log(np.maximum(size, 1e-10) / size.sum())
    if spread.ndim == 2:
        variance = spread + added
        if covariance == "spherical":
            variance[:] = variance.mean(axis=1, keepdims=True)
        return Rule(
            "gaussian",
            centres,
            whiten=1.0 / np.sqrt(variance),
            offsets=offsets - 0.5 * np.log(variance).sum(axis=1),
        )
    if covariance == "tied":
        spread = np.broadcast_to(np.average(spread, axis=0, weights=size), spread.shape)
    spread = spread + added * np.eye(spread.shape[1])
    factors = np.stack([np.linalg.inv(np.linalg.cholesky(one)).T for one in spread])
    logs = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
    return Rule("gaussian", centres, whiten=factors, offsets=offsets + logs)


def _free(k: int, d: int, covariance: str) -> int:
    spread = {
        "full": k * d * (d + 1) // 2,
        "tied": d * (d + 1) // 2,
        "diagonal": k * d,
        "spherical": k,
    }
    return spread[covariance] + k * d + k - 1


METHOD = Method(
    "gmm",
    "mixtures",
    "Mixture of Gaussians with soft memberships; without K, the one with the lowest BIC.",
    fit,
    "time m·K·d² a step, memory m·(d + K) and K·d²",
    needs_k=False,
    soft=True,
    axes=True,
    predicts="likeliest component",
    parameters=(
        Parameter("covariance", "full", "Covariance type.", choices=COVARIANCES),
        Parameter(
            "starts", 1, "Initialisations; the most likely result is kept.", 1, 1000, whole=True
        ),
        Parameter("iterations", 200, "Maximum number of EM steps.", 1, 100_000, whole=True),
        Parameter("tolerance", 1e-4, "Minimum gain of the mean log-likelihood per step.", 0.0),
        Parameter("most", 20, "Largest K to try if K is not given.", 1, 1000, whole=True),
        Parameter("ridge", 1e-6, "Share of the mean variance added to each variance.", 1e-12, 1.0),
        PASSES,
    ),
    version=2,
    aliases=("gaussian-mixture", "em", "mixture"),
)
