"""Find copies: exact ones by hash, near ones by descriptor, each verified on its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from shoal.core import near
from shoal.core.hashes import distinct_hashes, picture_hashes
from shoal.core.registration import similarities
from shoal.duplicates.pictures import Pictures, Rows, small_pictures
from shoal.errors import InputError
from shoal.keywords import SourceKeywords, explicit
from shoal.progress import Progress, default_progress
from shoal.rows import Source, open_source
from shoal.rows.memory_budget import memory_limit
from shoal.rows.pictures import pictures_of
from shoal.setting_kinds import parse_memory
from shoal.settings import available_cores

if TYPE_CHECKING:
    import pyarrow as pa

# Similarity of near copies. Chosen on 9,000 pieces of Imagenette's photos and 1,000 planted copies,
# re-encoded, resized, lit, moved or cropped by 5%: one copy lay below, and of the 20,000 most
# similar pairs of different pieces 6 lay above. A lower one finds stronger changes, and more
# pictures that are only alike.
SIMILAR = 0.93
# Least cosine of descriptors, and neighbours compared with each row: of photos cropped by 5% the
# right one was always among the first 8.
_LEAST_COSINE, _NEIGHBOURS = 0.5, 8
# With more rows than this, fewer neighbours and one descriptor of each image are compared.
_MANY, _FEW_NEIGHBOURS = 200_000, 3
# The middle of an image, without this share of each side, has a descriptor too: with a border
# added, that of the whole differs.
_MIDDLE = 0.1
_SAMPLED = 2000  # rows whose neighbours give the threshold
_BLOCK, _PAIRS = 8192, 2048  # rows and pairs in memory at a time


@dataclass(frozen=True)
class Duplicates:
    """Groups of copies among the rows of a source, or across two.

    Attributes
    ----------
    table : pyarrow.Table
        One line per row in a group: ``group``, ``source`` (0, or 1 for the second), ``row``,
        ``name``, ``kind`` (``kept``, ``exact``, ``near`` or ``mirrored``) and ``similarity`` to the
        kept one (1 for exact copies). Groups are numbered by size, each with the kept one first.
    n_rows : int
        Number of compared rows, including unreadable ones.
    unreadable : int
    blank : int
        Number of rows without contrast, for which only exact copies are found.
    threshold : float
        Lowest similarity of a near copy.
    """

    rows: Rows
    table: pa.Table
    n_rows: int
    unreadable: int
    blank: int
    threshold: float

    @property
    def n_groups(self) -> int:
        """Number of groups."""
        return int(self.table["kind"].to_pylist().count("kept"))

    def as_dict(self) -> dict[str, Any]:
        """Return the counts; distinct rows and copies add up to all readable rows."""
        kinds = self.table["kind"].to_pylist()
        copies = {kind: kinds.count(kind) for kind in ("exact", "near", "mirrored")}
        total = sum(copies.values())
        return {
            "rows": self.n_rows,
            "unreadable": self.unreadable,
            "distinct": self.n_rows - self.unreadable - total,
            "copies": total,
            **copies,
            "groups": self.n_groups,
            "blank": self.blank,
            "threshold": self.threshold,
        }


@explicit(SourceKeywords)
def find_duplicates(
    source: Any,
    against: Any = None,
    *,
    threshold: float | None = None,
    mirrored: bool = False,
    memory: str | int = "4GiB",
    workers: int | None = None,
    progress: Progress | None = None,
    **source_settings: Unpack[SourceKeywords],
) -> Duplicates:
    """Find copies among images, or images of one collection that are also in another.

    Exact copies have the same pixels. Near copies may be re-encoded, resized, brightened, or
    shifted or cropped by about 5%: candidates are nearest neighbours by a perceptual descriptor,
    searched in cells, and each pair is verified on the pixels (`shoal.core.registration`). In a
    group, every copy matches the one that is kept: from the first source, then with the most
    pixels, then the most bytes, then the first.

    Parameters
    ----------
    source : path, array or Source
        As for `shoal.fit`.
    against : path, array or Source, optional
        Find only rows of this source that are copies of rows of `source`, for example test images
        in a training set.
    threshold : float, optional
        Lowest similarity of near copies, 0.5 to 1; by default chosen from the data, at least .93.
    mirrored : bool, default False
        Also find mirrored copies.
    memory : str or int, default "4GiB"
        Memory limit.
    workers : int, optional
        Threads; by default all cores. The result does not depend on it.
    progress : Progress, optional
    **source_settings
        How the source is read, as for `shoal.fit`.

    Raises
    ------
    InputError
        When a source does not hold images, or memory is too small.
    """
    if threshold is not None and not 0.5 <= threshold <= 1:
        raise InputError(f"--threshold must be from 0.5 to 1; got {threshold}")
    progress = progress or default_progress()
    workers, limit = workers or available_cores(), parse_memory(memory)
    sources = (source,) if against is None else (source, against)
    with memory_limit(limit):
        rows = Rows(tuple(_opened(each, source_settings) for each in sources))
        _check_memory(rows.n, limit)
        progress.stage("reading", rows.n)
        with small_pictures(rows, limit, workers, progress.advance) as pictures:
            return _Search(rows, pictures, mirrored, workers, progress).run(threshold)


def _opened(source: Any, settings: Mapping[str, Any]) -> Source:
    return pictures_of(source if isinstance(source, Source) else open_source(source, **settings))


def _check_memory(n: int, memory: int) -> None:
    """Raise if memory is too small for two copies of the descriptors and a few numbers per row."""
    needed = n * (2 * 63 * 4 + 100) + (1 << 28)
    if needed > memory:
        raise InputError(
            f"comparing {n:,} images takes {needed / 2**30:.1f} GiB, more than --memory "
            f"{memory / 2**30:.1f} GiB: give --memory {-(-needed // 2**30)}GiB"
        )


class _Search:
    def __init__(
        self, rows: Rows, pictures: Pictures, mirrored: bool, workers: int, progress: Progress
    ) -> None:
        self.rows, self.pixels = rows, pictures.pixels
        self.whole, self.bad = pictures.whole, pictures.bad
        self.mirrored, self.workers, self.progress = mirrored, workers, progress
        self.split = rows.sources[0].n_rows if len(rows.sources) == 2 else None

    def run(self, threshold: float | None) -> Duplicates:
        """Merge equal images, match and group the distinct ones, and expand the groups."""
        good = np.setdiff1d(np.arange(self.rows.n), np.fromiter(self.bad, np.int64, len(self.bad)))
        if not len(good):
            raise InputError("no image can be read")
        blocks = (good[start : start + _BLOCK] for start in range(0, len(good), _BLOCK))
        hashes = np.concatenate([picture_hashes(self.pixels[block]) for block in blocks])
        first, number, _ = distinct_hashes(hashes)
        distinct = good[first]
        self.progress.stage("describing", len(distinct))
        vectors = self._vectors(distinct, 0.0)
        index = near.Index(vectors[self._sides(distinct)[1]], self.workers)
        pairs, kinds = self._candidates(distinct, vectors, index)
        if threshold is None:
            every = index if self.split is None else near.Index(vectors, self.workers)
            threshold = self._threshold(distinct, vectors, every)
        self.progress.stage("verifying", len(pairs), "pairs")
        similarity = self._similarities(distinct[pairs], kinds, threshold)
        verified = similarity >= threshold
        pairs, kinds, similarity = pairs[verified], kinds[verified], similarity[verified]
        groups = near.star_groups(len(distinct), pairs, self._rank(distinct, pairs))
        table = self._table(good, distinct, number, groups, kinds, similarity)
        self.progress.finish()
        is_blank = np.asarray(~vectors.any(axis=1))
        blank = int(np.count_nonzero(is_blank[number]))
        return Duplicates(self.rows, table, self.rows.n, len(self.bad), blank, threshold)

    def _vectors(self, rows: NDArray[np.int64], margin: float) -> NDArray[np.float32]:
        """Return descriptors of rows, with a share of each side cropped."""

        def describe(start: int) -> NDArray[np.float32]:
            block = self.pixels[rows[start : start + _BLOCK]]
            top, left = (round(margin * side) for side in block.shape[1:3])
            height, width = block.shape[1] - 2 * top, block.shape[2] - 2 * left
            self.progress.advance(0 if margin else len(block))
            return near.descriptors(block[:, top : top + height, left : left + width])

        with ThreadPoolExecutor(self.workers) as pool:
            return np.concatenate(list(pool.map(describe, range(0, len(rows), _BLOCK))))

    def _candidates(
        self, distinct: NDArray[np.int64], vectors: NDArray[np.float32], index: near.Index
    ) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
        """Return candidate pairs of distinct images, lower number first, and their kind."""
        many = len(distinct) > _MANY
        queries, targets = self._sides(distinct)
        count = (_FEW_NEIGHBOURS if many else _NEIGHBOURS) + 1  # also the row itself
        searches = [(index, vectors, "near")]
        if not many:
            inner = self._vectors(distinct, _MIDDLE)
            searches.append((near.Index(inner[targets], self.workers), inner, "near"))
        if self.mirrored:
            searches.append((index, near.mirrored(vectors), "mirrored"))
        found: dict[str, list[NDArray[np.int64]]] = {"near": [], "mirrored": []}
        for searched, descriptors, kind in searches:
            one, other = searched.pairs(
                descriptors[queries], neighbours=count, least=_LEAST_COSINE
            ).T
            ends = np.stack([np.flatnonzero(queries)[one], np.flatnonzero(targets)[other]], 1)
            found[kind].append(np.sort(ends[ends[:, 0] != ends[:, 1]], axis=1))
        pairs = {
            kind: np.unique(np.concatenate(each), axis=0) for kind, each in found.items() if each
        }
        kinds = np.repeat(list(pairs), [len(each) for each in pairs.values()])
        return np.concatenate(list(pairs.values())), kinds

    def _sides(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the query rows, and the rows to search: across sources, or all."""
        every = np.ones(len(rows), np.bool_)
        return (every, every) if self.split is None else (rows >= self.split, rows < self.split)

    def _threshold(
        self, distinct: NDArray[np.int64], vectors: NDArray[np.float32], index: near.Index
    ) -> float:
        """Return the similarity threshold, above that of different images in these data."""
        drawn = np.random.default_rng(0).permutation(len(distinct))[:_SAMPLED]
        pairs = index.pairs(vectors[drawn], neighbours=_NEIGHBOURS + 1, least=_LEAST_COSINE)
        last = np.flatnonzero(np.diff(pairs[:, 0], append=-1))
        full = last[np.diff(last, prepend=-1) > _NEIGHBOURS]
        farthest = np.stack([drawn[pairs[full, 0]], pairs[full, 1]], axis=1)
        kinds = np.full(len(farthest), "near")
        return near.clear_threshold(self._similarities(distinct[farthest], kinds, SIMILAR), SIMILAR)

    def _similarities(
        self, ends: NDArray[np.int64], kinds: NDArray[np.str_], least: float
    ) -> NDArray[np.float32]:
        def verify(start: int) -> NDArray[np.float32]:
            pairs = ends[start : start + _PAIRS]
            rows, at = np.unique(pairs, return_inverse=True)
            at = at.reshape(pairs.shape)
            mirrored = np.asarray(kinds[start : start + _PAIRS] == "mirrored")
            pixels = np.asarray(self.pixels[rows])
            if mirrored.any():
                at[mirrored, 1] += len(rows)
                pixels = np.concatenate([pixels, pixels[:, :, ::-1]])
            found = similarities(pixels, at, least)
            self.progress.advance(len(pairs))
            return found

        with ThreadPoolExecutor(self.workers) as pool:
            blocks = list(pool.map(verify, range(0, len(ends), _PAIRS)))
        return np.concatenate([np.empty(0, np.float32), *blocks])

    def _rank(self, distinct: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the order of preference: first source, most pixels, most bytes, first row."""
        pixels, size = np.zeros((2, len(distinct)), np.int64)
        for at in np.unique(pairs):
            pixels[at], size[at] = self.rows.size(int(distinct[at]))
        second = np.zeros(len(distinct)) if self.split is None else distinct >= self.split
        rank = np.empty(len(distinct), np.int64)
        rank[np.lexsort((distinct, -size, -pixels, second))] = np.arange(len(distinct))
        return rank

    def _table(
        self,
        good: NDArray[np.int64],
        distinct: NDArray[np.int64],
        number: NDArray[np.int64],
        groups: tuple[NDArray[np.int64], NDArray[np.int64]],
        kinds: NDArray[np.str_],
        similarity: NDArray[np.float32],
    ) -> pa.Table:
        """Return the lines of all groups: `number` and `groups` lead from rows to the kept ones."""
        import pyarrow as pa

        kept, pair = groups
        centre, pair = kept[number], pair[number]
        is_kept = good == distinct[centre]
        at = self._listed(good, distinct, centre, is_kept)
        _, group = np.unique(np.cumsum(np.diff(centre[at], prepend=-1) != 0), return_inverse=True)
        kind, similar = [], []
        for i in at:
            if is_kept[i]:
                kind.append("kept")
            elif pair[i] >= 0:
                kind.append(str(kinds[pair[i]]))
            else:
                exact = self._is_exact(int(good[i]), int(distinct[number[i]]))
                kind.append("exact" if exact else "near")
            similar.append(similarity[pair[i]] if pair[i] >= 0 else 1.0)
        owners = [self.rows.owner(int(row)) for row in good[at]]
        return pa.table(
            {
                "group": pa.array(group, pa.int64()),
                "source": pa.array([owner for owner, _ in owners], pa.int8()),
                "row": pa.array([row for _, row in owners], pa.int64()),
                "name": pa.array([self.rows.name(int(row)) for row in good[at]], pa.string()),
                "kind": pa.array(kind, pa.string()),
                "similarity": pa.array(np.asarray(similar, np.float32), pa.float32()),
            }
        )

    def _listed(
        self,
        good: NDArray[np.int64],
        distinct: NDArray[np.int64],
        centre: NDArray[np.int64],
        is_kept: NDArray[np.bool_],
    ) -> NDArray[np.int64]:
        """Return which rows are in groups, in the order of the table."""

        def sizes(listed: NDArray[np.bool_]) -> NDArray[np.int64]:
            return np.bincount(centre[listed], minlength=len(distinct))[centre]

        listed = sizes(np.ones(len(centre), np.bool_)) > 1
        if self.split is not None:  # only rows of the second source that are copies of the first
            listed &= (is_kept | (good >= self.split)) & (distinct[centre] < self.split)
            listed &= sizes(listed) > 1
        at = np.flatnonzero(listed)
        order = np.lexsort((good[at], ~is_kept[at], centre[at], -sizes(listed)[at]))
        return at[order]

    def _is_exact(self, row: int, other: int) -> bool:
        """Return whether rows with equal small images are equal in full size."""
        return self.whole or self.rows.content(row) == self.rows.content(other)
