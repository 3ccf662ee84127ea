"""Spherical k-means: clusters of like direction, by the cosine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.methods.base import PASSES, Method, Partition, WeightedRows
from shoal.methods.kmeans import ITERATIONS, STARTS
from shoal.methods.lloyd import best_of_starts
from shoal.methods.rules import Rule


def fit(data: WeightedRows, seed: int, k: int, starts: int, iterations: int) -> Partition:
    """Cut rows into `k` clusters of largest cosine to their mean direction.

    Own code: of the well-kept libraries only faiss has it, whose random starts are found again
    only with its own generator. A row of length 0 has no direction, and goes with the first
    cluster.

    Dhillon and Modha, "Concept decompositions for large sparse text data", 2001.
    """
    rows, weights = unit(data.as_float64), data.weights

    def assign(centres: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        cosine = rows @ centres.T
        labels = cosine.argmax(axis=1)
        return labels, 1.0 - cosine[np.arange(len(rows)), labels]

    def centre(mine: NDArray[np.int64], _: int) -> NDArray[np.float64]:
        return unit(weights[mine] @ rows[mine])

    labels, centres = best_of_starts(rows, weights, k, seed, starts, assign, centre, iterations)
    return Partition(labels.astype(np.int32), rule=Rule("cosine", centres))


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to length 1; those of length 0 stay."""
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled: NDArray[np.float64] = rows / np.where(length > 0, length, 1.0)
    return scaled


METHOD = Method(
    "spherical-kmeans",
    "centres",
    "k-means by direction (cosine): for text, embeddings, sparse drawings.",
    fit,
    "time m·K·d a step, memory m·(d + K)",
    directions=True,
    predicts="nearest direction",
    parameters=(STARTS, ITERATIONS, PASSES),
    aliases=("cosine-kmeans",),
)
