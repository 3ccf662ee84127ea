"""Vectors: features as they were given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.features.base import Needs

WIDEST = 4096


@dataclass(frozen=True)
class Vectors:
    """The numbers as given: no column is scaled, since their scale may carry the meaning.

    Rows of more than 4,096 numbers are first shortened to 4,096 sums: each column is added, with
    a sign, to one of them, by a fixed draw. Distances between rows stay as they are up to some
    3% (a count sketch).

    Charikar, Chen, Farach-Colton: Finding frequent items in data streams. ICALP 2002;
    Weinberger et al.: Feature hashing for large scale multitask learning. ICML 2009.
    """

    name: ClassVar[str] = "vectors"
    # No whitening: the distances that were given are kept, up to 64 dimensions exactly
    whiten: ClassVar[float] = 0.0
    needs: ClassVar[Needs] = Needs()

    n: int
    widest: int = WIDEST

    def __post_init__(self) -> None:
        if self.n < 1:
            raise InputError(f"vectors of {self.n} numbers: at least 1 is needed")

    @property
    def n_features(self) -> int:
        return min(self.n, self.widest)

    def settings(self) -> dict[str, Any]:
        widest = {} if self.widest == WIDEST else {"widest": self.widest}
        return {"name": self.name, "version": 1, "n": self.n, **widest}

    def setup(self) -> None: ...  # nothing to load

    def encode(self, data: NDArray) -> NDArray:
        """Return float32 ``(n, n_features)`` for numbers ``(n, D)``."""
        if data.ndim != 2 or data.shape[1] != self.n:
            raise InputError(f"vectors of shape {data.shape}: (rows, {self.n}) is needed")
        if self.n <= self.widest:
            return np.ascontiguousarray(data, np.float32)
        draw = np.random.default_rng(0)
        place = draw.permutation(self.n) % self.widest
        signs = draw.choice(np.array([-1, 1], np.float32), self.n)
        order = np.argsort(place, kind="stable")
        first = np.searchsorted(place[order], np.arange(self.widest))
        signed = np.asarray(data, np.float32)[:, order] * signs[order]
        return np.add.reduceat(signed, first, axis=1)
