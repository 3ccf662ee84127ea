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

from shoal.core import metrics


def alone(labels: NDArray) -> NDArray[np.int64]:
    """Return each noise row a label of its own.

    >>> alone(np.array([0, -1, 1, -1])).tolist()
    [0, 2, 1, 3]
    """
    labels = np.asarray(labels, np.int64).copy()
    noise = labels < 0
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return labels


def count(labels: NDArray) -> int:
    """Return the number of clusters, noise aside."""
    return len(np.unique(labels[labels >= 0]))


def ari(truth: NDArray, labels: NDArray) -> float:
    """Return the adjusted Rand index."""
    return float(adjusted_rand_score(truth, alone(labels)))


def nmi(truth: NDArray, labels: NDArray) -> float:
    """Return the normalised mutual information (arithmetic mean)."""
    return float(normalized_mutual_info_score(truth, alone(labels)))


def ami(truth: NDArray, labels: NDArray) -> float:
    """Return the adjusted mutual information (arithmetic mean)."""
    return float(adjusted_mutual_info_score(truth, alone(labels)))


def tally(truth: NDArray, labels: NDArray, step: int = 1 << 20) -> NDArray[np.int64]:
    """Count the rows of each class in each cluster, (classes, clusters), a piece at a time.

    Classes and clusters are whole numbers from 0 on; noise is not provided for.

    >>> tally(np.array([0, 0, 1], np.uint8), np.array([1, 1, 0])).tolist()
    [[0, 2], [1, 0]]
    """
    if len(truth) != len(labels) or labels.min() < 0:
        raise ValueError(f"{len(truth)} classes, {len(labels)} labels from {labels.min()}")
    classes, clusters = int(truth.max()) + 1, int(labels.max()) + 1
    table = np.zeros(classes * clusters, np.int64)
    for start in range(0, len(truth), step):
        stop = start + step
        cells = truth[start:stop].astype(np.int64) * clusters + labels[start:stop]
        table += np.bincount(cells, minlength=len(table))
    return table.reshape(classes, clusters)


def ami_of(table: NDArray[np.int64]) -> float:
    """Return the adjusted mutual information of a table of counts, by Shoal's own sums.

    scikit-learn's take minutes for tens of millions of rows. A test holds the two together.
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    entropies = [metrics._entropy(counts) for counts in (rows, columns, table[table > 0])]
    expected = metrics._expected_mutual(rows, columns)
    mean = (entropies[0] + entropies[1]) / 2
    return float((entropies[0] + entropies[1] - entropies[2] - expected) / (mean - expected))


def accuracy(truth: NDArray, labels: NDArray) -> float:
    """Return the share of rows whose class is the one matched with their cluster, one to one.

    >>> accuracy(np.array([0, 0, 1, 1]), np.array([5, 5, 3, -1]))
    0.75
    """
    known = labels >= 0
    if not known.any():
        return 0.0
    table = contingency_matrix(truth[known], labels[known])
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(truth))
