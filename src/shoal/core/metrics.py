"""Agreement of clusters with true classes and with an earlier run, and the silhouette.

Label −1 is noise, and noise counts as an error:

- accuracy and purity: a noise row is always wrong, whatever its class;
- all others: each noise row is a cluster of its own. That lowers completeness and all pair scores,
but not homogeneity.
"""

from dataclasses import asdict, dataclass
from functools import reduce
from math import exp, lgamma, log

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from shoal.core.cells import add_up, checked
from shoal.core.nearest import nearest_of
from shoal.errors import InputError

_AT_ONCE = 1 << 20  # rows that are counted at a time: what that takes does not grow with them

NOISE = -1


@dataclass(frozen=True)
class Contingency:
    """Contingency table of classes and clusters.

    Attributes
    ----------
    table
        (classes, clusters) int64 sparse array of row counts, without noise.
    classes, clusters
        Their labels, ascending.
    noise
        (classes,) int64 noise rows of each class.
    """

    table: sparse.csr_array
    classes: NDArray
    clusters: NDArray[np.int64]
    noise: NDArray[np.int64]


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
        """Return the scores by name."""
        return asdict(self)


def contingency(truth: ArrayLike, found: ArrayLike) -> Contingency:
    """Count the rows of each class in each cluster.

    Parameters
    ----------
    truth
        (n,) labels of any kind that can be sorted; all of them are classes.
    found
        (n,) whole numbers; −1 is noise.

    Raises
    ------
    InputError
        When there are no rows, the lengths differ, or `found` are not integers.
    """
    true, cluster = np.asarray(truth), np.asarray(found)
    if true.ndim != 1 or true.shape != cluster.shape or not len(true):
        raise InputError(
            f"truth has shape {true.shape} and found {cluster.shape}: one label per row is needed"
        )
    if not np.issubdtype(cluster.dtype, np.integer):
        raise InputError(f"clusters are {cluster.dtype}, but must be whole numbers")
    pieces = (slice(a, a + _AT_ONCE) for a in range(0, len(true), _AT_ONCE))
    return reduce(added, (_contingency(true[piece], cluster[piece]) for piece in pieces))


def weighted_contingency(
    true: NDArray, cluster: NDArray[np.integer], rows: NDArray[np.int64]
) -> Contingency:
    """Return the contingency of rows that are already counted.

    Parameters
    ----------
    true, cluster, rows
        (n,) class, cluster (−1 is noise), and number of rows with both; pairs may repeat, and
        negative numbers subtract.

    Examples
    --------
    >>> found = weighted_contingency(np.array([0, 0, 1]), np.array([5, -1, 5]), np.array([2, 1, 3]))
    >>> found.table.toarray().tolist(), found.noise.tolist()
    ([[2], [3]], [1, 0])
    """
    classes, row = np.unique(true, return_inverse=True)
    clusters, column = np.unique(cluster.astype(np.int64), return_inverse=True)
    table = np.zeros((len(classes), len(clusters)), np.int64)
    np.add.at(table, (row, column), rows)
    noise = table[:, clusters == NOISE].sum(axis=1)
    real = (clusters != NOISE) & table.any(axis=0)
    return Contingency(sparse.csr_array(table[:, real]), classes, clusters[real], noise)


def _contingency(true: NDArray, cluster: NDArray) -> Contingency:
    """Count the rows of each class in each cluster, all at once."""
    classes, row = _numbered(true)
    real = cluster != NOISE
    clusters, column = _numbered(cluster[real])
    cells, counts = _counted(row[real] * max(len(clusters), 1) + column)
    shape = (len(classes), len(clusters))
    places = np.divmod(cells, max(len(clusters), 1))
    table = sparse.coo_array((counts, places), shape=shape).tocsr()
    noise = np.bincount(row[~real], minlength=len(classes))
    return Contingency(table, classes, clusters, noise)


def added(one: Contingency, other: Contingency) -> Contingency:
    """Add the counts of other rows.

    >>> first, second = contingency([0, 0], [5, -1]), contingency([1, 0], [5, 7])
    >>> both = added(first, second)
    >>> both.table.toarray().tolist(), both.noise.tolist()
    ([[1, 1], [1, 0]], [1, 0])
    """
    classes = np.union1d(one.classes, other.classes)
    clusters = np.union1d(one.clusters, other.clusters)
    table = sparse.csr_array((len(classes), len(clusters)), dtype=np.int64)
    noise = np.zeros(len(classes), np.int64)
    for part in (one, other):
        row = np.searchsorted(classes, part.classes)
        column = np.searchsorted(clusters, part.clusters)
        cells = part.table.tocoo()
        places = (row[cells.row], column[cells.col])
        table += sparse.coo_array((cells.data, places), shape=table.shape).tocsr()
        noise[row] += part.noise
    return Contingency(table, classes, clusters, noise)


def _numbered(labels: NDArray) -> tuple[NDArray, NDArray[np.int64]]:
    """Distinct labels, ascending, and the number of each row's."""
    if np.issubdtype(labels.dtype, np.integer) and len(labels):
        low, high = int(labels.min()), int(labels.max())
        if high - low < 4 * len(labels) + 1000:
            present = np.bincount(labels.astype(np.int64) - low) > 0
            number = np.cumsum(present) - 1
            values = (np.flatnonzero(present) + low).astype(labels.dtype)
            return values, number[labels.astype(np.int64) - low]
    values, inverse = np.unique(labels, return_inverse=True)
    return values, inverse.astype(np.int64)


def _counted(keys: NDArray[np.int64]) -> tuple[NDArray, NDArray[np.int64]]:
    """Distinct keys and their counts."""
    keys_there, number = _numbered(keys)
    return keys_there, np.bincount(number, minlength=len(keys_there)).astype(np.int64)


def score(truth: ArrayLike, found: ArrayLike) -> Scores:
    """Compare clusters with true classes by all scores.

    Parameters
    ----------
    truth
        (n,) labels of any kind that can be sorted.
    found
        (n,) whole numbers; −1 is noise, which counts as an error (see the module).

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
    paired = _best_pairs(shared.table)
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
    a, b = _numbered(one)[1], _numbered(other)[1]
    cells, rows, columns = (_counted(keys)[1] for keys in (a * (b.max() + 1) + b, a, b))
    return _adjusted_rand(cells, rows, columns)


def _share(part: float, whole: float) -> float:
    """Return part / whole, at most 1; 1 if the whole is 0, because both sides are trivial."""
    return min(part / whole, 1.0) if abs(whole) > 1e-12 else 1.0


def _entropy(counts: NDArray[np.int64]) -> float:
    """Entropy of counts, in nats."""
    n = float(counts.sum())
    return float(np.log(n) - (counts * np.log(counts)).sum() / n)


def _mean_purity(table: sparse.csr_array) -> float:
    """Mean over clusters of the share of the commonest class; 0 without clusters."""
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
    """Mutual information expected of random tables with these margins."""
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


def _best_pairs(table: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the one-to-one pairing with most shared rows (Hungarian, sparse).

    A dummy partner is added for each row, so that a pairing of all rows exists.
    """
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    rows, columns = table.shape
    useful = table.astype(np.float64).tocsr()
    useful.data = useful.data + 1.0
    weights = sparse.hstack([useful, sparse.eye_array(rows)]).tocsr()
    row, column = min_weight_full_bipartite_matching(weights, maximize=True)
    real = column < columns
    return row[real], column[real]


def simplified_silhouette(x: NDArray, labels: ArrayLike, centres: NDArray | None = None) -> float:
    """Mean silhouette of rows by distance to centroids, in O(n·K) (Vendramin et al. 2010).

    Parameters
    ----------
    x
        (n, d) float32, finite.
    labels
        (n,) whole numbers. Noise, −1, is left out; a cluster of one row scores 0.
    centres
        (K, d): the centroid of label i is ``centres[i]``; means of the rows when None.

    Returns
    -------
    float
        Mean of (b − a)/max(a, b), a and b the distances to the own and the nearest other
        centroid; −1 to 1, and 0 with fewer than two clusters.
    """
    rows, label = checked(x, "x"), np.asarray(labels)
    if label.shape != (len(rows),):
        raise InputError(f"{len(rows)} rows, but labels have shape {label.shape}")
    rows, label = rows[label != NOISE], label[label != NOISE]
    if not len(rows):
        return 0.0
    if centres is None:
        _, label = _numbered(label)
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
    """Mean and size of each cluster, in float64."""
    count = int(label.max()) + 1
    sums, sizes = np.zeros((count, rows.shape[1])), np.zeros(count)
    add_up(rows, np.ones(len(rows)), label, sums, sizes)
    return sums / sizes[:, None], sizes.astype(np.int64)


def match_labels(
    previous: ArrayLike, new: ArrayLike, least: float = 0.5, first_id: int = 0
) -> NDArray[np.int64]:
    """Renumber new clusters to keep the ids of the earlier clusters that they match.

    Clusters are paired one to one to share as many rows as possible; a pair matches if it shares at
    least `least` of the smaller cluster. Others get unused ids.

    Parameters
    ----------
    previous, new
        (n,) integers for the same rows; −1 is noise and stays −1.
    least
        Share of the smaller cluster's rows, 0 to 1.
    first_id
        Ids below this are also in use, besides those in `previous`.

    Returns
    -------
    NDArray
        (n,) int64: `new` renamed.

    Examples
    --------
    >>> match_labels([5, 5, 7, 7, 7], [0, 0, 1, 1, 2]).tolist()
    [5, 5, 7, 7, 8]
    """
    before, after = np.asarray(previous, np.int64), np.asarray(new, np.int64)
    if before.shape != after.shape:
        raise InputError(f"{len(before)} earlier labels, but {len(after)} new ones")
    renamed = np.full(len(after), NOISE, np.int64)
    real = np.flatnonzero(after != NOISE)
    if len(real):
        found = contingency(before, after)
        names = matched_ids(found, least, first_id)
        renamed[real] = names[np.searchsorted(found.clusters, after[real])]
    return renamed


def matched_ids(found: Contingency, least: float = 0.5, first_id: int = 0) -> NDArray[np.int64]:
    """Return the matched id of each new cluster; see `match_labels`.

    Parameters
    ----------
    found
        Contingency of earlier clusters (the classes) and new ones; −1 is earlier noise.
    least, first_id
        See `match_labels`.

    Returns
    -------
    NDArray
        (clusters,) int64.
    """
    names = np.full(len(found.clusters), NOISE, np.int64)
    known = np.flatnonzero(found.classes != NOISE)
    if len(known):
        shared = found.table[known]
        row, column = _best_pairs(shared)
        earlier = np.asarray(shared.sum(axis=1)) + found.noise[known]
        sizes = np.asarray(found.table.sum(axis=0))
        match = shared[row, column] >= least * np.minimum(earlier[row], sizes[column])
        names[column[match]] = found.classes[known[row[match]]]
    fresh = np.flatnonzero(names == NOISE)
    top = int(found.classes.max(initial=NOISE)) + 1
    names[fresh] = max(top, first_id) + np.arange(len(fresh))
    return names
