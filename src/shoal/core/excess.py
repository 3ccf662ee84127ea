"""The excess of a split: how much sparser it is than in unstructured data."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from shoal.core.null import null_log_ratio

# Expected ratio of a side of equal rows, which has no geometry: that of unstructured pieces whose
# sparsest cuts are least sparse. Round ones in very many dimensions have 0.51 to 0.60 at their best
# split (100 to 200 rows, 64 to 1,000 dimensions).
_PILE_RATIO = 0.5
_LENGTH = np.sqrt(12.0)  # of a homogeneous piece, in standard deviations


def split_excess(
    vectors: NDArray[np.floating],
    weights: NDArray[np.float64],
    inverse_dimension: NDArray[np.float64],
    edges: tuple[NDArray, NDArray, NDArray],
    low: int,
    middle: int,
    high: int,
    pieces: NDArray[np.int64] | None = None,
    copies: tuple[NDArray[np.float64], float] | None = None,
) -> float:
    """Return the excess of splitting rows ``low..high`` at `middle`, all in leaf order.

    The ratio of observed to expected weight between the sides is compared with that of a
    homogeneous piece of the same extent (docs/design.md, "Which splits are real").

    Parameters
    ----------
    vectors, weights, inverse_dimension
        (m, d), (m,) and (m,).
    edges
        Index pointers, indices and weights of the graph in compressed rows.
    pieces
        (p + 1,) bounds of the homogeneous pieces, `low` first, `middle` among them, `high` last:
        where a side is surely several pieces far from each other, most of its extent is empty, so
        the steps in each piece are compared with the extent of that piece.
    copies
        (m,) rows that each leaf counts as (more than 1 for piles), and the edges of each. Where a
        side is nothing but piles, only the edges of its copies decide.

    Returns
    -------
    float
        ln(expected / observed): around 0 in unstructured pieces, 2 and more at clear splits.
    """
    bounds = np.array([low, middle, high]) if pieces is None else pieces
    sides = slice(None, middle - low), slice(middle - low, None)
    rows, part = np.ones(high - low), weights[low:high]
    loops, pile_side = np.zeros(high - low), False
    if copies is not None:
        rows, part, loops, pile_side = _with_copies(copies[0][low:high], copies[1], part, sides)
    x = vectors[low:high].astype(np.float64, copy=False)
    totals = part[sides[0]].sum(), part[sides[1]].sum()
    along = _along_axis(x, part, sides, totals)
    if along is None:
        return 0.0
    sums, (steps, insides) = np.zeros(4), np.zeros((2, len(bounds) - 1))
    _add_edges(*edges, along, low, middle, high, bounds, loops, sums, steps, insides)
    if sums[3] == 0:
        return 0.0
    # Edges weigh as the rows that their ends stand for: one more would be the lighter side's.
    lightness = min(total / rows[side].sum() for total, side in zip(totals, sides, strict=True))
    whole = part.sum()
    ratio = _cautious_ratio(sums, lightness * rows.sum() / whole)
    if pile_side:
        return float(np.log(_PILE_RATIO / ratio))
    mean_inverse = float((inverse_dimension[low:high] * part).sum() / whole)
    dimension = 1.0 / max(mean_inverse, 1e-3)
    expected = max(_crossed(along, part, sides, totals, bounds - low, steps, insides), 1e-12)
    null = null_log_ratio(dimension, 2.0 / expected, int(np.count_nonzero(part)))
    return float(np.log(expected / ratio) - null)


def _with_copies(
    copies: NDArray[np.float64],
    edges: float,
    weights: NDArray[np.float64],
    sides: tuple[slice, slice],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], bool]:
    """Return the rows, weight and loops of each leaf, and whether a side consists of piles."""
    pile = copies > 1
    if any(pile[side].all() for side in sides):
        return copies, weights, copies * edges, True
    # Piles on either side tell nothing of this split.
    return (~pile).astype(np.float64), np.where(pile, 0.0, weights), np.zeros(len(pile)), False


def _cautious_ratio(sums: NDArray[np.float64], scale: float) -> float:
    """Return w_ab (s_a + s_b) / (s_a s_b) with one standard error added to the crossing edges.

    `sums` are those of `_add_edges`; `scale` is the weight of an edge on the lighter side, relative
    to the mean edge.
    """
    inside_a, inside_b, across, n_edges = sums.tolist()
    mean_edge = scale * (inside_a + inside_b + across) / n_edges
    count = across / mean_edge
    across = mean_edge * (count + np.sqrt(count) + 0.5)
    s_a, s_b = inside_a + across, inside_b + across
    return float(across * (s_a + s_b) / (s_a * s_b))


def _along_axis(
    x: NDArray, weights: NDArray, sides: tuple[slice, slice], totals: tuple[float, float]
) -> NDArray[np.float64] | None:
    """Place of each row along the axis between the means of the two sides, if these differ."""
    a, b = (weights[side] @ x[side] / total for side, total in zip(sides, totals, strict=True))
    length = float(np.linalg.norm(b - a))
    return None if length == 0.0 else x @ ((b - a) / length)


def _crossed(
    along: NDArray,
    weights: NDArray,
    sides: tuple[slice, slice],
    totals: tuple[float, float],
    bounds: NDArray[np.int64],
    steps: NDArray[np.float64],
    insides: NDArray[np.float64],
) -> float:
    """Share of the weight inside that a cut across homogeneous pieces would cross."""
    inside = max(float(insides.sum()), 1e-300)
    extent = sum(
        _spread(along[side], weights[side], total)
        for side, total in zip(sides, totals, strict=True)
    )
    whole = 2.0 * (float(steps.sum()) / inside) / max(_LENGTH * extent, 1e-300)
    if len(bounds) == 3:
        return whole
    extents = np.maximum(_LENGTH * _spreads(along, weights, bounds[:-1]), 1e-300)
    return max(whole, float((steps / extents).sum() / inside))


def _spread(values: NDArray, weights: NDArray, total: float) -> float:
    """Weighted standard deviation; np.average would check its arguments for longer."""
    off = values - (values * weights).sum() / total
    return float(np.sqrt((off * off * weights).sum() / total))


def _spreads(values: NDArray, weights: NDArray, starts: NDArray) -> NDArray[np.float64]:
    """Weighted standard deviation of each piece of some values."""
    total = np.maximum(np.add.reduceat(weights, starts), 1e-300)  # of piles alone it is 0
    lengths = np.diff(np.append(starts, len(values)))
    mean = np.add.reduceat(weights * values, starts) / total
    square = weights * (values - np.repeat(mean, lengths)) ** 2
    spreads: NDArray[np.float64] = np.sqrt(np.add.reduceat(square, starts) / total)
    return spreads


@njit(cache=True, nogil=True)
def _add_edges(  # type: ignore[no-untyped-def]
    indptr, indices, weights, along, low, middle, high, bounds, loops, sums, steps, insides
):
    """Sum the edges within ``low..high``: inside a, inside b, across, and in each piece.

    Inside sums count both directions of an edge, `across` one; the number counts like them. An
    edge from a row to itself stands for `loops` edges. Of each piece: the steps of its edges
    along the axis, and their weight.
    """
    inside_a = 0.0
    inside_b = 0.0
    across = 0.0
    n_edges = 0.0
    piece = 0
    for i in range(low, high):
        while i >= bounds[piece + 1]:
            piece += 1
        for p in range(indptr[i], indptr[i + 1]):
            j = indices[p]
            if j < low or j >= high or (i == j and loops[i - low] == 0.0):
                continue
            if (i < middle) == (j < middle):
                if bounds[piece] <= j < bounds[piece + 1]:
                    steps[piece] += abs(along[i - low] - along[j - low]) * weights[p]
                    insides[piece] += weights[p]
                if i < middle:
                    inside_a += weights[p]
                else:
                    inside_b += weights[p]
                n_edges += 1.0 if i != j else loops[i - low]
            elif i < middle:
                across += weights[p]
                n_edges += 1
    sums[0], sums[1], sums[2], sums[3] = inside_a, inside_b, across, n_edges
