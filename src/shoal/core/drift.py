"""Differences between counts of new and old rows, with confidence intervals."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

_Z = 1.96  # 95 %


def share_interval(
    count: ArrayLike, n: ArrayLike, z: float = _Z
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95 % interval of a share when `count` of `n` were observed.

    Wilson: Probable inference, the law of succession, and statistical inference. JASA 1927.

    Examples
    --------
    >>> low, high = share_interval(0, 100)
    >>> float(low), round(float(high), 3)
    (0.0, 0.037)
    """
    n = np.maximum(np.asarray(n, np.float64), 1)
    p = np.asarray(count, np.float64) / n
    middle = p + z**2 / (2 * n)
    reach = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    return np.maximum(middle - reach, 0) / scale, np.minimum((middle + reach) / scale, 1)


def difference_interval(
    before: ArrayLike, n_before: int, after: ArrayLike, n_after: int, z: float = _Z
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the interval of the share after minus the share before, 95 % by default.

    Newcombe: Interval estimation for the difference between independent proportions. Statistics
    in Medicine 1998, method 10.
    """
    p = np.asarray(before, np.float64) / max(n_before, 1)
    q = np.asarray(after, np.float64) / max(n_after, 1)
    p_low, p_high = share_interval(before, n_before, z)
    q_low, q_high = share_interval(after, n_after, z)
    low = q - p - np.hypot(q - q_low, p_high - p)
    high = q - p + np.hypot(q_high - q, p - p_low)
    return low, high


def shift(before: ArrayLike, after: ArrayLike) -> tuple[float, float]:
    """Return the total variation between two sets of counts, and its expectation by chance.

    It is the share of rows that would have to change their cluster to make the shares equal. The
    expectation assumes equal true shares and a normal distribution.

    Examples
    --------
    >>> total, chance = shift([50, 50], [90, 10])
    >>> round(total, 2), round(chance, 3)
    (0.4, 0.052)
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    n, m = max(a.sum(), 1), max(b.sum(), 1)
    both = (a + b) / (n + m)
    spread = np.sqrt(both * (1 - both) * (1 / n + 1 / m))
    chance = 0.5 * float(np.sqrt(2 / np.pi) * spread.sum())
    return 0.5 * float(np.abs(a / n - b / m).sum()), chance


def corrected(z: float, tests: int) -> float:
    """Return z for a joint 95 % level of several intervals (Bonferroni).

    >>> round(corrected(1.96, 1), 2), round(corrected(1.96, 50), 2)
    (1.96, 3.29)
    """
    return float(-scipy.special.ndtri(scipy.special.ndtr(-z) / max(tests, 1)))


def chance_of_more(count: int, n: int, share: float) -> float:
    """Return the probability of at least `count` of n rows, each with probability `share`.

    >>> round(chance_of_more(1, 2, 0.5), 3), chance_of_more(0, 5, 0.1)
    (0.75, 1.0)
    """
    return 1.0 if count <= 0 else float(scipy.special.betainc(count, n - count + 1, share))


def chance_of_fewer(old: int, rows: int, all_old: int, all_rows: int) -> float:
    """Return the probability that at most `old` of `rows` random rows are old.

    Hypergeometric: Fisher's exact test, one-sided.

    Parameters
    ----------
    old, rows
        Old rows in the subset, and size of the subset.
    all_old, all_rows
        The same for all rows.

    Examples
    --------
    >>> round(chance_of_fewer(0, 2, 2, 4), 4), round(chance_of_fewer(1, 2, 2, 4), 4)
    (0.1667, 0.8333)
    """
    low = max(0, rows - (all_rows - all_old))
    k = np.arange(low, old + 1)
    logs = _ln_choose(all_old, k) + _ln_choose(all_rows - all_old, rows - k)
    logs -= _ln_choose(all_rows, np.array(rows))
    return float(min(1.0, np.exp(logs).sum()))


def _ln_choose(n: int, k: NDArray) -> NDArray[np.float64]:
    """Logarithm of the number of ways to choose k of n."""
    found: NDArray[np.float64] = (
        scipy.special.gammaln(n + 1)
        - scipy.special.gammaln(k + 1)
        - scipy.special.gammaln(n - k + 1)
    )
    return found
