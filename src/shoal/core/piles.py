"""Piles: representatives of many equal rows, and hence of extreme density.

A pile of w equal rows counts as w rows at distance zero: a group of its own. Three similar cases
are excluded. A coarse representative stands for many rows that are spread around it. In evenly
repeated data every row is repeated as often. And rounded rows coincide in the cells of a lattice,
where the steps between cells repeat.
"""

from __future__ import annotations

import numpy as np
import scipy  # loads each of its modules when it is used
from numpy.typing import NDArray

# As many others at no distance fill the fewest neighbours that a row has (`graph`).
_FEWEST = 6.0
# One pile or more that is none, in so many sets of rows drawn again by chance (a bootstrap).
_CHANCE = 0.01
# So few different rows show no groups by their places alone: it is their copies that tell.
_FEW = 100
_COMMON = 0.25  # quantile of the weights that stands for rows that are not piles
# Distance to the nearest other one over the root mean square of its own rows': 1 for coarse
# representatives of many dimensions, 3.5 for those of one.
_APART = 4.0
# A lattice repeats a step so often; up to four piles in general place do not.
_REPEATED = 4
_SAME = 1e-4  # of a step's length: float32 coordinates differ by less
# Of the widest coordinate: what two steps differ by where rows are kept in one byte a number.
_PACKED = 1.5 / 254
_LOOSEST = 0.2  # of a step's length: a lattice has no others nearer than three times that
_SKETCH = 8  # directions by which steps are compared
# Variance over mean of the weights of cells: where rows fall into them by chance, it is 1 or more.
_STEADY = 0.1
_NEAR = 1.5  # times the distance to the nearest: so far the nearest cells are looked for
_COMPARED = 2_000  # representatives, besides heavy ones, whose steps are compared


def rows_each(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Count the rows of each representative; those that are not piles have at most 1.

    With many representatives, the unit is the weight of the lighter ones.

    >>> rows_each(np.array([2.0, 500.0])).tolist(), float(rows_each(np.full(200, 8.0)).max())
    ([2.0, 500.0], 1.0)
    """
    if len(weights) <= _FEW:
        return weights
    return weights / max(float(np.quantile(weights, _COMMON)), 1.0)


def find_piles(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    neighbours: NDArray[np.int32],
    distances: NDArray[np.float32],
    radius: NDArray[np.float32] | None = None,
) -> NDArray[np.bool_]:
    """Return which representatives are piles, (m,).

    `neighbours` and `distances`, (m, k), are nearest first; `radius`, (m,), is the root mean square
    distance of the rows of each, 0 by default.
    """
    rows, apart = rows_each(weights), distances[:, 0]
    far = apart > (0.0 if radius is None else _APART * radius)
    heavy = np.flatnonzero((rows >= _FEWEST) & far)
    if len(heavy):
        heavy = heavy[weights[heavy] >= _by_chance(weights)]
    if len(heavy):
        heavy = heavy[~_in_lattice(vectors, weights, heavy, neighbours, distances)]
    piles = np.zeros(len(weights), np.bool_)
    piles[heavy] = True
    return piles


def _by_chance(weights: NDArray[np.float64]) -> float:
    """Return the number of equal rows that resampling produces by chance in one set in a hundred.

    Rows drawn with replacement occur once, twice, … by a zero-truncated Poisson law; its mean is
    twice the ratio of the rows that occur twice to those that occur once.
    """
    once, twice = np.count_nonzero(weights == 1), np.count_nonzero(weights == 2)
    if not once:
        return _FEWEST
    mean, share = 2.0 * twice / once, 1.0 - _CHANCE / len(weights)
    most = float(np.ceil(scipy.special.pdtrik(share, mean)))
    return most if most > 0 and scipy.special.pdtr(most - 1.0, mean) >= share else most + 1.0


def _in_lattice(
    vectors: NDArray[np.float32],
    weights: NDArray[np.float64],
    heavy: NDArray[np.int64],
    neighbours: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """Return which heavy representatives are cells of a lattice: rounded rows, not copies."""
    some = np.arange(0, len(vectors), -(-len(vectors) // _COMPARED))
    rows = np.unique(np.concatenate([heavy, some]))
    at, rank = np.nonzero(distances[rows] <= _NEAR * distances[rows, :1])
    one, other = rows[at], neighbours[rows[at], rank].astype(np.int64)
    pair = np.minimum(one, other) * len(weights) + np.maximum(one, other)
    _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
    step = vectors[other[first]].astype(np.float64) - vectors[one[first]]
    length = distances[rows[at], rank][first].astype(np.float64)
    widest = np.abs(vectors).max(axis=1)
    error = _PACKED * np.maximum(widest[one[first]], widest[other[first]])
    error *= np.sqrt(vectors.shape[1])
    bound = np.minimum(_SAME * length + error, _LOOSEST * length)
    repeated = _repeated(step, bound)[inverse]
    cells = np.zeros(len(weights), np.bool_)
    cells[one[repeated]] = cells[other[repeated]] = True
    mass = weights[cells]
    if len(mass) and mass.var() < _STEADY * mass.mean():
        cells[:] = False
    return cells[heavy]


def _repeated(step: NDArray[np.float64], bound: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which steps occur several times, in one direction or the other.

    So many are alike up to a bound; and hardly more up to three times that, or it is by chance.
    """
    turns = np.random.default_rng(0).normal(size=(step.shape[1], _SKETCH)) / np.sqrt(_SKETCH)
    sketch = step @ turns
    both = np.concatenate([sketch, -sketch])
    tree = scipy.spatial.cKDTree(both, compact_nodes=False, balanced_tree=False)  # many are equal
    near, wide = (
        tree.query_ball_point(sketch, times * bound, return_length=True) for times in (1, 3)
    )
    return np.asarray((near >= _REPEATED) & (2 * near > wide))
