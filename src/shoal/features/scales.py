"""The scale of a column of numbers, independent of its unit and robust to its tails."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Power = Literal["as it is", "root", "log"]

_POWERS: tuple[Power, ...] = ("as it is", "root", "log")
_SKEWED, _GAIN = 0.2, 0.05
_TAILS = (0.02, 0.05, 0.1, 0.25)
_SPREADS = ((0.25, 1.349), (0.1, 2.563), (0.01, 4.653))  # of a normal law between these quantiles
_LIMIT, _FARTHEST = 3.0, 10.0
_WIDEST_STEP = 3.0
_PEAK = 0.4  # density of the normal law at its middle, a standard deviation wide
_GRID = np.linspace(0, 1, 2001)
_ATOM = ("atom", "low", "high")
_NEAR = 0.25
MISMATCH = math.sqrt(1.5)
"""Distance of two categories, in standard deviations of a column of numbers."""


@dataclass(frozen=True)
class Scale:
    """The transformation that makes the numbers of a column comparable with others.

    First a power of Tukey's ladder (1977) that makes a column with one long tail symmetric (amounts
    of money become logarithms); then limits, beyond which a number counts by its logarithm and at
    most as ten deviations, so that a few wrong ones do not compress the others; then mean 0 and
    variance 1. Scaling by the range, the quartiles or ranks was worse on synthetic tables with
    heavy tails: the range depends on outliers, quartiles keep the tails, ranks close gaps.

    Tukey: Exploratory Data Analysis. 1977. Raymaekers, Rousseeuw: Transforming variables to
    central normality. Machine Learning 113, 2024. Milligan, Cooper: A study of standardization
    of variables in cluster analysis. Journal of Classification 5, 1988.
    """

    power: Power
    start: float  # added before the logarithm, if there are zeros
    # Median and robust deviation after it, for the limits; `unit` 0 for none
    middle: float
    unit: float
    # After the limits, including the spreading by `step`
    mean: float
    deviation: float
    # The width a number is spread over: in a column of few values, 3 stands for 2.5 to 3.5
    step: float
    fill: float  # median as stored, for cells without donors
    atom: float | None = None  # a number of many rows, such as 0 purchases
    # The range the atom is spread over, adjacent to the other numbers: no gap makes it a cluster.
    low: float = 0.0
    high: float = 0.0

    def apply(
        self, numbers: NDArray[np.float64], draws: NDArray[np.float64] | float = 0.5
    ) -> NDArray[np.float64]:
        """Transform finite numbers, (n,); `draws` (0 to 1) are positions in the spread."""
        spread = numbers + self.step * (np.asarray(draws) - 0.5)
        placed = (self._limited(spread) - self.mean) / self.deviation
        if self.atom is None:
            return placed
        return np.where(numbers == self.atom, self.low + (self.high - self.low) * draws, placed)

    def _limited(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return _limit(_power(numbers, self.power, self.start), self.middle, self.unit)

    @property
    def equal(self) -> float:
        """Chance that two numbers are equal, from the width of a step at the median."""
        ends = np.array([self.fill - self.step / 2, self.fill + self.step / 2])
        return _PEAK * float(np.diff(self.apply(ends))[0])

    def as_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        return plain if self.atom is not None else {k: plain[k] for k in plain if k not in _ATOM}


def learn_scale(
    probabilities: Sequence[float],
    quantiles: Sequence[float],
    step: float,
    plain: bool,
    atom: tuple[float, float] | None = None,
) -> Scale:
    """Learn a column's scale; `atom` is a number that many rows have, and their share.

    >>> probabilities = np.linspace(0, 1, 21)
    >>> learn_scale(probabilities, np.exp(np.linspace(0, 9, 21)), 0.01, False).power
    'log'
    """
    law = np.interp(_GRID, probabilities, quantiles)
    start = _start(law)
    power: Power = "as it is" if plain else _choose(law, start)
    changed = _power(law, power, start)
    middle, unit = float(np.median(changed)), _unit(changed)
    limited = _limit(changed, middle, unit)
    spread = min(step, _WIDEST_STEP * float(np.std(law)))
    offsets = spread * (np.arange(5) - 2) / 5
    jittered = np.stack([_limit(_power(law + s, power, start), middle, unit) for s in offsets])
    scale = Scale(
        power, start, middle, unit, float(limited.mean()), float(np.std(jittered)) or 1.0,
        spread, float(np.median(law)),
    )  # fmt: skip
    return scale if atom is None else _with_atom(scale, jittered, law, *atom)


def _with_atom(
    scale: Scale, jittered: NDArray[np.float64], law: NDArray[np.float64], atom: float, share: float
) -> Scale:
    """Place the atom next to the other numbers, with a variance of at most 1."""
    others = (jittered - scale.mean) / scale.deviation
    if atom < law[0]:
        high = float(np.quantile(others, _NEAR))
        low = high - MISMATCH
    elif atom > law[-1]:
        low = float(np.quantile(others, 1 - _NEAR))
        high = low + MISMATCH
    else:
        middle = float(scale.apply(np.array([atom]))[0])
        low, high = middle - MISMATCH / 2, middle + MISMATCH / 2
    here = (low + high) / 2
    mean = share * here + (1 - share) * float(others.mean())
    square = share * (here**2 + MISMATCH**2 / 12) + (1 - share) * float((others**2).mean())
    wide = max(1.0, math.sqrt(square - mean**2))
    return replace(
        scale,
        mean=scale.mean + mean * scale.deviation,
        deviation=scale.deviation * wide,
        fill=atom if share >= 0.5 else scale.fill,
        atom=atom,
        low=(low - mean) / wide,
        high=(high - mean) / wide,
    )


def _start(law: NDArray[np.float64]) -> float:
    """Return half the median of the positive numbers if there are zeros, else 0."""
    positive = law[law > 0]
    return float(np.median(positive)) / 2 if law[0] == 0 and len(positive) else 0.0


def _choose(law: NDArray[np.float64], start: float) -> Power:
    """Choose the first power that no later one clearly beats in symmetry."""
    best, least = _POWERS[0], _skewness(law)
    if law[0] < 0 or least <= _SKEWED:
        return best
    for power in _POWERS[1:]:
        skewness = abs(_skewness(_power(law, power, start)))
        if skewness < least - _GAIN:
            best, least = power, skewness
    return best


def _skewness(law: NDArray[np.float64]) -> float:
    """Return the mean quantile skewness of a distribution, −1..1."""
    middle = np.median(law)
    found = []
    for p in _TAILS:
        low, high = np.quantile(law, [p, 1 - p])
        found.append((high + low - 2 * middle) / (high - low) if high > low else 0.0)
    return float(np.mean(found))


def _power(numbers: NDArray[np.float64], power: Power, start: float) -> NDArray[np.float64]:
    if power == "as it is":
        return numbers
    if power == "root":
        return np.sqrt(np.maximum(numbers, 0))
    least = np.finfo(np.float64).tiny
    return np.log(np.maximum(numbers + start, start / 2 or least))


def _unit(law: NDArray[np.float64]) -> float:
    """Return a robust deviation from the innermost quantiles that differ."""
    for p, normal in _SPREADS:
        low, high = np.quantile(law, [p, 1 - p])
        if high > low:
            return float(high - low) / normal
    return 0.0


def _limit(numbers: NDArray[np.float64], middle: float, unit: float) -> NDArray[np.float64]:
    """Compress numbers beyond three units from the median, to at most ten."""
    if not unit:
        return numbers
    away = (numbers - middle) / unit
    size = np.abs(away)
    room = _FARTHEST - _LIMIT
    beyond = _LIMIT + room * -np.expm1(-np.log1p(np.maximum(size - _LIMIT, 0)) / room)
    return np.where(size > _LIMIT, np.copysign(beyond, away), away)
