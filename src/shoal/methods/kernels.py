"""The loops of some methods, compiled; imported only when one of them runs."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def faster_pam(apart, weights, first):  # type: ignore[no-untyped-def]
    """Swap medoids for other rows, each time that gains, until a whole round gains nothing.

    Takes float32 distances (m, m), weights (m,) and the initial medoids (K,); returns the medoids,
    and the weighted sum of the distances to the nearest of them.
    """
    m, k = len(apart), len(first)
    medoids = np.empty(k, np.int64)
    for i in range(k):
        medoids[i] = first[i]
    near = np.zeros(m, np.int64)
    one, two = np.empty(m), np.empty(m)
    loss, gain = np.zeros(k), np.zeros(k)
    _nearest_two(apart, weights, medoids, near, one, two, loss)
    still, at = 0, -1
    while still < m:
        at = (at + 1) % m
        still += 1
        if medoids[near[at]] == at:
            continue
        for i in range(k):
            gain[i] = loss[i]
        joined = 0.0
        for o in range(m):
            d = apart[at, o]
            if d < one[o]:
                joined += weights[o] * (d - one[o])
                if k > 1:
                    gain[near[o]] += weights[o] * (one[o] - two[o])
            elif d < two[o]:
                gain[near[o]] += weights[o] * (d - two[o])
        best = 0
        for i in range(1, k):
            if gain[i] < gain[best]:
                best = i
        total = gain[best] + joined
        if k == 1:
            total = 0.0
            for o in range(m):
                total += weights[o] * (apart[at, o] - one[o])
        cost = 0.0
        for o in range(m):
            cost += weights[o] * one[o]
        if total < -1e-9 * cost:  # less is rounding
            medoids[best] = at
            _nearest_two(apart, weights, medoids, near, one, two, loss)
            still = 0
    cost = 0.0
    for o in range(m):
        cost += weights[o] * one[o]
    return medoids, cost


@njit(cache=True, nogil=True)
def _nearest_two(apart, weights, medoids, near, one, two, loss):  # type: ignore[no-untyped-def]
    """Find the nearest two medoids of each row, and what the loss of each medoid would cost."""
    for i in range(len(loss)):
        loss[i] = 0.0
    for o in range(len(near)):
        one[o], two[o] = np.inf, np.inf
        for i in range(len(medoids)):
            d = apart[medoids[i], o]
            if medoids[i] == o:
                d = -0.0
            if d < one[o]:
                two[o] = one[o]
                one[o], near[o] = d, i
            elif d < two[o]:
                two[o] = d
        if len(medoids) > 1:
            loss[near[o]] += weights[o] * (two[o] - one[o])


@njit(cache=True, nogil=True)
def chain_merges(apart, weights, ward):  # type: ignore[no-untyped-def]
    """Agglomerate weighted rows by the chain of nearest neighbours, with average or Ward linkage.

    Takes distances (m, m), for Ward squared and scaled by the weights, and destroys them. Returns
    a row of each of the two clusters joined, (m − 1, 2), in the order found, and the heights.

    Müllner, "Modern hierarchical, agglomerative clustering algorithms", 2011.
    """
    m = len(apart)
    size = weights.copy()
    alive = np.ones(m, np.bool_)
    pairs, heights = np.empty((m - 1, 2), np.int64), np.empty(m - 1)
    chain, length = np.empty(m, np.int64), 0
    for t in range(m - 1):
        if length == 0:
            start = 0
            while not alive[start]:
                start += 1
            chain[0], length = start, 1
        while True:
            a = chain[length - 1]
            b = chain[length - 2] if length > 1 else -1
            least = apart[a, b] if b >= 0 else np.inf
            for j in range(m):
                if alive[j] and j != a and apart[a, j] < least:
                    least, b = apart[a, j], j
            if length > 1 and b == chain[length - 2]:
                break
            chain[length] = b
            length += 1
        length -= 2
        pairs[t, 0], pairs[t, 1], heights[t] = a, b, least
        for j in range(m):
            if alive[j] and j != a and j != b:
                if ward:
                    s = size[a] + size[b] + size[j]
                    d = (
                        (size[a] + size[j]) * apart[a, j]
                        + (size[b] + size[j]) * apart[b, j]
                        - size[j] * least
                    ) / s
                else:
                    d = (size[a] * apart[a, j] + size[b] * apart[b, j]) / (size[a] + size[b])
                apart[b, j] = d
                apart[j, b] = d
        size[b] += size[a]
        alive[a] = False
    return pairs, heights


@njit(cache=True, nogil=True)
def diana_splits(apart, weights):  # type: ignore[no-untyped-def]
    """Split a splinter group from each cluster, from the top.

    Takes float32 distances (m, m). Returns the rows in leaf order, (m,), where this is cut,
    (m − 1,), each piece before those that it is cut into, and the diameter of the piece.
    """
    m = len(apart)
    order = np.arange(m)
    places, heights = np.empty(m - 1, np.int64), np.empty(m - 1)
    inside = np.zeros(m)  # of each row: weighted sum of the distances to its own piece
    for i in range(m):
        for j in range(m):
            inside[i] += weights[j] * apart[i, j]
    moved, other = np.zeros(m, np.bool_), np.zeros(m)
    part = np.empty(m, np.int64)
    lows, highs = np.empty(m, np.int64), np.empty(m, np.int64)
    lows[0], highs[0] = 0, m
    waiting, done = 1, 0
    while waiting:
        waiting -= 1
        low, high = lows[waiting], highs[waiting]
        if high - low < 2:
            continue
        widest = 0.0
        for i in range(low, high):
            for j in range(i + 1, high):
                if apart[order[i], order[j]] > widest:
                    widest = apart[order[i], order[j]]
        cut = _splinter(apart, weights, order, low, high, inside, moved, other, part)
        places[done], heights[done] = cut, widest
        done += 1
        lows[waiting], highs[waiting] = low, cut
        lows[waiting + 1], highs[waiting + 1] = cut, high
        waiting += 2
    return order, places, heights


@njit(cache=True, nogil=True)
def _splinter(apart, weights, order, low, high, inside, moved, other, part):  # type: ignore[no-untyped-def]
    """Move rows of a piece to a splinter group while they are nearer to it; return the cut."""
    left, gone, count = 0.0, 0.0, high - low
    for i in range(low, high):
        moved[order[i]], other[order[i]] = False, 0.0
        left += weights[order[i]]
    while count > 1:
        best, most = -1, 0.0 if gone > 0 else -np.inf
        for i in range(low, high):
            o = order[i]
            if moved[o]:
                continue
            away = inside[o] / max(left - 1.0, 1e-300) if left > 1.0 else inside[o]
            if gone > 0:
                away -= other[o] / gone
            if away > most:
                best, most = o, away
        if best < 0:
            break
        moved[best] = True
        left -= weights[best]
        gone += weights[best]
        count -= 1
        for i in range(low, high):
            o = order[i]
            inside[o] -= weights[best] * apart[o, best]
            other[o] += weights[best] * apart[o, best]
    kept, at = low, 0
    for i in range(low, high):
        o = order[i]
        if moved[o]:
            inside[o] = other[o]
            part[at] = o
            at += 1
        else:
            order[kept] = o
            kept += 1
    for i in range(at):
        order[kept + i] = part[i]
    return low + count


@njit(cache=True, nogil=True)
def streamed(rows, weights, order, most, cost, growth, chances):  # type: ignore[no-untyped-def]
    """Summarise rows in one pass: far ones open clusters, the others move the nearest one.

    Whenever there are more than `most` clusters the cost of opening one grows, and the clusters
    themselves are gone through as if they were rows.

    `cost` is the squared distance at which a row of weight 1 surely opens a cluster, and `growth`
    its factor; `chances` are uniform numbers from 0 to 1, used in turn. Returns means
    (most + 1, d) and sizes, of which the first `count` are used.
    """
    d = rows.shape[1]
    means, sizes, count = np.zeros((most + 1, d)), np.zeros(most + 1), 0
    old, heavy = np.zeros((most + 1, d)), np.zeros(most + 1)
    used = 0
    for at in order:
        count = _placed(rows, at, weights[at], means, sizes, count, cost, chances[used])
        used = (used + 1) % len(chances)
        while count > most:
            cost *= growth
            for i in range(count):
                heavy[i] = sizes[i]
                for j in range(d):
                    old[i, j] = means[i, j]
            total, count = count, 0
            for i in range(total):
                count = _placed(old, i, heavy[i], means, sizes, count, cost, chances[used])
                used = (used + 1) % len(chances)
    return means, sizes, count


@njit(cache=True, nogil=True)
def _placed(rows, at, weight, means, sizes, count, cost, chance):  # type: ignore[no-untyped-def]
    """Put a row to its nearest cluster, or open one for it by chance; return how many there are."""
    d = rows.shape[1]
    best, least = -1, np.inf
    for i in range(count):
        away = 0.0
        for j in range(d):
            away += (rows[at, j] - means[i, j]) ** 2
            if away >= least:
                break
        if away < least:
            best, least = i, away
    if best < 0 or chance * cost < weight * least:
        sizes[count] = weight
        for j in range(d):
            means[count, j] = rows[at, j]
        return count + 1
    sizes[best] += weight
    for j in range(d):
        means[best, j] += weight / sizes[best] * (rows[at, j] - means[best, j])
    return count
