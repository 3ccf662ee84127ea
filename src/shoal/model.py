"""Predict: the clusters of new rows, without the rows that were fitted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.nearest import nearest_of, shortlists_for
from shoal.core.packing import pack, unpack
from shoal.core.shortlists import Shortlists
from shoal.core.spec import parse_spec
from shoal.edits import Clustering, Curation
from shoal.engines.ahead import made_ahead
from shoal.errors import InputError, RunError
from shoal.features import Encoder, Projection, choose_encoder
from shoal.settings import available_cores
from shoal.sources import Batch, ImageSource, Kind, Source, Wanted, as_wanted, open_source
from shoal.sources.arrays import ArraySource
from shoal.sources.mixed import Notes, TableSource, make_fitted_source
from shoal.sources.schema import Schema
from shoal.stages.base import Shards
from shoal.stages.features import encode_good
from shoal.stages.project import residual
from shoal.stages.result import Result
from shoal.storage import RunFolder, read_json, read_npy

_VOTERS = 10
_FEW_VOTERS = 3
_BEYOND = 0.999  # of a cluster's own rows
_SLACK = 1.25
_CALIBRATED = 1_000_000
_BLOCK_ROWS = 32_768
_COLUMNS = ("cluster", "confidence", "unknown")


@dataclass(frozen=True)
class Prediction:
    """Clusters of new rows.

    Attributes
    ----------
    cluster
        (n,) int32 cluster id, −1 for rows that could not be read.
    confidence
        (n,) float32, 0..1, NaN for those.
    unknown
        (n,) bool: farther from the cluster than nearly all of its own rows were, or with more
        that the fitted rows' projection cannot show than nearly all of them had.
    names
        Names that people gave to clusters, by id.
    remarks
        Sentences on how the new rows differ from those fitted: columns that are missing, cells
        that had to be filled.
    """

    cluster: NDArray[np.int32]
    confidence: NDArray[np.float32]
    unknown: NDArray[np.bool_]
    names: Mapping[int, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.cluster)


@dataclass(frozen=True)
class _Fitted:
    """What the choice of an encoder looks at, of the rows that were fitted."""

    kind: str
    shape: tuple[int, ...]
    mixed_sizes: bool
    schema: Schema | None


@dataclass(frozen=True)
class _Cut:
    """A cut, made ready: cluster and share of each representative, limit of each cluster."""

    labels: NDArray[np.int32]
    shares: NDArray[np.float32]
    limits: NDArray[np.float32]


class Model:
    """Predicts by a run's encoder, projection and representatives.

    Parameters
    ----------
    run
        A finished run; its source is not needed.
    workers
        Threads; all cores by default.
    curation
        The run's edits, where they are open already.
    """

    def __init__(
        self, run: RunFolder, workers: int | None = None, curation: Curation | None = None
    ) -> None:
        self.result = Result(run)
        self.workers = workers or available_cores()
        self.curation = curation or Curation(self.result)
        self._cuts: dict[tuple[int, int], _Cut] = {}

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the fit.

        Raises
        ------
        RunError
            When this version's encoder of that name is another one.
        """
        run, summary = self.result.run, self.result.summary
        stored = read_json(run.stage("features").whole("encoder", "json"))
        shape, schema = tuple(summary["shape"]), self.result.schema
        fitted = _Fitted(summary["kind"], shape, summary["mixed_sizes"], schema)
        asked = str(run.settings.get("features"))  # a network's file stands only here
        name = asked if parse_spec(asked).what else stored["name"]
        encoder, _ = choose_encoder(name, fitted)
        if encoder.settings() != stored:
            raise RunError(
                f"{run.path} was fitted with other {stored['name']} features (version "
                f"{stored.get('version')}): run shoal fit again with what is there now"
            )
        return encoder

    @cached_property
    def projection(self) -> Projection:
        """The projection of the fit."""
        folder = self.result.run.stage("features")
        names = ("mean", "matrix", "eigenvalues")
        return Projection.from_arrays({name: read_npy(folder.whole(name)) for name in names})

    @cached_property
    def _shortlists(self) -> Shortlists | None:
        """The representatives, grouped for the search."""
        return shortlists_for(self.result.representatives.vectors, self.workers)

    @cached_property
    def _residual_limit(self) -> float:
        """How much the projection may leave out of a row that is like those fitted."""
        parts = self.result.run.stage("project").parts("residual")
        left = np.concatenate([read_npy(path) for path in parts])
        rounding = 1e-4 * float(np.sqrt((self.projection.eigenvalues).sum()))
        return max(_SLACK * float(np.quantile(left, _BEYOND)), rounding)

    def open(self, where: Any) -> Source:
        """Open new rows in the way in which those of the fit were read.

        Parameters
        ----------
        where
            A `Source`, a path, or an array; one image or vector is taken too. For a table, also a
            data frame, an Arrow table or records (dictionaries); its columns are found by name.

        Raises
        ------
        InputError
            When they are not of the kind or the width that was fitted.
        """
        summary = self.result.summary
        kind, shape = summary["kind"], tuple(summary["shape"])
        source = where if isinstance(where, Source) else self._opened(where, kind, shape)
        if isinstance(source, TableSource) and self.result.schema is not None:
            return make_fitted_source(source.table, source.label, self.result.schema)
        if (source.kind == "images") != (kind == "images") or "table" in (kind, source.kind):
            raise InputError(f"{source.description}, but the run was fitted to {kind}")
        wanted = self.encoder.needs.wanted
        if wanted is not None:
            source = as_wanted(source, wanted)
        elif source.shape != shape:
            source = _in_shape(source, shape)
        rule = summary["rule"]
        if rule and isinstance(source, ArraySource) and source.rule:
            source = replace(source, rule=replace(source.rule, **rule))
        return source

    def _opened(self, where: Any, kind: str, shape: tuple[int, ...]) -> Source:
        """Open what is no source yet."""
        if kind == "table":
            table: Source = open_source(where, schema=self.result.schema)
            return table
        if isinstance(where, np.ndarray) and _is_one(where.shape, kind, shape):
            where = where[None]
        size = (shape[0], shape[1]) if kind == "images" else None
        as_: Kind | None = None
        given = None
        if isinstance(where, np.ndarray) and kind == "images":
            as_ = "images"
            if where.ndim == 2 and where.shape[1] == int(np.prod(shape)):
                given = shape
        source: Source = open_source(where, as_=as_, shape=given, image_size=size)
        return source

    def predict(
        self, where: Any, *, layer: int | None = None, k: int | None = None, raw: bool = False
    ) -> Prediction:
        """Give new rows their clusters.

        A representative votes for the cluster that most of its rows are in. So a cluster of rows
        that were moved one by one is predicted only where it has most rows of a representative.

        Parameters
        ----------
        where
            See `open`.
        layer, k
            Which cut; the primary layer by default. Edits are in it as in `Run.labels`.
        raw
            Leave the edits out.

        Raises
        ------
        InputError
            See `open`; or there is no such cut.
        """
        source = self.open(where)
        notes = Notes(source)
        found = list(self.blocks(source, layer=layer, k=k, raw=raw, notes=notes))
        columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in _COLUMNS}
        return Prediction(**columns, names=found[0].names, remarks=notes.said)

    def blocks(
        self,
        source: Source,
        *,
        layer: int | None = None,
        k: int | None = None,
        raw: bool = False,
        notes: Notes | None = None,
    ) -> Iterator[Prediction]:
        """Predict block by block, in order: all workers make ahead what will be taken next.

        Parameters
        ----------
        source
            From `open`.
        layer, k, raw
            See `predict`.
        notes
            Counts what is amiss with the cells of a table.
        """
        clusters = Clustering.chosen(self.result, None if raw else self.curation, layer, k)
        cut = self._cut(clusters)
        self.encoder.setup()
        _ = self.projection, self._shortlists, self._residual_limit  # each made once, not a worker
        shards = Shards.of(source)
        shards = replace(shards, size=min(shards.size, _BLOCK_ROWS))

        def block(number: int) -> Prediction:
            batch = source.read(*shards.bounds(number))
            if notes is not None:
                notes.add(batch)
            return Prediction(*self._block(batch, cut), clusters.names)

        return made_ahead(block, range(len(shards)), self.workers)

    def _block(
        self, batch: Batch, cut: _Cut
    ) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.bool_]]:
        """Predict one range of rows."""
        features, good = encode_good(self.encoder, batch.data, batch.bad)
        n, at = len(good), np.flatnonzero(good)
        cluster, unknown = np.full(n, -1, np.int32), np.zeros(n, np.bool_)
        confidence = np.full(n, np.nan, np.float32)
        used = features if len(at) == n else features[at]
        vectors = self.result.representatives.vectors
        voters = min(_VOTERS if self.result.every_row else _FEW_VOTERS, len(vectors))
        projected = self.projection.apply(used)
        seen = unpack(*pack(projected)) if self.result.packed else projected
        near, distance = nearest_of(seen, vectors, voters, shortlists=self._shortlists)
        cluster[at], confidence[at] = vote(cut.labels[near], cut.shares[near], distance)
        unknown[at] = distance[:, 0] > cut.limits[cluster[at]]
        unknown[at] |= residual(self.projection, used, projected) > self._residual_limit
        return cluster, confidence, unknown

    def _cut(self, clusters: Clustering) -> _Cut:
        """Make clusters ready, once."""
        key = clusters.cut, clusters.seq
        if key not in self._cuts:
            labels = clusters.of_representative
            limits = cluster_limits(*self._own_distances(labels), int(labels.max()) + 1)
            self._cuts[key] = _Cut(labels, self.result.shares(labels), limits)
        return self._cuts[key]

    def _own_distances(self, labels: NDArray[np.int32]) -> tuple[NDArray, NDArray]:
        """Cluster of fitted rows, and their distances to another row or to a representative."""
        result = self.result
        if result.every_row:
            return labels, read_npy(result.run.stage("tree").whole("distances"))[:, 0]
        step, seen = -(-result.n_rows // _CALIBRATED), 0
        clusters, distances = [], []
        for place, distance in result.blocks("representative", "distance"):
            known = np.flatnonzero(place >= 0)
            taken = known[-seen % step :: step]
            clusters.append(labels[place[taken]])
            distances.append(distance[taken])
            seen += len(known)
        return np.concatenate(clusters), np.concatenate(distances)


def vote(
    labels: NDArray[np.int32], shares: NDArray[np.float32], distance: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Let near representatives vote, each by one over its squared distance.

    Parameters
    ----------
    labels, shares, distance : ndarray, shape (n, k)
        Cluster, share (`held_share`) and distance of each row's voters, nearest first.

    Returns
    -------
    cluster : ndarray, shape (n,), int32
        The one with most votes, the nearest of equals.
    confidence : ndarray, shape (n,), float32
        Its part of the votes, each voter counted by its own share.
    """
    nearest = distance[:, :1].astype(np.float64)
    floor = np.maximum(nearest * 1e-3, np.finfo(np.float32).tiny)
    votes = (floor / np.maximum(distance, floor)) ** 2
    same = labels[:, :, None] == labels[:, None, :]
    for_each = (same * votes[:, None, :]).sum(axis=2)
    best = for_each.argmax(axis=1)
    rows = np.arange(len(labels))
    sure = (same[rows, best] * votes * shares).sum(axis=1) / votes.sum(axis=1)
    return labels[rows, best], sure.astype(np.float32)


def cluster_limits(labels: NDArray, distance: NDArray, count: int) -> NDArray[np.float32]:
    """Distance from which a row is unlike a cluster, (count,) float32.

    A quarter beyond 99.9 % of the distances of the cluster's own rows; at least a quarter
    beyond the median of all rows, for clusters of duplicates or of few rows.
    """
    least = float(np.median(distance)) if len(distance) else 0.0
    limits = np.full(count, least)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(count + 1))
    for cluster in range(count):
        own = distance[order[bounds[cluster] : bounds[cluster + 1]]]
        if len(own):
            limits[cluster] = max(least, float(np.quantile(own, _BEYOND)))
    return (_SLACK * limits).astype(np.float32)


def _is_one(given: tuple[int, ...], kind: str, shape: tuple[int, ...]) -> bool:
    """Tell one row from several, by the shape of an array and of one row as fitted.

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


def _in_shape(source: Source, shape: tuple[int, ...]) -> Source:
    """Have a source read its images in another shape, or say that it cannot."""
    if source.kind == "images" and len(shape) == 3:
        if isinstance(source, ArraySource) and source.rule:
            scaled = replace(source.rule, shape=(*shape[:2], source.rule.shape[2]))
            source = replace(source, rule=scaled)
        elif isinstance(source, ImageSource):
            source = source.wanting(Wanted((shape[0], shape[1]), channels=shape[2]))
        if source.shape == shape:
            return source
    raise InputError(
        f"rows of shape {'×'.join(map(str, source.shape))}, but the run was fitted to "
        f"{'×'.join(map(str, shape))}"
    )
