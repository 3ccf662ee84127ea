"""Agreement of clusters with true classes, and the silhouette.

Label −1 is noise, and noise counts as an error:

- accuracy and purity: a noise row is always wrong, whatever its class;
- all others: each noise row is a cluster of its own. That lowers completeness and all pair scores,
but not homogeneity.
"""

from dataclasses import asdict, dataclass
from math import exp, lgamma, log

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from shoal.core.cells import add_up, checked
from shoal.core.contingency import (
    NOISE,
    Contingency,
    best_pairs,
    contingency,
    counted,
    numbered,
)
from shoal.core.nearest import nearest_of
from shoal.errors import InputError


@dataclass(frozen=True)
class Scores:
    """Agreement of clusters with true classes, each at most 1; noise counts as an error.

    Attributes
    ----------
    accuracy
        Share of correct rows under the best one-to-one pairing of classes and clusters.
    purity
        Share of rows in the majority class of their cluster.
    mean_cluster_purity
        Unweighted mean over clusters of the share of the majority class. Noise is not a cluster and
        does not enter.
    homogeneity, completeness, v_measure
        Rosenberg, Hirschberg 2007.
    nmi, ami
        Mutual information divided by the arithmetic mean of the entropies, and adjusted for chance
        (Vinh, Epps, Bailey 2010). NMI equals the V-measure.
    ari
        Rand index adjusted for chance (Hubert, Arabie 1985).
    fowlkes_mallows
        Geometric mean of the precision and the recall of pairs (Fowlkes, Mallows 1983).
    n_classes, n_clusters
        Numbers of classes, and of clusters without noise.
    noise
        Share of the rows that are noise.
    """

    accuracy: float
    purity: float
    mean_cluster_purity: float
    homogeneity: float
    completeness: float
    v_measure: float
    nmi: float
    ami: float
    ari: float
    fowlkes_mallows: float
    n_classes: int
    n_clusters: int
    noise: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def score(truth: ArrayLike, found: ArrayLike) -> Scores:
    """Compare clusters with true classes by all scores; see the module for noise.

    Labels of classes, (n,), can be of any kind that can be sorted; those of clusters are whole
    numbers.

    Raises
    ------
    InputError
        As in `contingency`.

    Examples
    --------
    >>> scores = score(["a", "a", "b", "b"], [1, 1, 0, 0])
    >>> scores.accuracy, scores.ari
    (1.0, 1.0)
    """
    return score_table(contingency(truth, found))


def score_table(shared: Contingency) -> Scores:
    """Return all scores of a contingency table; see `score`."""
    noise = int(shared.noise.sum())
    cells = np.concatenate([shared.table.data, np.ones(noise, np.int64)])
    rows = np.asarray(shared.table.sum(axis=1)) + shared.noise
    columns = np.concatenate([np.asarray(shared.table.sum(axis=0)), np.ones(noise, np.int64)])
    n = int(cells.sum())
    truth_entropy, found_entropy = _entropy(rows), _entropy(columns)
    mutual = max(truth_entropy + found_entropy - _entropy(cells), 0.0)
    mean = (truth_entropy + found_entropy) / 2
    expected = _expected_mutual(rows, columns)
    paired = best_pairs(shared.table)
    return Scores(
        accuracy=float(shared.table[paired].sum()) / n,
        purity=float(shared.table.max(axis=0).sum()) / n if len(shared.clusters) else 0.0,
        mean_cluster_purity=_mean_purity(shared.table),
        homogeneity=_share(mutual, truth_entropy),
        completeness=_share(mutual, found_entropy),
        v_measure=_share(mutual, mean),
        nmi=_share(mutual, mean),
        ami=_share(mutual - expected, mean - expected),
        ari=_adjusted_rand(cells, rows, columns),
        fowlkes_mallows=_fowlkes_mallows(cells, rows, columns),
        n_classes=len(rows),
        n_clusters=len(shared.clusters),
        noise=noise / n,
    )


def adjusted_rand(one: NDArray[np.integer], other: NDArray[np.integer]) -> float:
    """Return the adjusted Rand index of two labellings; −1 is an ordinary label."""
    a, b = numbered(one)[1], numbered(other)[1]
    cells, rows, columns = (counted(keys)[1] for keys in (a * (b.max() + 1) + b, a, b))
    return _adjusted_rand(cells, rows, columns)


def _share(part: float, whole: float) -> float:
    """Return part / whole, at most 1; 1 if the whole is 0, because both sides are trivial."""
    return min(part / whole, 1.0) if abs(whole) > 1e-12 else 1.0


def _entropy(counts: NDArray[np.int64]) -> float:
    """Entropy of counts, in nats."""
    n = float(counts.sum())
    return float(np.log(n) - (counts * np.log(counts)).sum() / n)


def _mean_purity(table: sparse.csr_array) -> float:
    if not table.shape[1]:
        return 0.0
    most = np.asarray(table.max(axis=0).todense()).ravel()
    return float((most / np.asarray(table.sum(axis=0))).mean())


def _pairs(*counts: NDArray[np.int64]) -> list[int]:
    """Pairs of rows that share a cell, for each array of counts, as whole numbers of any size."""
    return [int((c * (c - 1) // 2).sum()) for c in counts]


def _fowlkes_mallows(cells: NDArray, rows: NDArray, columns: NDArray) -> float:
    """Geometric mean of precision and recall of pairs; 0 without pairs in common."""
    together, true, found = _pairs(cells, rows, columns)
    return (together / true) ** 0.5 * (together / found) ** 0.5 if together else 0.0


def _adjusted_rand(cells: NDArray, rows: NDArray, columns: NDArray) -> float:
    """Rand index adjusted for chance, from whole numbers of pairs."""
    together, true, found = _pairs(cells, rows, columns)
    n = int(cells.sum())
    pairs = n * (n - 1) // 2
    if true == found == together:
        return 1.0
    chance = true * found / pairs
    return (together - chance) / ((true + found) / 2 - chance)


def _expected_mutual(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> float:
    a, a_times = np.unique(rows, return_counts=True)
    b, b_times = np.unique(columns, return_counts=True)
    return float(_expected_of_sizes(a, a_times, b, b_times, int(rows.sum())))


@njit(cache=True, nogil=True)
def _expected_of_sizes(a, a_times, b, b_times, n):  # type: ignore[no-untyped-def]
    """Sum over margins of the hypergeometric mean, outwards from its greatest term."""
    total = 0.0
    for i in range(len(a)):
        for j in range(len(b)):
            x, y = a[i], b[j]
            least, most = max(0, x + y - n), min(x, y)
            peak = min(max((x + 1) * (y + 1) // (n + 2), least), most)
            at_peak = exp(
                lgamma(x + 1.0)
                + lgamma(y + 1.0)
                + lgamma(n - x + 1.0)
                + lgamma(n - y + 1.0)
                - lgamma(n + 1.0)
                - lgamma(peak + 1.0)
                - lgamma(x - peak + 1.0)
                - lgamma(y - peak + 1.0)
                - lgamma(n - x - y + peak + 1.0)
            )
            mean = 0.0
            chance, k = at_peak, peak
            while k <= most and chance > 1e-25 * at_peak:
                if k > 0:
                    mean += chance * k * (log(k) + log(n) - log(x) - log(y))
                chance *= float(x - k) * float(y - k) / (float(k + 1) * float(n - x - y + k + 1))
                k += 1
            chance, k = at_peak, peak
            while k > least and k > 1 and chance > 1e-25 * at_peak:
                chance *= float(k) * float(n - x - y + k) / (float(x - k + 1) * float(y - k + 1))
                k -= 1
                mean += chance * k * (log(k) + log(n) - log(x) - log(y))
            total += mean / n * a_times[i] * b_times[j]
    return total


def simplified_silhouette(x: NDArray, labels: ArrayLike, centres: NDArray | None = None) -> float:
    """Mean silhouette of rows by distance to centroids, in O(n·K) (Vendramin et al. 2010).

    The mean of (b − a)/max(a, b), a and b the distances to the own and the nearest other centroid:
    −1 to 1, and 0 with fewer than two clusters. Noise is left out; a cluster of one row scores 0.
    The centroid of label i is ``centres[i]``, (K, d); by default the mean of its rows.
    """
    rows, label = checked(x, "x"), np.asarray(labels)
    if label.shape != (len(rows),):
        raise InputError(f"{len(rows)} rows, but labels have shape {label.shape}")
    rows, label = rows[label != NOISE], label[label != NOISE]
    if not len(rows):
        return 0.0
    if centres is None:
        _, label = numbered(label)
        centres, sizes = _means(rows, label)
    else:
        sizes = np.bincount(label, minlength=len(centres))
    if len(centres) < 2:
        return 0.0
    nearest, distance = nearest_of(rows, centres, 2)
    middle = np.asarray(centres, np.float32)[label]
    own = np.sqrt(((rows.astype(np.float64) - middle) ** 2).sum(axis=1))
    other = np.where(nearest[:, 0] == label, distance[:, 1], distance[:, 0]).astype(np.float64)
    wider = np.maximum(own, other)
    value = np.where(wider > 0, (other - own) / np.where(wider > 0, wider, 1), 0)
    return float(np.where(sizes[label] > 1, value, 0).mean())


def _means(rows: NDArray, label: NDArray) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    count = int(label.max()) + 1
    sums, sizes = np.zeros((count, rows.shape[1])), np.zeros(count)
    add_up(rows, np.ones(len(rows)), label, sums, sizes)
    return sums / sizes[:, None], sizes.astype(np.int64)
