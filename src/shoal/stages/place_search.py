"""Find the place of every row: its representative, the second one, the margin, the distance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shoal.core.near_codes import Places, distances_of
from shoal.core.nearest import nearest_of, shortlists_for
from shoal.core.per_process import PerProcess
from shoal.core.shortlists import Shortlists
from shoal.core.tree import Tree
from shoal.core.verdicts import outvoted
from shoal.stages.method_result import Found
from shoal.stages.result import ASSIGNMENT, Result
from shoal.stages.shards import Shards
from shoal.stages.vectors import read_vectors
from shoal.storage import RunFolder, read_npy

SEARCHED = np.dtype(
    [
        ("row", "i4"),
        ("representative", "i4"),
        ("second", "i4"),
        ("margin", "u1"),
        ("distance", "f4"),
    ]
)
"""What is stored of a row that is far from all codes: its number in the shard, and `ASSIGNMENT`."""

Nearest = tuple[NDArray[np.int32], NDArray[np.float32]]
"""The nearest representatives of rows, up to three, and their distances."""


@dataclass(frozen=True)
class KnownPlaces:
    """The places of rows every distinct one of which is a representative."""

    representative: NDArray[np.int32]
    shards: Shards

    def setup(self) -> None: ...

    def __call__(self, number: int) -> Places:
        start, stop = self.shards.bounds(number)
        first = self.representative[start:stop]
        n = len(first)
        none = np.full(n, -1, np.int32)
        return first, none, np.full(n, 255, np.uint8), np.zeros(n, np.float32)


@dataclass(frozen=True)
class _Representatives:
    """The representatives to search; `of_code` is the representative at each code."""

    vectors: NDArray[np.float32]
    tree: Tree
    shortlists: Shortlists | None
    of_code: NDArray[np.int32]
    method: Found

    @property
    def count(self) -> int:
        """How many are searched for each row."""
        return min(3, len(self.vectors))

    def nearest(self, rows: NDArray[np.float32]) -> Nearest:
        return nearest_of(rows, self.vectors, self.count, shortlists=self.shortlists)


@dataclass(frozen=True)
class PlaceSearch:
    """Searches the nearest representative of rows, or the second if the third agrees with it.

    With `coded`, rows are near the codes that are stored of them; only others are searched for.
    """

    run: RunFolder
    workers: int
    coded: bool
    cache: PerProcess[_Representatives] = field(
        default_factory=PerProcess, compare=False, repr=False
    )

    def setup(self) -> None:
        """Load the representatives, which are too large to travel with the task."""
        _ = self.representatives

    @property
    def representatives(self) -> _Representatives:
        return self.cache.get(self._read)

    def _read(self) -> _Representatives:
        summary, result = self.run.stage("summarise"), Result(self.run)
        vectors = read_npy(summary.whole("vectors"))
        of_code = read_npy(summary.whole("of_code")) if self.coded else np.empty(0, np.int32)
        shortlists = shortlists_for(vectors, self.workers)
        return _Representatives(vectors, result.tree, shortlists, of_code, Found(result))

    def __call__(self, number: int) -> Places:
        ok = read_npy(self.run.stage("project").part("ok", number))
        good = np.flatnonzero(ok)
        nearest = self._near_codes(number, good) if self.coded else self._nearest(number, good)
        return self._places(number, len(ok), good, nearest)

    def searched(self, number: int) -> NDArray:
        """Search for the places of the good rows of a shard that are far from all codes."""
        project = self.run.stage("project")
        codes = read_npy(project.part("near", number))["codes"][:, 0]
        far = codes == len(self.representatives.of_code)
        rows = np.flatnonzero(far & read_npy(project.part("ok", number)))
        found = np.empty(len(rows), SEARCHED)
        found["row"] = rows
        if len(rows):
            nearest = self._nearest(number, rows)
            places: tuple[NDArray, ...] = self._places(number, len(codes), rows, nearest)
            for name, column in zip(ASSIGNMENT, places, strict=True):
                found[name] = column[rows]
        return found

    def _places(self, number: int, n: int, rows: NDArray[np.int64], nearest: Nearest) -> Places:
        """Return the places of the n rows of a shard, given what is nearest to some `rows`."""
        found, away = nearest
        first, second = (np.full(n, -1, np.int32) for _ in range(2))
        margin, distance = np.zeros(n, np.uint8), np.full(n, np.nan, np.float32)
        ratio = away[:, 0] / np.maximum(away[:, 1], np.finfo(np.float32).tiny)
        margin[rows] = np.rint(255 * (1 - np.minimum(ratio, 1)))
        method = self.representatives.method
        own = None if method.rule is None else method.assign(self._vectors(number, rows))
        if own is not None:
            _follow_rule(own, method.clusters, found, away)
        elif found.shape[1] == 3:
            torn = outvoted(self.representatives.tree, found, away)
            found[torn, :2], away[torn, :2] = found[torn, 1::-1], away[torn, 1::-1]
        first[rows], second[rows] = found[:, :2].T
        distance[rows] = away[:, 0]
        return first, second, margin, distance

    def _vectors(self, number: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return read_vectors(self.run.stage("project"), number, rows)

    def _nearest(self, number: int, rows: NDArray[np.int64]) -> Nearest:
        return self.representatives.nearest(self._vectors(number, rows))

    def _near_codes(self, number: int, rows: NDArray[np.int64]) -> Nearest:
        """Return the representatives at the codes of rows; search for rows far from all codes."""
        of_code = self.representatives.of_code
        folders = (self.run.stage(name) for name in ("summarise", "project"))
        folder = next(one for one in folders if one.has("near", number))
        near = read_npy(folder.part("near", number))[rows]
        codes, away = near["codes"].astype(np.int64), distances_of(near)
        codes = np.where(codes < len(of_code), codes, codes[:, :1])  # fewer than three codes exist
        far = np.flatnonzero(codes[:, 0] == len(of_code))
        found = np.append(of_code, np.int32(-1))[codes]
        if len(far):
            count = self.representatives.count
            found, away = found[:, :count], away[:, :count]
            found[far], away[far] = self._nearest(number, rows[far])
        return found, away


def _follow_rule(
    own: NDArray[np.int32],
    clusters: NDArray[np.int32],
    found: NDArray[np.int32],
    away: NDArray[np.float32],
) -> None:
    """Move the nearest representative that is in the method's cluster of a row to the front."""
    mine = clusters[found] == own[:, None]
    first = np.where(mine.any(axis=1), mine.argmax(axis=1), 0)
    rows = np.flatnonzero(first)
    at = first[rows]
    for array in (found, away):
        array[rows, at], array[rows, 0] = array[rows, 0], array[rows, at]
