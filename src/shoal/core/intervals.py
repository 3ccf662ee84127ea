"""Confidence intervals of a share counted on few rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

_Z = 1.959963984540054  # of the normal distribution, 95 %


@dataclass(frozen=True)
class Share:
    """A share with its 95 % confidence intervals, each 0..1.

    Attributes
    ----------
    share
        As counted; NaN if there are no rows.
    low, high
        Wilson's interval: correct on average.
    least, most
        Clopper–Pearson interval: never too narrow.
    """

    share: float
    low: float
    high: float
    least: float
    most: float


def counted_share(count: int, n: int, of: int | None = None) -> Share:
    """Return the share of `count` among `n` rows drawn at random, with its intervals.

    Parameters
    ----------
    count, n : int
    of : int, optional
        Total number of rows; if all of them were counted, the intervals have width 0.

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
    from scipy.special import betaincinv

    middle = (count + _Z**2 / 2) / (n + _Z**2)
    reach = _Z / (n + _Z**2) * sqrt(count * (n - count) / n + _Z**2 / 4)
    least = float(betaincinv(count, n - count + 1, 0.025)) if count else 0.0
    most = float(betaincinv(count + 1, n - count, 0.975)) if count < n else 1.0
    return Share(share, max(0.0, middle - reach), min(1.0, middle + reach), least, most)
