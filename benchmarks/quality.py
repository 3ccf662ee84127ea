"""Labels against the truth, by scikit-learn's measures, with noise counted as an error.

A row called noise (a label below 0) is wrong: for ARI, NMI and AMI each is a cluster of its own,
and for the accuracy it is matched with no class. So leaving rows out never pays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix


def alone(labels: NDArray) -> NDArray[np.int64]:
    """Give each noise row a label of its own.

    >>> alone(np.array([0, -1, 1, -1])).tolist()
    [0, 2, 1, 3]
    """
    labels = np.asarray(labels, np.int64).copy()
    noise = labels < 0
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return labels


def count(labels: NDArray) -> int:
    """Give the number of clusters, noise aside."""
    return len(np.unique(labels[labels >= 0]))


def ari(truth: NDArray, labels: NDArray) -> float:
    """Give the adjusted Rand index."""
    return float(adjusted_rand_score(truth, alone(labels)))


def nmi(truth: NDArray, labels: NDArray) -> float:
    """Give the normalised mutual information (arithmetic mean)."""
    return float(normalized_mutual_info_score(truth, alone(labels)))


def ami(truth: NDArray, labels: NDArray) -> float:
    """Give the adjusted mutual information (arithmetic mean)."""
    return float(adjusted_mutual_info_score(truth, alone(labels)))


def accuracy(truth: NDArray, labels: NDArray) -> float:
    """Give the share of rows whose class is the one matched with their cluster, one to one.

    >>> accuracy(np.array([0, 0, 1, 1]), np.array([5, 5, 3, -1]))
    0.75
    """
    known = labels >= 0
    if not known.any():
        return 0.0
    table = contingency_matrix(truth[known], labels[known])
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(truth))
