"""Steps after an encoder that are fitted to a sample of rows, the landmarks."""

from __future__ import annotations

import warnings

import numpy as np
import scipy  # loads each of its modules when it is used
from numpy.typing import NDArray
from scipy.linalg import eigh

from shoal.errors import InputError
from shoal.features.projection import signs
from shoal.features.steps import Arrays, Feed, Step

LANDMARKS = 2_000
"""Maximum number of landmarks, of which all pairs are compared."""

_SAMPLE_BYTES = 128 << 20
_NEIGHBOURS = 10  # of the graph of isomap; sklearn's usual 5 leaves sparse samples in pieces
_SWEEPS = 50  # over the factors of a row: digits change by less than 1e-3 after 30
_SMALLEST = 1e-7  # of the largest eigenvalue of a kernel in float32


def _landmarks(feed: Feed, k: int, kind: str) -> NDArray[np.float32]:
    rows = feed.sample(most_landmarks(feed.d))
    if len(rows) <= k:
        raise InputError(
            f"features step {kind}:{k} is fitted to {len(rows):,} rows of {feed.d:,} numbers (at "
            f"most {LANDMARKS:,} rows, and 128 MiB): give at most {kind}:{max(len(rows) - 1, 1)}, "
            "or svd:200 or random:1000 before it"
        )
    return rows


def most_landmarks(d: int) -> int:
    return max(2, min(LANDMARKS, _SAMPLE_BYTES // (4 * d)))


def _fit_embedding(kernel: NDArray[np.float64], k: int) -> Arrays:
    """Return the projection of kernel rows onto the first k components of the landmarks."""
    mean = kernel.mean(axis=0)
    centred = kernel - mean - mean[:, None] + mean.mean()
    m = len(kernel)
    values, vectors = eigh((centred + centred.T) / 2, subset_by_index=(m - k, m - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > max(_SMALLEST * values[0], 0.0)
    matrix = vectors * signs(vectors) * kept / np.sqrt(np.where(kept, values, 1.0))
    return {"mean": mean, "matrix": matrix}


def _embed(kernel: NDArray[np.float64], arrays: Arrays) -> NDArray[np.float32]:
    mean = arrays["mean"]
    centred = kernel - kernel.mean(axis=1, keepdims=True) - mean + mean.mean()
    return (centred @ arrays["matrix"]).astype(np.float32)


def _fit_kernel(feed: Feed, k: int) -> Arrays:
    landmarks = _landmarks(feed, k, "kernel-pca")
    squares = scipy.spatial.distance.cdist(landmarks, landmarks, "sqeuclidean")
    apart = squares[squares > 0]
    gamma = np.array(1.0 / np.median(apart) if len(apart) else 1.0)
    return {"landmarks": landmarks, "gamma": gamma, **_fit_embedding(np.exp(-gamma * squares), k)}


def _kernel(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    squares = scipy.spatial.distance.cdist(rows, arrays["landmarks"], "sqeuclidean")
    return _embed(np.exp(-arrays["gamma"] * squares), arrays)


def _fit_isomap(feed: Feed, k: int) -> Arrays:
    """Fit isomap to the landmarks (Tenenbaum, de Silva and Langford 2000)."""
    from sklearn.manifold import Isomap

    landmarks = _landmarks(feed, k, "isomap")
    near = min(_NEIGHBOURS, len(landmarks) - 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pieces of the graph, which it joins
        along = Isomap(n_neighbors=near, n_components=1).fit(landmarks).dist_matrix_
    return {
        "landmarks": landmarks,
        "along": along.astype(np.float32),
        **_fit_embedding(-0.5 * along**2, k),
    }


def _isomap(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    """Embed rows by their geodesic distance to each landmark through the nearest ones."""
    apart = scipy.spatial.distance.cdist(rows, arrays["landmarks"])
    near = np.argsort(apart, axis=1, kind="stable")[:, :_NEIGHBOURS]
    ways = np.full(apart.shape, np.inf)
    for column in near.T:
        first = np.take_along_axis(apart, column[:, None], axis=1)
        np.minimum(ways, first + arrays["along"][column], out=ways)
    return _embed(-0.5 * ways**2, arrays)


def _fit_nmf(feed: Feed, k: int) -> Arrays:
    """Fit non-negative factors to the landmarks (Lee and Seung 1999)."""
    from sklearn.decomposition import NMF

    rows = _landmarks(feed, k, "nmf")
    if rows.min() < 0:
        raise InputError(
            "features step nmf takes numbers of at least 0, such as pixels or counts; the smallest "
            f"here is {rows.min():.4g}: choose svd or pca"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence: what was found is used all the same
        factors = NMF(k, init="nndsvda", random_state=0).fit(rows).components_
    return {"factors": factors.astype(np.float32)}


def _nmf(rows: NDArray[np.float32], arrays: Arrays) -> NDArray[np.float32]:
    """Compute the shares of the factors in each row by a fixed number of coordinate steps.

    Cichocki and Phan, "Fast local algorithms for large scale nonnegative matrix and tensor
    factorizations", 2009. In scikit-learn's version a row's shares depend on the other rows.
    """
    factors = arrays["factors"].astype(np.float64)
    fit, inner = rows @ factors.T, factors @ factors.T
    shares = np.zeros_like(fit)
    used = np.flatnonzero(np.diag(inner) > 0)
    for _ in range(_SWEEPS):
        for j in used:
            step = (fit[:, j] - shares @ inner[j]) / inner[j, j]
            shares[:, j] = np.maximum(shares[:, j] + step, 0.0)
    return shares.astype(np.float32)


def _memory(d: int, k: int) -> int:
    m = most_landmarks(d)
    return 8 * m * d + 40 * m * m + 8 * k * (m + d)


STEPS = {
    "nmf": Step(_fit_nmf, _nmf, ("factors",), _memory),
    "kernel-pca": Step(_fit_kernel, _kernel, ("landmarks", "gamma", "mean", "matrix"), _memory),
    "isomap": Step(_fit_isomap, _isomap, ("landmarks", "along", "mean", "matrix"), _memory),
}
"""Steps fitted to a sample, by kind."""
