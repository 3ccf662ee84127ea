"""Near duplicates among images: candidate pairs by a perceptual descriptor, then groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Cosine waves along each side that describe a picture, as in the perceptual hash of Zauner
# (2010), which keeps their signs only.
_WAVES = 8
# Above this many pictures, neighbours are looked for in the nearest cells only.
_EXACT = 50_000
# Copies have a cosine above .85, so their cells are among the nearest few. Of cells of 1,000 rows,
# four searched, as many planted copies were found in 1.7 times the time; larger cells make
# their centres cheap to find, smaller ones the search.
_ROWS_A_CELL, _CELLS_SEARCHED, _ROUNDS, _ROWS_LEARNED = 300, 5, 5, 64
# Pairs under which the spread of their similarity says nothing, and how far copies lie above it:
# one pair in 30,000 of a normal law.
_FEWEST, _DEVIATIONS = 100, 4.0
# Standard deviation in levels of a byte under which a picture shows nothing.
BLANK = 2.0


def descriptors(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe images, (n, H, W, C), by low frequencies: (n, 63) of length 1.

    Independent of brightness and contrast; all 0 for an image without contrast (`BLANK`).
    """
    grey = pictures.mean(axis=3, dtype=np.float32)
    rows, columns = (_cosines(side) for side in grey.shape[1:])
    waves = np.einsum("ia,nab,jb->nij", rows, grey, columns, optimize=True)
    found = waves.reshape(len(grey), -1)[:, 1:]
    length = np.linalg.norm(found, axis=1, keepdims=True)
    shown = (grey.std(axis=(1, 2)) >= BLANK)[:, None] & (length > 0)
    return np.ascontiguousarray(np.divide(found, length, out=np.zeros_like(found), where=shown))


def mirrored(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the descriptors of the mirrored images: odd cosine waves change their sign."""
    odd = np.arange(_WAVES * _WAVES)[1:] % _WAVES % 2 == 1
    return np.where(odd, -vectors, vectors).astype(np.float32)


def _cosines(side: int) -> NDArray[np.float32]:
    at = (np.arange(side) + 0.5) / side
    return np.cos(np.pi * np.arange(_WAVES)[:, None] * at).astype(np.float32) / np.float32(side)


class Index:
    """Index of descriptors, (n, d), for nearest ones without comparing all pairs.

    Those of length 0 are in no pair.
    """

    def __init__(self, vectors: NDArray[np.float32], workers: int = 1) -> None:
        import faiss

        index: Any = faiss.IndexFlatIP(vectors.shape[1])
        if len(vectors) > _EXACT:
            cells = len(vectors) // _ROWS_A_CELL
            index = faiss.IndexIVFFlat(index, vectors.shape[1], cells, faiss.METRIC_INNER_PRODUCT)
            index.cp.niter, index.cp.seed, index.nprobe = _ROUNDS, 0, _CELLS_SEARCHED
            index.cp.max_points_per_centroid = _ROWS_LEARNED
        self._index, self._workers = index, workers
        with self._threads():
            if not index.is_trained:
                index.train(vectors)
            index.add(vectors)

    @contextmanager
    def _threads(self) -> Iterator[None]:
        import faiss

        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(self._workers)
        try:
            yield
        finally:
            faiss.omp_set_num_threads(before)

    def pairs(
        self, queries: NDArray[np.float32], *, neighbours: int, least: float
    ) -> NDArray[np.int64]:
        """Return pairs of a query and one of its nearest descriptors, (p, 2), by number.

        Each query is in at most `neighbours` pairs, whose cosine is at least `least`; it finds
        itself if it is in the index.
        """
        with self._threads():
            cosines, found = self._index.search(queries, min(neighbours, self._index.ntotal))
        query, place = np.nonzero((cosines >= least) & (found >= 0))
        return np.stack([query, found[query, place]], axis=1)


def clear_threshold(similarities: NDArray[np.float32], least: float) -> float:
    """Return a similarity that different images rarely reach, at least `least`.

    Drawings of few strokes and small textures are similar without being copies. So the threshold is
    based on the similarities, (n,), to a neighbour that is rarely a copy: `_DEVIATIONS` robust
    standard deviations above its median, on Fisher's scale (atanh), where correlations have equal
    spread.
    """
    if len(similarities) < _FEWEST:
        return least
    z = np.arctanh(np.minimum(similarities, 0.9999))
    low, middle, high = np.quantile(z, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349  # of a normal law
    return float(max(least, np.tanh(middle + _DEVIATIONS * spread)))


def star_groups(
    n: int, pairs: NDArray[np.int64], rank: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group n images so that every member forms a pair with the one that is kept.

    Otherwise a chain of similar images would join dissimilar ones. Of each group the image with the
    lowest rank, (n,), is kept.

    Returns
    -------
    tuple
        (n,) the kept image of each image's group, itself if it is in no group; and (n,) the index
        of the pair, (p, 2), with the kept image, −1 for a kept one.

    Examples
    --------
    >>> chain = np.array([[0, 1], [1, 2], [2, 3]])
    >>> star_groups(5, chain, np.arange(5))[0].tolist()
    [0, 0, 2, 2, 4]
    """
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    number = np.tile(np.arange(len(pairs)), 2)
    order = np.lexsort((rank[ends[:, 1]], rank[ends[:, 0]]))
    ends, number = ends[order], number[order]
    kept, pair = np.full(n, -1), np.full(n, -1)
    starts = np.flatnonzero(np.diff(ends[:, 0], prepend=-1))
    for low, high in zip(starts, [*starts[1:], len(ends)], strict=False):
        centre = ends[low, 0]
        if kept[centre] >= 0:
            continue
        kept[centre] = centre
        free = kept[ends[low:high, 1]] < 0
        kept[ends[low:high, 1][free]] = centre
        pair[ends[low:high, 1][free]] = number[low:high][free]
    alone = kept < 0
    kept[alone] = np.flatnonzero(alone)
    return kept, pair
