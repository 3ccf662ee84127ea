"""Very many rows: what is learned of them is learned of rows drawn from all over the source."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shoal.core.per_process import PerProcess
from shoal.features import Encoder
from shoal.methods import DEFAULT
from shoal.rows import Source, Taken, draw_rows
from shoal.settings import FitSettings
from shoal.stages.codes import representatives_for
from shoal.stages.shards import Shards
from shoal.stages.source_traits import STORED_BYTES, is_integer_array

LOOKED_AT = 1 << 20
"""Rows that the projection of a large collection is fitted to.

Of twice as many each is encoded twice otherwise. The moments of a million rows are those of all to
a thousandth: see the design.
"""

_RUN_BYTES = 1 << 16  # of rows that follow each other: few reads, and thousands of places
_QUICK = ("pixels", "gradients", "colours")


def is_kept(source: Source, encoder: Encoder) -> bool:
    """Return whether features are kept: where they are expensive to make and take little room.

    The kernels of pixels and gradients are as fast as reading what they give, unless the images
    must be decoded again.
    """
    small = source.n_rows * encoder.n_features * 4 <= STORED_BYTES
    quick = encoder.name == "vectors" or (encoder.name in _QUICK and is_integer_array(source))
    return encoder.needs.expensive or (small and not quick)


def looks_at_some(source: Source, encoder: Encoder) -> bool:
    """Return whether the projection is fitted to a sample: of very many rows that are not kept."""
    return source.n_rows >= 2 * LOOKED_AT and not is_kept(source, encoder)


def is_single_pass(source: Source, encoder: Encoder, settings: FitSettings) -> bool:
    """Return whether rows are encoded, projected and coded in one pass that keeps few of them.

    The methods beside Shoal's own have a rule that each projected row is assigned by.
    """
    n = source.n_rows
    coded = settings.method == DEFAULT and representatives_for(n, settings.representatives) < n
    return coded and looks_at_some(source, encoder)


@dataclass(frozen=True)
class Drawn:
    """Rows drawn by runs from all over a source; their numbers are too many to travel."""

    source: Source
    count: int
    seed: int
    loaded: PerProcess[tuple[NDArray[np.int64], Source]] = field(
        default_factory=PerProcess, compare=False, repr=False
    )

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Their numbers in the source, ascending."""
        return self.loaded.get(self._draw)[0]

    @property
    def rows(self) -> Source:
        return self.loaded.get(self._draw)[1]

    @property
    def shards(self) -> Shards:
        return Shards.of(self.rows)

    def _draw(self) -> tuple[NDArray[np.int64], Source]:
        numbers = draw_rows(self.source, self.count, self.seed, _RUN_BYTES)
        return numbers, self.source.take(Taken(numbers, self.source.n_rows, True))
