"""What a benchmark is: measurements, and what must hold of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Inputs:
    """Where to find the data that does not come with Shoal, and a folder for runs.

    `tiles` is the folder that sets of tiles are kept in, `n` how many tiles are measured, and
    `only` which parts of a benchmark; all of them when empty.
    """

    scratch: Path
    mnist: Path | None = None
    fashion: Path | None = None
    photos: Path | None = None
    tiles: Path | None = None
    n: int = 1_000_000
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measurement:
    """One thing measured once.

    Parameters
    ----------
    case : str
        What was measured, of all that the benchmark measures.
    n : int
        Rows of the data.
    seconds : float
        Wall-clock time: of a whole process where the benchmark says so.
    peak_mib : float or None
        Peak memory of the whole process tree; None where only a call was timed.
    seed : int or None
        None where the method takes none by default.
    quality : dict
        What was found, by name.
    """

    case: str
    n: int
    seconds: float
    peak_mib: float | None
    seed: int | None
    quality: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Must:
    """One thing that must hold: what, the figure measured, and whether it holds."""

    what: str
    figure: str
    met: bool

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{'met' if self.met else 'MISSED'}: {self.what}: {self.figure}"


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: `run` measures, `musts` judges the rows of one run; both are plain functions.

    Attributes
    ----------
    needs
        The inputs without which it cannot run.
    about
        What a reader of the page should know of the data and the settings.
    parts
        Names for ``--only``. Where there are parts, the last rows of each case count; else those
        of the last run.
    piecemeal
        Rows are kept as each is measured; else a run that was stopped leaves none.
    by_name
        It runs only when it is named.
    """

    name: str
    help: str
    run: Callable[[Inputs], Iterator[Measurement]]
    musts: Callable[[Sequence[Row]], list[Must]]
    needs: tuple[str, ...] = ()
    about: str = ""
    parts: tuple[str, ...] = ()
    piecemeal: bool = False
    by_name: bool = False


def at_least(what: str, value: float, bound: float) -> Must:
    """Judge ``value ≥ bound``."""
    return Must(f"{what} ≥ {bound:g}", f"{value:.4g}", value >= bound)


def at_most(what: str, value: float, bound: float) -> Must:
    """Judge ``value ≤ bound``."""
    return Must(f"{what} ≤ {bound:g}", f"{value:.4g}", value <= bound)


def share(what: str, holds: Sequence[bool], needed: int) -> Must:
    """Judge that at least `needed` of some things hold."""
    text = f"{what}, in {needed} of {len(holds)}"
    return Must(text, f"{sum(holds)} of {len(holds)}", len(holds) > 0 and sum(holds) >= needed)


def of_case(rows: Sequence[Row], case: str) -> list[Row]:
    """Return the rows of one case."""
    return [row for row in rows if row["case"] == case]


def cases(rows: Sequence[Row]) -> list[str]:
    """Return the cases in the order of their first rows."""
    return list(dict.fromkeys(row["case"] for row in rows))


def values(rows: Sequence[Row], name: str) -> list[Any]:
    """Return one field of all rows, from the quality or the row itself."""
    return [row["quality"][name] if name in row["quality"] else row[name] for row in rows]


def middle(rows: Sequence[Row], name: str) -> float:
    """Return the median of one field over the rows."""
    return float(median(values(rows, name)))
