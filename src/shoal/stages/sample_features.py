"""Features of a sample of the rows, to compare encoders before a fit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from shoal.features import Encoder
from shoal.features.structure_score import COMPARED
from shoal.rows import Source, Taken, as_requested
from shoal.rows.base import spread
from shoal.stages.encoding import encode_good

MOST_ROWS = 100_000
"""Rows up to which a network is considered by default: it takes 10 to 20 ms per row and core."""

_AT_ONCE = 32


def encodes_some(
    source: Source, workers: int | None
) -> Callable[[Encoder], NDArray[np.float32]] | None:
    """Return a function that encodes a sample of a source; None if it has too many rows.

    Parameters
    ----------
    source
        Images.
    workers
        Threads; the features do not depend on them.
    """
    if source.n_rows > MOST_ROWS:
        return None
    rows = spread(source.n_rows, COMPARED)

    def encode(encoder: Encoder) -> NDArray[np.float32]:
        some = as_requested(source, encoder.needs.wanted).take(Taken(rows, source.n_rows))

        def block(start: int) -> NDArray[np.float32]:
            batch = some.read(start, min(start + _AT_ONCE, len(rows)))
            features, good = encode_good(encoder, batch.data, batch.bad)
            return features[good]

        encoder.setup()
        with ThreadPoolExecutor(workers) as pool:
            return np.concatenate(list(pool.map(block, range(0, len(rows), _AT_ONCE))))

    return encode
