"""The model of a finished run: it assigns new rows to clusters, without the fitted rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from shoal.core.nearest import nearest_of, shortlists_for
from shoal.core.packing import rounded
from shoal.core.shortlists import Shortlists
from shoal.core.verdicts import vote
from shoal.edits import Clustering, Curation
from shoal.engines.prefetch import prefetched
from shoal.errors import InputError
from shoal.features import Encoder
from shoal.keywords import LabelKeywords
from shoal.prediction import Prediction, joined
from shoal.rows import Batch, Kind, Source, as_requested, open_source, remarks_of
from shoal.rows.arrays.scale import vectors_remark
from shoal.rows.images.tiff_pictures import Pages
from shoal.rows.tables.mixed import Notes
from shoal.settings import SETTINGS, available_cores
from shoal.stages.encoding import project_rows
from shoal.stages.fitted import Fitted
from shoal.stages.method_result import Found
from shoal.stages.result import Result
from shoal.stages.shards import Shards
from shoal.storage import RunFolder

_VOTERS = 10
_FEW_VOTERS = 3
_BLOCK_ROWS = 65_536
_OLDER = (
    "this run has no held-out rows, because it is from an earlier version or has too few rows: "
    "rows a quarter farther out than nearly all fitted rows are called unknown, without a stated "
    "rate"
)


@dataclass(frozen=True)
class Cut:
    """A prepared cut: cluster and share of each representative, limits of each cluster."""

    labels: NDArray[np.int32]
    shares: NDArray[np.float32]
    limits: NDArray[np.float32]
    ids: NDArray[np.int32] | None = None
    """The cluster of each of the method's own clusters, −1 for several; None without a rule."""


@dataclass(frozen=True)
class Nearest:
    """The representatives nearest to each usable row of a batch, and its scores."""

    n_rows: int  # of the batch, usable or not
    usable: NDArray[np.intp]  # (n,) numbers of the usable rows
    vectors: NDArray[np.float32]  # (n, d) projected
    representatives: NDArray[np.int32]  # (n, k) nearest first
    distance: NDArray[np.float32]  # (n, k)
    scores: NDArray[np.float32]  # (n, 2) see `Fitted.scores`


class PredictKeywords(LabelKeywords, total=False):
    """Clusters as in `labels`, and the false alarm rate of unknown rows."""

    unknown: float | None


# Deprecated since 0.2
_FORMER_NAMES = {"chosen": "prepare", "block": "predict_batch", "placed": "nearest"}


class Model:
    """Predicts with a run's encoder, projection and representatives.

    Parameters
    ----------
    run
        A finished run; its source is not needed.
    workers
        Threads; all cores by default.
    curation
        The run's edits, if they are already open.
    """

    def __init__(
        self, run: RunFolder, workers: int | None = None, curation: Curation | None = None
    ) -> None:
        self.result = Result(run)
        self.fitted = Fitted(self.result)
        self.found = Found(self.result)
        self.workers = workers or available_cores()
        self.curation = curation or Curation(self.result)
        self._cuts: dict[tuple[int, int, float], Cut] = {}

    if not TYPE_CHECKING:  # so that a misspelled name stays an error of types

        def __getattr__(self, name: str) -> Any:
            if name not in _FORMER_NAMES:
                raise AttributeError(f"Model has no attribute {name!r}")
            new = _FORMER_NAMES[name]
            warnings.warn(f"Model.{name} is now Model.{new}", DeprecationWarning, stacklevel=2)
            return getattr(self, new)

    @property
    def encoder(self) -> Encoder:
        """The encoder of the fit; see `Fitted.encoder`."""
        return self.fitted.encoder

    @cached_property
    def _shortlists(self) -> Shortlists | None:
        return shortlists_for(self.result.representatives.vectors, self.workers)

    def open(self, where: Any) -> Source:
        """Open new rows in the same way as the fitted ones.

        Parameters
        ----------
        where
            A `Source`, a path, or an array; also a single image or vector. For a table, also a data
            frame, an Arrow table or records (dictionaries); columns are matched by name.

        Raises
        ------
        InputError
            When the kind or the width of the rows differs from the fit.
        """
        summary = self.result.summary
        kind, shape = summary["kind"], tuple(summary["shape"])
        source = where if isinstance(where, Source) else self._opened(where, kind, shape)
        return as_requested(self.fitted.as_fitted(source), self.encoder.needs.wanted)

    def _opened(self, where: Any, kind: str, shape: tuple[int, ...]) -> Source:
        if kind == "table":
            return open_source(where, schema=self.result.schema)
        if isinstance(where, np.ndarray) and _is_one(where.shape, kind, shape):
            where = where[None]
        size = (shape[0], shape[1]) if kind == "images" else None
        is_array = isinstance(where, np.ndarray)
        as_: Kind | None = "images" if is_array and kind == "images" else None
        flat = as_ is not None and where.ndim == 2 and where.shape[1] == math.prod(shape)
        fitted = self.result.vector_columns
        pages: Pages = self.result.summary.get("pages") or "auto"
        source: Source = open_source(
            where,
            as_=as_,
            shape=shape if flat else None,
            image_size=size,
            fitted=fitted,
            pages=pages,
        )
        # Some files and tables hold both.
        if kind == "vectors" and source.kind == "images" and not is_array:
            with suppress(InputError):
                source = open_source(where, as_="vectors", fitted=fitted)
        stored = tuple(self.result.summary.get("row_shape") or ())
        if kind == "images" and source.kind == "vectors" and source.shape == (math.prod(stored),):
            source = open_source(where, shape=stored, image_size=size)
        return source

    def predict(
        self,
        where: Any,
        *,
        layer: int | None = None,
        k: int | None = None,
        raw: bool = False,
        unknown: float | None = None,
    ) -> Prediction:
        """Assign new rows to clusters.

        A representative votes for the cluster of most of its rows. So a cluster of rows moved one
        by one is predicted only where it has the majority of a representative's rows.

        Parameters
        ----------
        where
            See `open`.
        layer, k
            Which cut; the primary layer by default. Edits are applied as in `Run.labels`.
        raw
            Ignore edits.
        unknown
            Largest share of rows like the fitted ones that may be called unknown; by default from
            the fit's settings.

        Raises
        ------
        InputError
            As in `open`, or when there is no such cut.
        SettingError
            When `unknown` is out of range.
        """
        source = self.open(where)
        notes = self.notes(source)
        cut: PredictKeywords = {"layer": layer, "k": k, "raw": raw, "unknown": unknown}
        return joined(list(self.blocks(source, notes, **cut)), notes)

    def notes(self, source: Source) -> Notes:
        """Return the collector of remarks on new rows."""
        remarks = [] if source.kind == "table" else remarks_of(source)
        if source.kind == "vectors":
            far = vectors_remark(source, self.fitted.values)
            remarks += [far] if far else []
        return Notes(source, remarks if self.fitted.novelty else [*remarks, _OLDER])

    def blocks(
        self,
        source: Source,
        notes: Notes | None = None,
        **wanted: Unpack[PredictKeywords],
    ) -> Iterator[Prediction]:
        """Predict block by block, in order; workers compute the next blocks ahead.

        Parameters
        ----------
        source
            From `open`.
        notes
            Collects problems with the cells of a table.
        **wanted
            ``layer``, ``k``, ``raw`` and ``unknown``; see `predict`.
        """
        clusters, cut = self.prepare(**wanted)
        self.load()
        blocks = prediction_blocks(source)

        def predict_block(number: int) -> Prediction:
            batch = source.read(*blocks.bounds(number))
            if notes is not None:
                notes.add(batch)
            return replace(self.predict_batch(batch, cut), names=clusters.names)

        return prefetched(predict_block, range(len(blocks)), self.workers)

    def prepare(
        self,
        layer: int | None = None,
        k: int | None = None,
        raw: bool = False,
        unknown: float | None = None,
    ) -> tuple[Clustering, Cut]:
        """Return the chosen clusters, and the cut for `predict_batch`."""
        clusters = Clustering.chosen(self.result, None if raw else self.curation, layer, k)
        rate = self.rate if unknown is None else SETTINGS["unknown"].parse(unknown)
        return clusters, self._cut(clusters, rate)

    @property
    def rate(self) -> float:
        """False alarm rate of unknown rows, from the settings."""
        stored = self.result.folder.settings.get("unknown")
        return float(SETTINGS["unknown"].default if stored is None else stored)

    def load(self) -> None:
        """Load everything that workers share."""
        self.encoder.setup()
        _ = self.fitted.projection, self.fitted.novelty, self._shortlists

    def predict_batch(self, batch: Batch, cut: Cut) -> Prediction:
        """Predict some rows, without cluster names; call `load` first."""
        nearest = self.nearest(batch)
        n, at, near = nearest.n_rows, nearest.usable, nearest.representatives
        cluster, unknown = np.full(n, -1, np.int32), np.zeros(n, np.bool_)
        confidence = np.full(n, np.nan, np.float32)
        by_rule = None  # the clusters by the method's own rule, −1 where a vote decides
        if cut.ids is not None and (assigned := self.found.assign(nearest.vectors)) is not None:
            by_rule = cut.ids[assigned]
        votes = cut.labels[near], cut.shares[near], nearest.distance, by_rule
        cluster[at], confidence[at] = vote(*votes)
        unknown[at] = (nearest.scores > cut.limits[cluster[at]]).any(axis=1)
        return Prediction(cluster, confidence, unknown)

    def nearest(self, batch: Batch) -> Nearest:
        """Find the representatives nearest to some rows; call `load` first."""
        projected, good, left = project_rows(self.encoder, self.fitted.projection, batch)
        n, at = len(good), np.flatnonzero(good)
        if len(at) < n:
            projected, left = projected[at], left[at]
        vectors = self.result.representatives.vectors
        all_rows = self.result.fitted_rows_are_representatives
        voters = min(_VOTERS if all_rows else _FEW_VOTERS, len(vectors))
        seen = rounded(projected) if self.result.packed else projected
        near, distance = nearest_of(seen, vectors, voters, shortlists=self._shortlists)
        return Nearest(n, at, seen, near, distance, self.fitted.scores(near, distance, left))

    def _cut(self, clusters: Clustering, rate: float) -> Cut:
        key = clusters.cut, clusters.seq, rate
        if key not in self._cuts:
            labels = clusters.of_representative
            limits = self.fitted.score_limits(labels, rate)
            ids = self.found.ids(labels, clusters.cut)
            self._cuts[key] = Cut(labels, self.result.affinity_shares(labels), limits, ids)
        return self._cuts[key]


def prediction_blocks(source: Source) -> Shards:
    """Return the ranges of rows to predict at a time."""
    shards = Shards.of(source)
    return replace(shards, size=min(shards.size, _BLOCK_ROWS))


def _is_one(given: tuple[int, ...], kind: str, shape: tuple[int, ...]) -> bool:
    """Return whether an array is a single row, by its shape and that of a fitted row.

    >>> _is_one((28, 28), "images", (28, 28, 1)), _is_one((5, 784), "images", (28, 28, 1))
    (True, False)
    >>> _is_one((300, 400, 3), "images", (64, 64, 3)), _is_one((9,), "vectors", (9,))
    (True, True)
    """
    if kind != "images":
        return given == shape
    if len(given) == 2:
        return given[1] != math.prod(shape) or given == shape[:2]
    return len(given) == 3 and given[2] == shape[2]
