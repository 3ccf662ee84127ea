"""What must hold of the tiles, judged from rows alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.base import Must, Row, at_least, at_most, middle, of_case, share, values

K = 60
"""How many sources there are, which the k-means are told."""


@dataclass(frozen=True)
class Constants:
    """Numbers of rows: of the full set, the usual one, and the one without compression."""

    full: int = 48_000_000
    usual: int = 1_000_000
    few: int = 200_000


CONSTANTS = Constants()
_SECONDS = 15 * 60.0
_MEMORY_MIB = 4096.0
_DISK_GB = 8.0
_OVER_FLOOR = 8.0
_GAP, _LOSS = 0.10, 0.02
_FOUND = 0.8  # share of a rare source in its cluster, and of the cluster that is of the source
_EXPONENT, _FLAT = 1.05, 1.25
_KILLS = 20
_LAYERS = ("primary", "finest")  # that a user gets without the truth


def musts(rows: Sequence[Row]) -> list[Must]:
    """Judge every number of rows that was measured, and the growth from one to the other.

    Times are judged at the full size only: below, what does not grow with the rows outweighs.
    """
    judged = list(_singles(rows))
    few = of_case(rows, "uncompressed")
    for n in sorted({row["n"] for row in of_case(rows, "shoal")}):
        of_n = [row for row in rows if row["n"] == n]
        judged += [Must(f"{n:,}: {m.what}", m.figure, m.met) for m in _of_size(of_n, few)]
        if n >= CONSTANTS.full:
            judged += [Must(f"{n:,}: {m.what}", m.figure, m.met) for m in _of_full(of_n)]
    return judged + list(_growth(of_case(rows, "shoal")))


def _singles(rows: Sequence[Row]) -> Iterator[Must]:
    """Judge what does not go with the number of rows."""
    for row in of_case(rows, "make tiles"):
        made = row["quality"]["mb_per_second"]
        yield at_least(f"making {row['n']:,} tiles, MB a second", made, 150)
    for row in of_case(rows, "predict"):
        placed = row["quality"]["tiles_per_second"]
        yield at_least(f"{row['n']:,}: new tiles placed a second", placed, 100_000)
    for row in of_case(rows, "killed and resumed"):
        wrong = row["quality"]["differing"]
        yield at_least("kills of one fit", row["quality"]["kills"], _KILLS)
        yield Must("after them the same bytes", f"{len(wrong)} files differ", not wrong)


def _of_size(rows: Sequence[Row], few: Sequence[Row]) -> Iterator[Must]:
    """Judge memory and quality at one size."""
    shoal = of_case(rows, "shoal")
    yield at_most("MiB, greatest", max(values(shoal, "peak_mib")), _MEMORY_MIB)
    for layer in _LAYERS:
        ami = middle(shoal, f"{layer}_ami")
        for peer in ("sklearn", "faiss"):
            if found := of_case(rows, peer):
                gap = ami - middle(found, "ami")
                yield at_least(f"AMI of the {layer} layer above that of {peer}, by", gap, _GAP)
        if few:
            loss = middle(few, f"{layer}_ami") - ami
            yield at_most(f"AMI of the {layer} layer lost by compression", loss, _LOSS)
    if rare := [row for row in rows if row["case"].startswith("rare source")]:
        found_at = [
            min(row["quality"]["share_of_it"], row["quality"]["share_of_cluster"]) >= _FOUND
            for row in rare
        ]
        yield share("sources of 0.01 % found in the finest layer", found_at, len(rare))


def _of_full(rows: Sequence[Row]) -> Iterator[Must]:
    """Judge the times at the full size."""
    shoal = of_case(rows, "shoal")
    seconds = middle(shoal, "seconds")
    yield at_most("seconds, labels written", seconds, _SECONDS)
    yield at_most("GB of extra disk", middle(shoal, "disk_gb"), _DISK_GB)
    for case, what, bound in (
        ("floor", "times the floor", _OVER_FLOOR),
        ("sklearn", "times the seconds of sklearn", 1.0),
        ("faiss", "times the seconds of faiss", 6.0),
    ):
        if found := of_case(rows, case):
            same = {row["date"] for row in found} == {row["date"] for row in shoal}
            said = what if same else f"{what} (of another run)"
            yield at_most(said, seconds / middle(found, "seconds"), bound)


def _growth(shoal: Sequence[Row]) -> Iterator[Must]:
    """Judge how time and memory grow from the usual size to the full one."""
    small = [row for row in shoal if row["n"] == CONSTANTS.usual]
    large = [row for row in shoal if row["n"] >= CONSTANTS.full]
    if small and large:
        times = middle(large, "seconds") / middle(small, "seconds")
        exponent = math.log(times) / math.log(middle(large, "n") / middle(small, "n"))
        yield at_most("exponent of the growth of time", exponent, _EXPONENT)
        grown = middle(large, "peak_mib") / middle(small, "peak_mib")
        yield at_most("memory flat: the full set's peak over the usual one's", grown, _FLAT)
