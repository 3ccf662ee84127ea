"""Scikit-learn estimator for vectors in memory."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from shoal.core.hashes import distinct_rows
from shoal.core.nearest import nearest_of
from shoal.core.representatives import represent
from shoal.core.structure import fit_structure
from shoal.errors import InputError, SettingError
from shoal.features import Moments, fit_projection
from shoal.features.vectors import Vectors
from shoal.settings import available_cores, fit_settings
from shoal.stages.codes import representatives_for

__all__ = ["Shoal"]

_BLOCK = 8192


class Shoal(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Cluster vectors, with or without a given number of clusters.

    It runs in memory and writes no files. For images, data larger than memory, or a run folder, use
    `shoal.fit`.

    Parameters
    ----------
    n_clusters : int, optional
        Number of clusters; by default that of the primary layer, chosen from the data.
    min_size : int, optional
        Smallest allowed cluster, in rows; by default derived from the number of rows.
    detail : float, optional
        Lowest excess of a split, 0.1 to 20; lower values give more clusters. By default chosen from
        the gaps in the data. Not with `n_clusters`.
    representatives : int, optional
        Number of representatives; by default every distinct row, up to 100,000.
    random_state : int, RandomState or None, default 0
        Random seed; None draws a new one each time.
    n_jobs : int, optional
        Threads; by default, and for −1, all cores. The result does not depend on it.

    Attributes
    ----------
    labels_ : ndarray, shape (n,), int32
        Clusters of the fitted rows, 0 .. n_clusters_ − 1, largest first.
    n_clusters_ : int
        Number of clusters.
    layers_ : tuple of Layer
        The layers, coarse to fine, including the cut into `n_clusters`: k, excess, stability,
        primary.
    tree_ : Tree
        The tree over the representatives; any number of clusters is a cut of it.
    cluster_centers_ : ndarray, shape (n_clusters_, features)
        Mean of the rows of each cluster.
    n_features_in_ : int
        Number of features.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> found = Shoal().fit(load_digits().data)
    >>> found.labels_.shape
    (1797,)
    """

    def __init__(
        self,
        n_clusters: int | None = None,
        *,
        min_size: int | None = None,
        detail: float | None = None,
        representatives: int | None = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.min_size = min_size
        self.detail = detail
        self.representatives = representatives
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: ArrayLike, y: Any = None) -> Self:
        """Find the clusters of the rows of X.

        Parameters
        ----------
        X : array-like, shape (n, features)
            Finite.
        y : ignored

        Raises
        ------
        ValueError
            When X holds NaN or infinity, only one row, or fewer distinct rows than `n_clusters`;
            when all rows are identical; or when a parameter is out of range.
        """
        rows: NDArray = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        workers, seed = self._workers(), self._seed()
        settings = fit_settings(min_size=self.min_size, detail=self.detail, k=self.n_clusters)
        if settings.min_size is not None and settings.min_size > len(rows):
            raise SettingError(
                f"min_size must be at most {len(rows):,}, the number of rows; got "
                f"{settings.min_size:,}"
            )
        first, inverse, counts = distinct_rows(rows)
        if len(first) < 2:
            raise InputError(f"all {len(rows):,} rows are identical: there is nothing to cluster")
        self._encoder = Vectors(rows.shape[1])
        features = self._encoder.encode(rows[first])
        moments = Moments.of(features, counts)
        self._projection = fit_projection(moments, whiten=self._encoder.whiten)
        vectors = self._projection.apply(features)
        m = representatives_for(len(first), self.representatives)
        if m < len(first):
            kept, weights = self._summarised(vectors[inverse], m, seed, workers)
        else:
            kept, weights = vectors, counts
        structure = fit_structure(
            kept,
            weights,
            seed=seed,
            workers=workers,
            min_size=settings.min_size,
            detail=settings.detail,
            k=settings.k,
        )
        self.tree_, self.layers_ = structure.tree, structure.layers
        self._representatives = kept
        near = nearest_of(vectors, kept, workers=workers)[0][:, 0] if m < len(first) else None
        leaf = self.tree_.labels(structure.primary.k)
        self._set_clusters(rows, leaf, leaf[near][inverse] if near is not None else leaf[inverse])
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int32]:
        """Assign new rows to the cluster of the nearest representative.

        Parameters
        ----------
        X : array-like, shape (n, features)
        """
        check_is_fitted(self)
        rows: NDArray = validate_data(self, X, dtype=np.float32, reset=False)
        found = np.empty(len(rows), np.int32)
        for start in range(0, len(rows), _BLOCK):
            block = self._encoder.encode(rows[start : start + _BLOCK])
            block = self._projection.apply(block)
            near = nearest_of(block, self._representatives, workers=self._workers())[0][:, 0]
            found[start : start + _BLOCK] = self._cluster_of[near]
        return found

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the distance of each row to the mean of each cluster.

        Parameters
        ----------
        X : array-like, shape (n, features)

        Returns
        -------
        ndarray, shape (n, n_clusters_)
            Named ``shoal0``, ``shoal1``, … by `get_feature_names_out`; a data frame after
            ``set_output(transform="pandas")``.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        return euclidean_distances(rows, self.cluster_centers_)

    @property
    def _n_features_out(self) -> int:
        return self.n_clusters_

    def _set_clusters(self, X: NDArray, leaf: NDArray[np.int32], labels: NDArray[np.int32]) -> None:
        sizes = np.bincount(labels, minlength=int(leaf.max()) + 1)
        rank = np.empty(len(sizes), np.int32)
        rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes), dtype=np.int32)
        self.labels_ = rank[labels]
        self._cluster_of = rank[leaf]
        self.n_clusters_ = len(sizes)
        sums = np.zeros((len(sizes), X.shape[1]))
        np.add.at(sums, self.labels_, X)
        self.cluster_centers_ = sums / np.maximum(np.sort(sizes)[::-1], 1)[:, None]

    def _summarised(
        self, rows: NDArray, m: int, seed: int, workers: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        summary = represent(rows, m, seed, workers)
        vectors = summary.mean.astype(np.float32)
        first, inverse, _ = distinct_rows(vectors)
        weights = np.zeros(len(first), np.int64)
        np.add.at(weights, inverse, summary.weight)
        return vectors[first], weights

    def _workers(self) -> int:
        if self.n_jobs is None or self.n_jobs == -1:
            return available_cores()
        if self.n_jobs < 1:
            raise InputError(
                f"n_jobs must be a number of threads, or -1 for all cores; got {self.n_jobs}"
            )
        return int(self.n_jobs)

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))
