"""A clustering method: its properties and parameters, its input and its result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import check_count
from shoal.errors import SettingError
from shoal.methods.rules import Rule

_BLOCK = 1024  # rows whose distances to all are computed at a time
MOST_CLUSTERS = 5_000
"""Clusters of a flat method, whose pairs (200 MB) are in memory for the tree above them."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a method, given as ``--set name=value``: a number, or a word."""

    name: str
    default: Any  # None: chosen from the data
    help: str
    low: float = 0.0  # Bounds of a number, both allowed
    high: float = np.inf
    whole: bool = False
    choices: tuple[str, ...] = ()  # Of a word

    @property
    def rule(self) -> str:
        """What values are allowed, in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        kind = "a whole number" if self.whole else "a number"
        if self.high == np.inf:
            return f"{kind} of at least {self.low:g}"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def parse(self, value: Any) -> Any:
        """Return a checked value of a text or a number.

        Raises
        ------
        SettingError
            With the value and the rule.
        """
        wrong = SettingError(f"{self.name} must be {self.rule}; got {value!r}")
        if self.choices:
            if value not in self.choices:
                raise wrong
            return str(value)
        if isinstance(value, bool | np.bool_):
            raise wrong
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise wrong from None
        if not self.low <= number <= self.high or not np.isfinite(number):
            raise wrong
        if not self.whole:
            return number
        if number != int(number):
            raise wrong
        return int(number)


PASSES = Parameter(
    "passes",
    0,
    "Passes over all rows afterwards, where representatives stand for them.",
    0,
    1000,
    whole=True,
)
"""Of methods whose rule can be moved by passes over all rows (see `methods.passes`), which the
stage of the tree makes."""


@dataclass(frozen=True)
class WeightedRows:
    """Distinct rows in memory, and how often each counts."""

    vectors: NDArray[np.float32]  # (m, d)
    weights: NDArray[np.float64]  # (m,), above 0

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, at: NDArray) -> WeightedRows:
        return WeightedRows(self.vectors[at], self.weights[at])

    @property
    def as_float64(self) -> NDArray[np.float64]:
        """A copy of the vectors in float64."""
        return self.vectors.astype(np.float64)

    def distances(self, dtype: type = np.float32) -> NDArray:
        """Return the Euclidean distances of all pairs, exactly symmetric, 0 on the diagonal."""
        from scipy.spatial.distance import cdist

        rows = self.as_float64
        found: NDArray = np.empty((len(rows), len(rows)), dtype)
        for start in range(0, len(rows), _BLOCK):
            found[start : start + _BLOCK] = cdist(rows[start : start + _BLOCK], rows)
        return found

    @property
    def is_even(self) -> bool:
        """Whether all rows count alike."""
        return bool((self.weights == self.weights[0]).all())


@dataclass(frozen=True)
class Partition:
    """What a method finds in m rows."""

    labels: NDArray[np.int32]  # (m,) Cluster of each row, 0 .. K − 1; −1 for noise
    memberships: NDArray[np.float32] | None = None  # (m, K) Shares of each row, which sum to 1
    # (m − 1, 2) The method's dendrogram, of which `labels` is a cut: the two nodes joined at each
    # step, lowest first; the t-th step makes node m + t
    merges: NDArray[np.int64] | None = None
    heights: NDArray[np.float64] | None = None  # (m − 1,) Where they were joined, not falling
    rule: Rule | None = None  # How new rows are assigned; None: by a vote of the nearest rows
    notes: tuple[str, ...] = ()  # Sentences for people: what was chosen from the data
    grid: NDArray[np.int64] | None = None  # (K, 2) Row and column of clusters that lie on a grid


Fit = Callable[..., Partition]
"""``fit(rows, seed, k, **parameters)``, with all parameters but `PASSES`.

`k` is None only for methods that find K themselves.
"""


@dataclass(frozen=True)
class Method:
    """A clustering method."""

    name: str
    family: str
    summary: str
    fit: Fit
    cost: str  # Time and memory by the rows m, the clusters K and the numbers d of a row
    needs_k: bool = True  # Without one, K is chosen by the silhouette
    takes_k: bool = True
    # Whether rows can weigh more than others. If not, few rows are repeated as often as they weigh;
    # of many the weights are ignored, with a note
    weighted: bool = True
    most: int | None = None  # Rows; more are summarised first
    pair_bytes: float = 0.0  # Memory for each pair of rows
    noise: bool = False
    soft: bool = False  # Gives memberships
    hierarchical: bool = False  # Has a dendrogram
    # Compares directions from the origin of the features, so that the mean must not be subtracted
    directions: bool = False
    axes: bool = False  # Depends on the axes of the features, not on distances alone
    predicts: str = "vote of the nearest"  # How new rows are assigned
    parameters: tuple[Parameter, ...] = ()
    version: int = 1  # Raised whenever the same input gives another result
    aliases: tuple[str, ...] = ()

    def resolved(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters: those given, checked, and the defaults of the others.

        Raises
        ------
        SettingError
            For a parameter that the method does not have, or a value that is not allowed.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        for name in given:
            if name not in known:
                raise SettingError(_unknown(self.name, name, list(known)))
        values = {name: parameter.default for name, parameter in known.items()}
        return values | {name: known[name].parse(value) for name, value in given.items()}

    def check_k(self, k: int | None, m: int | None = None) -> None:
        """Refuse a number of clusters if the method takes none, or if it exceeds the m rows.

        Raises
        ------
        SettingError
        """
        if k is None:
            return
        if not self.takes_k:
            finds = ", ".join(parameter.name for parameter in self.parameters)
            raise SettingError(
                f"{self.name} finds the number of clusters itself; got k {k}: leave it out, or "
                f"change its parameters ({finds})"
            )
        if k > MOST_CLUSTERS and not self.hierarchical:
            raise SettingError(
                f"k must be at most {MOST_CLUSTERS:,} for {self.name}, because the tree compares "
                f"all pairs of clusters; got {k:,}: give fewer, or leave the method out"
            )
        if m is not None:
            check_count("k", k, m, "distinct rows")

    def most_rows(self, memory: int) -> int | None:
        """Return the most rows that it takes within half of some memory; None for any number."""
        if not self.pair_bytes:
            return self.most
        fit = int((memory / 2 / self.pair_bytes) ** 0.5)
        return fit if self.most is None else min(fit, self.most)


def _unknown(method: str, name: str, known: Sequence[str]) -> str:
    if not known:
        return f"method {method} has no parameters; got {name}: leave it out"
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(known)}"
    return f"method {method} has no parameter {name}: {hint}"


def parse_assignments(given: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """Return names and values of texts ``name=value``, or of a mapping.

    Raises
    ------
    SettingError
        For a text without ``=``, or a name that comes twice.

    Examples
    --------
    >>> parse_assignments(["eps=0.3", "min_samples = 5"])
    {'eps': '0.3', 'min_samples': '5'}
    """
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    found: dict[str, Any] = {}
    for text in [given] if isinstance(given, str) else given:
        name, equals, value = str(text).partition("=")
        name, value = name.strip().replace("-", "_"), value.strip()
        if not equals or not name or not value:
            raise SettingError(f"--set {text!r}: give name=value, such as eps=0.3")
        if name in found:
            raise SettingError(f"--set {name} is given twice: give it once")
        found[name] = value
    return found
