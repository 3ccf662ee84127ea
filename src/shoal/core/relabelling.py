"""Reassign low-confidence rows of a layer with networks trained on the confident ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from shoal.core.contingency import contingency, matched_ids
from shoal.core.metrics import adjusted_rand
from shoal.core.nearest import nearest_of
from shoal.core.structure import Structure, fit_structure
from shoal.core.tree import Tree
from shoal.core.verdicts import affinity_share

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

View = Callable[[NDArray[np.intp], int], NDArray[np.float32]]
"""``view(rows, number)``: vectors of some rows, unaltered (0) or of an altered copy (1, …)."""

# Rows that networks learn from, and of each half: trees of so many take seconds. More cost time,
# and the images of so many rows are held in memory.
_MOST_ROWS, _MOST_OF_HALF = 20_000, 8_000
_SURE = 0.9  # confidence from which a row keeps its cluster
_LEARNED = 0.5  # confidence from which the first networks learn from a row
_REPRODUCED = 0.9  # share of a cluster's sure rows that a network which did not see them must find
# Two halves show the same clusters from this ARI on: blobs in one piece reach .3, and sets whose
# clusters are true .5 to 1.
ENOUGH = 0.5
_HALVINGS = 2
_ERRORS = 2  # standard errors by which gains must be beyond chance
_HIDDEN = 256
_STEPS, _BATCH = 1_000, 128  # 2,000 gained .002 AMI on 5,000 rows of MNIST, for twice the time
_VIEWS = 5  # of a row, over which predictions are averaged
_VOTERS = 10  # as in a prediction


@dataclass(frozen=True)
class Reassignment:
    """Labels of a layer, and whether networks make it more reproducible.

    Attributes
    ----------
    labels
        (m,) int32 cluster of each row; unchanged if it did not help.
    agreement
        ARI between clusterings of two halves of the rows, mean over two such splits; NaN if there
        are too few rows.
    before, after
        Share of the rows on which both halves agree, without networks and with them.
    helped
        True if networks raised that share by more than chance, and the ARI is at least 0.5.
    """

    labels: NDArray[np.int32]
    agreement: float
    before: float
    after: float
    helped: bool


def reassign(
    structure: Structure,
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    view: View,
    n_views: int = 1,
    seed: int = 0,
    fixed: NDArray[np.bool_] | None = None,
) -> Reassignment:
    """Reassign low-confidence rows of the primary layer, if that makes it more reproducible.

    Confident rows keep their cluster, and so do `fixed` ones, (m,), and rows of clusters that a
    network does not reproduce on unseen rows. The rows, (m, d), are those of the structure.

    References
    ----------
    Lee: Pseudo-label. ICML workshop 2013. Lange, Roth, Braun, Buhmann: Stability-based validation
    of clustering solutions. Neural Computation 2004.
    """
    k = structure.primary.k
    labels = structure.tree.labels(k)
    rows = np.random.default_rng([seed, 0]).permutation(len(vectors))[:_MOST_ROWS]
    if k < 2 or len(rows) < 4 * k:
        return Reassignment(labels, np.nan, np.nan, np.nan, False)
    mean, scale = vectors[rows].mean(axis=0), vectors[rows].std() or np.float32(1)

    def scaled(chosen: NDArray[np.intp], count: int) -> NDArray[np.float32]:
        found = np.empty((count, len(chosen), vectors.shape[1]), np.float32)
        for number in range(count):
            found[number] = (view(chosen, number) - mean) / scale
        return found

    views = scaled(rows, n_views)
    result = _validated(labels, views, vectors[rows], weights[rows], k, seed)
    if not result.helped:
        return result
    confidence = affinity_share(structure.neighbours, structure.affinities, labels)
    networks, reproduced = _train_networks(views, labels[rows], confidence[rows], k, seed)
    stays = confidence >= _SURE if fixed is None else (confidence >= _SURE) | fixed
    doubtful = np.flatnonzero(~stays & reproduced[labels])
    if len(doubtful):
        labels[doubtful] = _predicted(networks, scaled(doubtful, min(n_views, _VIEWS)), k)
    return result


def _validated(
    labels: NDArray[np.int32],
    views: NDArray[np.float32],
    vectors: NDArray,
    weights: NDArray,
    k: int,
    seed: int,
) -> Reassignment:
    """Return the unchanged labels, with whether networks help on halves of the rows."""
    found = [_compare_halves(views, vectors, weights, k, [seed, n]) for n in range(_HALVINGS)]
    agreement = float(np.mean([one[0] for one in found]))
    before, after = (np.concatenate([one[at] for one in found]) for at in (1, 2))
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    helped = agreement >= ENOUGH and gained - lost > _ERRORS * np.sqrt(gained + lost)
    return Reassignment(labels, agreement, float(before.mean()), float(after.mean()), bool(helped))


def with_labels(tree: Tree, vectors: NDArray[np.float32], k: int, labels: NDArray) -> Tree:
    """Move leaves with a new cluster in the cut into `k` next to its nearest leaf.

    At every other cut, a moved leaf then has the cluster of that nearest leaf.
    """
    before = tree.labels(k)
    hosts = np.arange(len(before))
    for cluster in np.unique(labels[labels != before]).tolist():
        moved = np.flatnonzero((labels == cluster) & (before != cluster))
        stayed = np.flatnonzero((labels == cluster) & (before == cluster))
        near, _ = nearest_of(vectors[moved], vectors[stayed], 1)
        hosts[moved] = stayed[near[:, 0]]
    return tree.moved(hosts)


def _network(views: NDArray[np.float32], labels: NDArray[np.int32], seed: int) -> MLPClassifier:
    """Train one hidden layer on all views of some rows."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    x, y = views.reshape(-1, views.shape[2]), np.tile(labels, len(views))
    model = MLPClassifier(
        (_HIDDEN,),
        alpha=1e-2,  # settled among .001 to 1, between which little differs
        max_iter=max(2, round(_STEPS * _BATCH / len(x))),
        batch_size=min(_BATCH, len(x)),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is meant
        return model.fit(x, y)


def _predicted(
    networks: list[MLPClassifier], views: NDArray[np.float32], k: int
) -> NDArray[np.int32]:
    """Return the cluster of each row by the mean of several networks over all views."""
    chances = np.zeros((views.shape[1], k))
    for network in networks:
        of_views = [network.predict_proba(view) for view in views]
        chances[:, network.classes_] += np.mean(of_views, axis=0)
    return chances.argmax(axis=1).astype(np.int32)


def _compare_halves(
    views: NDArray[np.float32], vectors: NDArray, weights: NDArray, k: int, seed: list[int]
) -> tuple[float, NDArray[np.bool_], NDArray[np.bool_]]:
    """Cluster two halves of the rows, and compare their labels of all rows.

    Each half's clusters are transferred to the other half as in a prediction; then networks trained
    on the half reassign its low-confidence rows. Returns the ARI without networks, and whether the
    halves agree on each row, without networks and with them.
    """
    generator = np.random.default_rng([*seed, 1])
    rows = generator.permutation(len(vectors))[: 2 * _MOST_OF_HALF]
    vectors, weights = vectors[rows], weights[rows]
    half = np.arange(len(rows)) < len(rows) // 2
    plain, refined = [], []
    for mine in (half, ~half):
        own = np.flatnonzero(mine)
        draw = int(generator.integers(1 << 31))
        structure = fit_structure(vectors[own], weights[own], seed=draw, resamples=0, layers=(k,))
        labels = structure.tree.labels(k)
        share = affinity_share(structure.neighbours, structure.affinities, labels)
        transferred, sure = _transferred(vectors, vectors[own], labels, share)
        transferred[own], sure[own] = labels, share
        plain.append(transferred)
        networks, reproduced = _train_networks(views[:, rows[own]], labels, share, k, draw)
        doubtful = (sure < _SURE) & reproduced[transferred]
        refined.append(transferred.copy())
        if doubtful.any():
            refined[-1][doubtful] = _predicted(networks, views[:_VIEWS, rows[doubtful]], k)
    name = matched_ids(contingency(*plain))  # of the second half's clusters in the first
    same = [one == name[other] for one, other in (plain, refined)]
    return adjusted_rand(*plain), same[0], same[1]


def _transferred(
    vectors: NDArray, others: NDArray, labels: NDArray[np.int32], share: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Transfer clusters by a vote of the nearest rows; also return the confidences."""
    near, distance = nearest_of(vectors, others, min(_VOTERS, len(others)))
    votes = 1 / np.maximum(distance.astype(np.float64), np.finfo(np.float32).tiny) ** 2
    votes /= votes.sum(axis=1, keepdims=True)
    same = labels[near][:, :, None] == labels[near][:, None, :]
    best = (same * votes[:, None, :]).sum(axis=2).argmax(axis=1)
    every = np.arange(len(vectors))
    sure = (same[every, best] * votes * share[near]).sum(axis=1)
    return labels[near[every, best]], sure


def _train_networks(
    views: NDArray[np.float32],
    labels: NDArray[np.int32],
    confidence: NDArray[np.float32],
    k: int,
    seed: int,
) -> tuple[list[MLPClassifier], NDArray[np.bool_]]:
    """Train two networks on the rows whose cluster a network that did not see them reproduces.

    Also returns the clusters whose confident rows are reproduced that way, (k,).
    """
    fold = np.random.default_rng([seed, 2]).integers(2, size=len(labels))
    found = np.full(len(labels), -1)
    for number in (0, 1):
        learned = np.flatnonzero((fold == number) & (confidence >= _LEARNED))
        if len(np.unique(labels[learned])) > 1:
            network = _network(views[:, learned], labels[learned], seed + number)
            other = fold != number
            found[other] = _predicted([network], views[:_VIEWS, other], k)
    same, sure = found == labels, confidence >= _SURE
    right = np.bincount(labels[same & sure], minlength=k)
    reproduced = right >= np.maximum(_REPRODUCED * np.bincount(labels[sure], minlength=k), 1)
    if len(np.unique(labels[same])) < 2:
        return [], np.zeros(k, np.bool_)
    views, labels = views[:, same], labels[same]
    return [_network(views, labels, seed + 2 + number) for number in (0, 1)], reproduced
