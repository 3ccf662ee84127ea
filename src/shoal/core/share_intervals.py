"""Confidence intervals and tests of shares counted on few rows, and of their differences.

Whether added rows fit a run (drift) is decided in `stages.growth.drift`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

_Z = 1.96  # of the normal distribution, 95%


@dataclass(frozen=True)
class Share:
    """A share with its 95% confidence intervals, each 0..1."""

    share: float
    """As counted; NaN if there are no rows."""
    low: float
    high: float
    """Wilson's interval: correct on average."""
    least: float
    most: float
    """Clopper–Pearson interval: never too narrow."""


def counted_share(count: int, n: int, of: int | None = None) -> Share:
    """Return the share of `count` among `n` rows drawn at random, with its intervals.

    If all rows, `of`, were counted, the intervals have width 0.

    References
    ----------
    Brown, Cai, DasGupta, "Interval estimation for a binomial proportion", Statistical Science
    16 (2001).

    Examples
    --------
    >>> found = counted_share(1, 20)
    >>> round(found.low, 3), round(found.high, 3), round(found.least, 3), round(found.most, 3)
    (0.009, 0.236, 0.001, 0.249)
    """
    if n == 0:
        return Share(float("nan"), 0.0, 1.0, 0.0, 1.0)
    share = count / n
    if of is not None and n >= of:
        return Share(share, share, share, share, share)
    low, high = share_interval(count, n, -float(scipy.special.ndtri(0.025)))
    least = float(scipy.special.betaincinv(count, n - count + 1, 0.025)) if count else 0.0
    most = float(scipy.special.betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0
    return Share(share, float(low), float(high), least, most)


def share_interval(
    count: ArrayLike, n: ArrayLike, z: float = _Z
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 95% interval of a share when `count` of `n` were observed.

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
    """Return the interval of the share after minus the share before, 95% by default.

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


def total_variation(before: ArrayLike, after: ArrayLike) -> tuple[float, float]:
    """Return the total variation between two sets of counts, and its expectation by chance.

    It is the share of rows that would have to change their cluster to make the shares equal. The
    expectation assumes equal true shares and a normal distribution.

    Examples
    --------
    >>> total, chance = total_variation([50, 50], [90, 10])
    >>> round(total, 2), round(chance, 3)
    (0.4, 0.052)
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    n, m = max(a.sum(), 1), max(b.sum(), 1)
    both = (a + b) / (n + m)
    spread = np.sqrt(both * (1 - both) * (1 / n + 1 / m))
    chance = 0.5 * float(np.sqrt(2 / np.pi) * spread.sum())
    return 0.5 * float(np.abs(a / n - b / m).sum()), chance


def bonferroni(z: float, tests: int) -> float:
    """Return z for a joint 95% level of several intervals.

    >>> round(bonferroni(1.96, 1), 2), round(bonferroni(1.96, 50), 2)
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

    Of all `all_rows`, `all_old` are old. Hypergeometric: Fisher's exact test, one-sided.

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
    ln_factorial = scipy.special.gammaln
    ways: NDArray[np.float64] = ln_factorial(n + 1) - ln_factorial(k + 1) - ln_factorial(n - k + 1)
    return ways
