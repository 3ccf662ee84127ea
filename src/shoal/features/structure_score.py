"""How much structure features show in some of the rows, without labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.core.null import WEAK, evidence, has_structure
from shoal.core.structure import fit_structure
from shoal.features.base import Encoder
from shoal.features.projection import Moments, fit_projection

COMPARED = 1024
"""Rows by which encoders are compared. 512 missed what a network shows of photos of 16 pixels."""


def shown_splits(features: NDArray[np.float32], encoder: Encoder) -> NDArray[np.float32]:
    """Return the excess of the splits that features show; none for rows without any difference.

    The excess is measured against structureless data of the same dimension and extent, so it can
    be compared between features of different kinds.

    `features`: float32 (n, d), of some rows, by `encoder`.
    """
    moments = Moments.of(features)
    if len(features) < 2 or not np.diagonal(moments.scatter).any():
        return np.empty(0, np.float32)
    projection = fit_projection(moments, encoder.needs.components, encoder.whiten)
    rows = np.unique(projection.apply(features), axis=0)
    excess = fit_structure(rows, resamples=0).tree.excess
    return excess[np.isfinite(excess)]


def is_weak(splits: NDArray[np.float32]) -> bool:
    """Whether no split is clearer than those that structureless data show now and then."""
    return bool(splits.max(initial=0.0) < WEAK)


def shows_more(splits: NDArray[np.float32], others: NDArray[np.float32]) -> bool:
    """Whether splits are evidence of structure, and more than others are."""
    return has_structure(splits) and evidence(splits) > evidence(others)
