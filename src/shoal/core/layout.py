"""Layout of the representatives and rows in the plane, for display; no clustering depends on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.morton import SIDE, code_of
from shoal.core.nearest import nearest_neighbours, nearest_of

LANDMARKS = 10_000
"""Maximum number of representatives that are laid out first."""

REFINED = 150_000
"""Number of representatives up to which t-SNE continues with all of them at the end."""

_PERPLEXITY = 15
_EARLY, _LATE, _AFTER = 120, 180, 60
# So few settle sooner, and one thread is as fast as two: the neighbour recall of 3,925 photos and
# of 1,797 digits is the same after 160 iterations as after 300 (.46, .54).
SMALL = 5000
_SMALL_EARLY, _SMALL_LATE = 60, 100
_EVERY = 10
_FEW = 8
_BY_TREE = 3000  # up to here Barnes and Hut's tree is faster than the grid
_REACH = 0.6
_PULL = 0.5
_GOLDEN = np.pi * (3 - 5**0.5)
_MARGIN = 0.03
_TRIED = 1000
_NEAR = 10


def lay_out(
    vectors: NDArray[np.float32],
    order: NDArray,
    neighbours: NDArray[np.int32],
    distances: NDArray[np.float32],
    *,
    seed: int = 0,
    workers: int = 1,
    advance: Callable[[float], None] = lambda share: None,
) -> NDArray[np.float32]:
    """Lay out the representatives, (m, d), in the unit square, (m, 2).

    Up to `LANDMARKS` of them, taken evenly along the leaf order, are laid out by t-SNE from their
    first two principal components. Each other one is put around its nearest landmark, the closer
    the nearer; then t-SNE continues with all of them.

    Parameters
    ----------
    order
        (m,) representatives in leaf order.
    neighbours, distances
        (m, k) of the tree's graph.
    advance
        Called with the share that is done, 0..1.

    References
    ----------
    Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics" (2019);
    Poličar et al., "openTSNE" (2019).
    """
    m = len(vectors)
    if m < _FEW:
        return _in_square(_principal(vectors))
    count = min(m, LANDMARKS)
    chosen = np.sort(order[np.linspace(0, m - 1, count).round().astype(np.int64)])
    refined = count < m <= REFINED and neighbours.shape[1] > 2
    early, late = (_SMALL_EARLY, _SMALL_LATE) if m <= SMALL else (_EARLY, _LATE)
    progress = _Progress(advance, early + late + refined * _AFTER * m / count)
    threads = 1 if m <= SMALL else workers
    xy = _embedded(vectors[chosen], seed, threads, progress, early, late)
    if count < m:
        xy = _among(xy, chosen, vectors, workers)
    if refined:
        near = neighbours.astype(np.int64), distances.astype(np.float64)
        found = _tsne(xy, near, neighbours.shape[1] / 3, seed, workers)
        progress.weight = m / count
        found.optimize(_AFTER, momentum=0.8, inplace=True, **progress.callbacks(_AFTER))
        xy = np.asarray(found, np.float64)
    return _in_square(xy)


def reaches(xy: NDArray, workers: int = 1) -> NDArray[np.float64]:
    """Return the radius around each place for others: 0.6 of the distance to its neighbours."""
    if len(xy) < 2:
        return np.full(len(xy), 0.25)
    near = min(4, len(xy) - 1)
    distance = nearest_neighbours(np.ascontiguousarray(xy, np.float32), near, workers)[1]
    found = np.median(distance, axis=1).astype(np.float64)
    return _REACH * np.minimum(found, 3 * np.median(found))


def place_rows(
    xy: NDArray,
    reach: NDArray[np.float64],
    start: NDArray[np.int64],
    second: NDArray[np.int32],
    margin: NDArray[np.uint8],
    first: int,
) -> NDArray[np.uint32]:
    """Place rows of successive leaves around their representatives, as Morton codes.

    The rows of a leaf fill a disc like the seeds of a sunflower, the nearest in its middle. Each
    lies a little towards its second nearest representative, the more so the nearer that is.

    Parameters
    ----------
    xy, reach
        (m, 2) and (m,) of the leaves.
    start
        (l + 1,) positions at which the leaves `first`, `first` + 1, … begin; the last is the end.
    second, margin
        (n,) leaf of the second nearest representative of each row, −1 for none, and the margin, as
        stored by the stage assign.
    """
    placed = np.empty((len(second), 2))
    _spread(xy, reach, start - start[0], second, margin, first, placed)
    codes: NDArray[np.uint32] = _square_codes(placed)
    return codes


def neighbour_recall(
    vectors: NDArray[np.float32], xy: NDArray, seed: int = 0, workers: int = 1
) -> float:
    """Return the share of the 10 nearest representatives that are so in the plane too, 0..1."""
    m = len(vectors)
    near = min(_NEAR, m - 1)
    if near < 1:
        return 1.0
    tried = np.sort(np.random.default_rng(seed).choice(m, min(m, _TRIED), replace=False))
    flat = np.ascontiguousarray(xy, np.float32)
    there = nearest_of(vectors[tried], vectors, near + 1, workers)[0]
    here = nearest_of(flat[tried], flat, near + 1, workers)[0]
    both = [
        len((set(a) & set(b)) - {row}) / near
        for a, b, row in zip(there.tolist(), here.tolist(), tried.tolist(), strict=True)
    ]
    return min(1.0, float(np.mean(both)))


class _Progress:
    """Counts iterations of t-SNE, and reports the share that is done."""

    def __init__(self, advance: Callable[[float], None], total: float) -> None:
        self._advance, self._total, self._done = advance, total, 0.0
        self.weight = 1.0

    def callbacks(self, iterations: int) -> dict[str, Any]:
        """Return the arguments by which t-SNE reports its next iterations."""
        before = self._done
        self._done += self.weight * iterations

        def report(iteration: int, _error: float, _embedding: NDArray) -> None:
            self._advance((before + self.weight * iteration) / self._total)

        return {"callbacks": [report], "callbacks_every_iters": _EVERY}


def _embedded(
    x: NDArray[np.float32], seed: int, workers: int, progress: _Progress, early: int, late: int
) -> NDArray[np.float64]:
    """Lay rows out by t-SNE from their principal components."""
    perplexity = min(_PERPLEXITY, (len(x) - 1) / 3)
    near = nearest_neighbours(x, int(3 * perplexity), workers)
    start = _principal(x)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-300)
    found = _tsne(start, near, perplexity, seed, workers)
    callbacks = progress.callbacks(early)
    found.optimize(early, exaggeration=12, momentum=0.5, inplace=True, **callbacks)
    found.optimize(late, momentum=0.8, inplace=True, **progress.callbacks(late))
    return np.asarray(found, np.float64)


def _tsne(
    start: NDArray[np.float64],
    near: tuple[NDArray, NDArray],
    perplexity: float,
    seed: int,
    workers: int,
) -> Any:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(*near), n_jobs=workers
    )
    method = "fft" if len(start) > _BY_TREE else "bh"
    return TSNEEmbedding(
        start, affinities, n_jobs=workers, random_state=seed, negative_gradient_method=method
    )


def _among(
    flat: NDArray[np.float64], chosen: NDArray, vectors: NDArray[np.float32], workers: int
) -> NDArray[np.float64]:
    """Put all others around the landmarks nearest to them."""
    m, count = len(vectors), len(chosen)
    xy = np.empty((m, 2), np.float64)
    xy[chosen] = flat
    others = np.setdiff1d(np.arange(m), chosen)
    near, away = nearest_of(vectors[others], vectors[chosen], 2, workers)
    by_landmark = np.lexsort((away[:, 0], near[:, 0]))
    near, away = near[by_landmark], away[by_landmark]
    start = np.searchsorted(near[:, 0], np.arange(count + 1))
    ratio = away[:, 0] / np.maximum(away[:, 1], np.finfo(np.float32).tiny)
    margin = np.rint(255 * (1 - ratio)).astype(np.uint8)
    placed = np.empty((len(others), 2))
    _spread(flat, reaches(flat, workers), start, near[:, 1], margin, 0, placed)
    xy[others[by_landmark]] = placed
    return xy


def _principal(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the first two principal components, the sign of each fixed."""
    centred = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, ::-1][:, :2]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    flat = np.zeros((len(x), 2))
    flat[:, : axes.shape[1]] = centred @ axes
    return flat


def _in_square(xy: NDArray[np.float64]) -> NDArray[np.float32]:
    """Move and scale places into the unit square, with a margin, in proportion."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    extent = max(float((high - low).max()), 1e-300)
    return ((xy - (low + high) / 2) * ((1 - 2 * _MARGIN) / extent) + 0.5).astype(np.float32)


@njit(cache=True, nogil=True)
def _spread(xy, reach, start, second, margin, first, out):  # type: ignore[no-untyped-def]
    """Put the items of each group around its place, like the seeds of a sunflower."""
    for g in range(len(start) - 1):
        group, n = first + g, start[g + 1] - start[g]
        for j in range(start[g], start[g + 1]):
            away = reach[group] * np.sqrt((j - start[g]) / n)
            angle = _GOLDEN * (j - start[g]) + 0.7 * group
            x = xy[group, 0] + away * np.cos(angle)
            y = xy[group, 1] + away * np.sin(angle)
            other = second[j]
            if other >= 0 and other != group:
                dx, dy = xy[other, 0] - xy[group, 0], xy[other, 1] - xy[group, 1]
                apart = np.sqrt(dx * dx + dy * dy)
                if apart > 0:
                    pull = _PULL * (1 - margin[j] / 255) * min(apart, reach[group])
                    x += pull * dx / apart
                    y += pull * dy / apart
            out[j, 0], out[j, 1] = x, y


@njit(cache=True, nogil=True)
def _square_codes(xy):  # type: ignore[no-untyped-def]
    out = np.empty(len(xy), np.uint32)
    for i in range(len(xy)):
        x = min(max(int(xy[i, 0] * SIDE), 0), SIDE - 1)
        y = min(max(int(xy[i, 1] * SIDE), 0), SIDE - 1)
        out[i] = code_of(x, y)
    return out
