"""Compiled kernels that keep the best few scores of each row's product with a list of centres.

Scores are ``x·y − ½‖y‖²``, as in `products`. A few rows at a time meet a list segment by segment:
the sums of the products stay in vector registers, and the scores in the first-level cache, which is
twice as fast as a product by BLAS that is read again afterwards. A score does not depend on which
rows are searched together.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

SEGMENT = 16  # centres whose scores are summed together: one vector register of float32
ROWS = 6  # that meet a segment together: their sums fill most registers of AVX2, too
_LEAST = np.finfo(np.float32).min

_FLOATS = ir.VectorType(ir.FloatType(), SEGMENT)
_INTS = ir.VectorType(ir.IntType(32), SEGMENT)


def packed(rows: NDArray[Any], fill: float = 0) -> NDArray[Any]:
    """Return (n, ...) rows as (segments, ..., SEGMENT), padded by `fill`."""
    whole = np.full((-(-len(rows) // SEGMENT) * SEGMENT, *rows.shape[1:]), fill, rows.dtype)
    whole[: len(rows)] = rows
    return np.ascontiguousarray(np.moveaxis(whole.reshape(-1, SEGMENT, *rows.shape[1:]), 1, -1))


def _vectors(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Pointer to the data of a contiguous float32 array, as vectors."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(data, _FLOATS.as_pointer())


def _load(builder: Any, pointer: Any) -> Any:
    value = builder.load(pointer)
    value.align = 4  # of a float32: NumPy aligns no further
    return value


def _store(builder: Any, value: Any, pointer: Any) -> None:
    builder.store(value, pointer).align = 4


def _spread(builder: Any, value: Any) -> Any:
    none = ir.Constant(ir.VectorType(value.type, SEGMENT), ir.Undefined)
    one = builder.insert_element(none, value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(one, none, ir.Constant(_INTS, [0] * SEGMENT))


@intrinsic
def _score(typing, rows, members, half, scores, best):  # type: ignore[no-untyped-def]
    """Write the scores of ROWS rows with a segment, and raise `best` to them, lane by lane.

    `rows` is (ROWS, d), `members` (d, SEGMENT), `half` (SEGMENT,), `scores` and `best`
    (ROWS, SEGMENT).
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        x = context.make_array(rows)(context, builder, args[0])
        width = cgutils.unpack_tuple(builder, x.shape)[1]
        y, halves, out, top = (
            _vectors(context, builder, kind, array)
            for kind, array in zip(signature.args[1:], args[1:], strict=True)
        )
        first = builder.fneg(_load(builder, halves))
        sums = [cgutils.alloca_once_value(builder, first) for _ in range(ROWS)]
        with cgutils.for_range(builder, width) as loop:
            column = _load(builder, builder.gep(y, [loop.index]))
            for i, total in enumerate(sums):
                at = builder.add(builder.mul(width, ir.Constant(width.type, i)), loop.index)
                value = _spread(builder, builder.load(builder.gep(x.data, [at])))
                product = builder.fmul(value, column, flags=("contract",))
                builder.store(
                    builder.fadd(builder.load(total), product, flags=("contract",)), total
                )
        for i, total in enumerate(sums):
            at, value = [ir.Constant(ir.IntType(64), i)], builder.load(total)
            _store(builder, value, builder.gep(out, at))
            old = _load(builder, builder.gep(top, at))
            larger = builder.select(builder.fcmp_ordered(">", value, old), value, old)
            _store(builder, larger, builder.gep(top, at))
        return context.get_dummy_value()

    return types.void(rows, members, half, scores, best), generate


@intrinsic
def _kth(typing, values, k):  # type: ignore[no-untyped-def]
    """Return the k-th greatest of SEGMENT values; infinity if they are fewer."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        vector = _load(builder, _vectors(context, builder, values, args[0]))
        greater = ir.Constant(_INTS, [0] * SEGMENT)
        for lane in range(SEGMENT):
            one = builder.shuffle_vector(vector, vector, ir.Constant(_INTS, [lane] * SEGMENT))
            is_less = builder.fcmp_ordered("<", vector, one)
            greater = builder.sub(greater, builder.sext(is_less, _INTS))
        most = _spread(builder, builder.trunc(args[1], ir.IntType(32)))
        none = ir.Constant(_FLOATS, [float("inf")] * SEGMENT)
        kept = builder.select(builder.icmp_signed("<", greater, most), vector, none)
        name = f"llvm.vector.reduce.fmin.v{SEGMENT}f32"
        kind = ir.FunctionType(ir.FloatType(), [_FLOATS])
        least = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(least, [kept], fastmath=("nnan",))

    return types.float32(values, types.int64), generate


@intrinsic
def _at_least(typing, values, least):  # type: ignore[no-untyped-def]
    """Return a bit for each of SEGMENT values: whether it is not below `least`."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        vector = _load(builder, _vectors(context, builder, values, args[0]))
        bits = builder.fcmp_ordered(">=", vector, _spread(builder, args[1]))
        return builder.zext(builder.bitcast(bits, ir.IntType(SEGMENT)), ir.IntType(64))

    return types.int64(values, types.float32), generate


@intrinsic
def _lowest_bit(typing, bits):  # type: ignore[no-untyped-def]
    """Return the position of the lowest bit that is set."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.int64), generate


@njit(cache=True, nogil=True)
def _search(  # type: ignore[no-untyped-def]
    x, order, start, shift, scale, begin, members, half, found, top
):
    """Fill `found` and `top` by the best of the list of each row's cell, in no order.

    The rows of cell c are ``order[start[c] : start[c + 1]]``, and its list is the segments
    ``begin[c]`` to ``begin[c + 1]``.

    The k-th greatest of the best scores of the lanes of all segments is a lower limit of the k-th
    best score. Hardly more than k scores reach it (5.8 for 5), so few are looked at one by one.
    """
    width, k = members.shape[1], found.shape[1]
    longest = 0
    for c in range(len(start) - 1):
        longest = max(longest, begin[c + 1] - begin[c])
    rows = np.empty((ROWS, width), np.float32)
    scores = np.empty((longest, ROWS, SEGMENT), np.float32)
    best = np.empty((ROWS, SEGMENT), np.float32)
    for c in range(len(start) - 1):
        first, last = begin[c], begin[c + 1]
        for a in range(start[c], start[c + 1], ROWS):
            for i in range(ROWS):
                row = order[min(a + i, start[c + 1] - 1)]
                for j in range(width):
                    rows[i, j] = (x[row, j] - shift[j]) * scale
            for i in range(ROWS):
                for lane in range(SEGMENT):
                    best[i, lane] = -np.inf
            for s in range(last - first):
                _score(rows, members[first + s], half[first + s], scores[s], best)
            for i in range(min(ROWS, start[c + 1] - a)):
                row, filled = order[a + i], 0
                least = max(_kth(best[i], k), _LEAST) if k <= SEGMENT else _LEAST
                for s in range(last - first):
                    bits = _at_least(scores[s, i], least)
                    while bits:
                        lane = _lowest_bit(bits)
                        bits &= bits - 1
                        score, at = scores[s, i, lane], filled
                        if filled == k:
                            at = 0
                            for other in range(1, k):
                                at = other if top[row, other] < top[row, at] else at
                            if score <= top[row, at]:
                                continue
                        filled = min(filled + 1, k)
                        top[row, at], found[row, at] = score, (first + s) * SEGMENT + lane
                if filled < k:  # after an overflow
                    for at in range(k):
                        top[row, at], found[row, at] = -np.inf, first * SEGMENT + at


def best_of(
    x: NDArray[np.float32], centres: NDArray[np.float32], half: NDArray[np.float32], k: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Best k ≤ c of the c centres for each row, in no order: places and scores, (n, k)."""
    begin = np.array([0, -(-len(centres) // SEGMENT)])
    lists = packed(centres), packed(half, np.inf)
    shift = np.zeros(x.shape[1], np.float32)
    return best_listed(x, np.zeros(len(x), np.uint8), begin, *lists, k, shift, 1)


def best_listed(
    x: NDArray[np.float32],
    cell: NDArray[np.integer],
    begin: NDArray[np.int64],
    members: NDArray[np.float32],
    half: NDArray[np.float32],
    k: int,
    shift: NDArray[np.float32],
    scale: float,
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Best k centres of the list of each row's cell, in no order: places and scores, (n, k).

    Parameters
    ----------
    x, cell
        (n, ≥ d) rows, of which the leading d columns count, and (n,) their cells.
    begin
        The list of cell c is the segments ``begin[c]`` to ``begin[c + 1]``, with at least k
        centres.
    members, half
        The centres of all lists, `packed`: (segments, d, SEGMENT), and half their squared lengths,
        (segments, SEGMENT), infinite where there is no centre. The place of a centre is that in
        `half`.
    shift, scale
        Rows are first brought into the frame of the centres, as by `Cells.framed`.
    """
    found, top = np.empty((len(x), k), np.int32), np.empty((len(x), k), np.float32)
    count = np.bincount(cell, minlength=len(begin) - 1)
    start = np.concatenate([np.zeros(1, np.int64), np.cumsum(count)])
    small = np.min_scalar_type(len(begin))  # 16 bits are sorted in a tenth of the time of 32
    order = np.argsort(cell.astype(small), kind="stable")
    _search(x, order, start, shift, np.float32(scale), begin, members, half, found, top)
    return found, top


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc", "contract"})
def _square(a, b):  # type: ignore[no-untyped-def]
    """Squared distance in float64; compiles to vector instructions."""
    total = 0.0
    for j in range(len(a)):
        step = np.float64(a[j]) - np.float64(b[j])
        total += step * step
    return total


def measure(
    x: NDArray[np.float32],
    centres: NDArray[np.float32],
    found: NDArray[np.int32],
    k: int,
    indices: NDArray[np.int32],
    distances: NDArray[np.float32],
) -> None:
    """Order proposed centres by exact distance, then number, and write the nearest k."""
    _measure(x, centres, found, np.empty(found.shape[1]), indices, distances)


@njit(cache=True, nogil=True)
def _measure(x, centres, found, squares, indices, distances):  # type: ignore[no-untyped-def]
    proposed, k = found.shape[1], indices.shape[1]
    for i in range(len(x)):
        for place in range(proposed):
            squares[place] = _square(x[i], centres[found[i, place]])
        for place in range(proposed):
            square, name, rank = squares[place], found[i, place], 0
            for other in range(proposed):  # counting has no branches, which is faster than a sort
                nearer = squares[other] < square
                equal = squares[other] == square
                rank += nearer | (equal & (found[i, other] < name))
            if rank < k:
                indices[i, rank], distances[i, rank] = name, np.sqrt(square)
