"""One column of a table, as some of its rows show it."""

from __future__ import annotations

from dataclasses import dataclass

_CHANCE = 0.01  # of leaving out the first numbers of a column that is said to count


@dataclass(frozen=True)
class Column:
    """One column as some of its rows show it.

    Attributes
    ----------
    name : str
        Its header, or ``column 3``.
    numeric : bool
        True for numbers, and for yes and no.
    distinct : bool
        True when no value comes twice and none is missing.
    whole : bool
        True for whole numbers.
    known, values : int
        How many cells there are, and how many different ones.
    missing, common : float
        Share of cells that are missing; of those there, share of the commonest value.
    ends : tuple of float
        Of numbers: the least, the quantiles at 5 %, 50 % and 95 %, the greatest.
    identity : str
        Why its numbers name rows instead of measuring them; empty where they do not.
    """

    name: str
    numeric: bool
    distinct: bool
    whole: bool = False
    known: int = 0
    values: int = 0
    missing: float = 0.0
    common: float = 1.0
    ends: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    identity: str = ""

    @property
    def is_code(self) -> bool:
        """Texts or whole numbers, the same ones again and again."""
        return (self.whole or not self.numeric) and 2 <= self.values <= self.known / 2

    @property
    def is_category(self) -> bool:
        """Codes that are not amounts: texts, and two values only."""
        return self.is_code and (not self.numeric or self.values == 2)

    @property
    def counts(self) -> bool:
        """Whole numbers from -1, 0 or 1 on with few left out, as classes are numbered.

        The first ones may be left out where as many others are that it is chance.
        """
        least, most = self.ends[0], self.ends[-1]
        if not self.whole or least < -1:
            return False
        first = max(least - 1, 0)
        left_out = 1 - self.values / (most + 1 - min(least, 1))
        return left_out <= 0.5 and left_out**first >= _CHANCE

    @property
    def spread(self) -> float:
        """How far numbers lie apart: nine tenths of them, or all where these are equal."""
        least, low, _, high, most = self.ends
        return high - low or most - least
