"""What a finished fit stores to read, encode and score new rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shoal.core.chain import split_chain
from shoal.core.nearest import nearest_neighbours
from shoal.core.novelty import REACH, Novelty, local_scale, row_scores
from shoal.core.spec import parse_spec
from shoal.errors import InputError, RunError
from shoal.features import Encoder, Projection, choose_encoder
from shoal.rows import ImageRequest, ImageSource, Source
from shoal.rows.arrays.scale import Values, on_scale_of
from shoal.rows.images.raster import Reading
from shoal.rows.pictures import beside_vectors
from shoal.rows.tables.mixed import cells_of, make_fitted_source
from shoal.rows.tables.schema import Schema
from shoal.stages.heldout import read_novelty
from shoal.stages.learning import placed
from shoal.stages.result import Result
from shoal.storage import read_npy

USUAL = 0.95
"""Share of a cluster's own rows that are at a usual distance."""

CALIBRATED = 1_000_000
"""Maximum number of fitted rows whose distances new rows are compared with."""

_BEYOND = 0.999  # of a cluster's own rows
_SLACK = 1.25


@dataclass(frozen=True)
class _Rows:
    """The properties of the fitted rows that determine the encoder."""

    kind: str
    shape: tuple[int, ...]
    mixed_sizes: bool
    schema: Schema | None
    typical_size: tuple[int, ...]


@dataclass(frozen=True)
class Fitted:
    """A finished run, for assigning new rows; each array is read on first use."""

    result: Result

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the fit.

        Raises
        ------
        RunError
            When the encoder of that name differs in this version.
        """
        run, summary = self.result.folder, self.result.summary
        stored = self.result.encoder
        shape, schema = tuple(summary["shape"]), self.result.schema
        size = tuple(stored.get("base", stored).get("shape", shape)[:2])
        fitted = _Rows(summary["kind"], shape, summary["mixed_sizes"], schema, size)
        requested = str(run.settings.get("features"))  # only the settings have a network's file
        name = requested if parse_spec(split_chain(requested)[0]).what else stored["name"]
        encoder, _ = choose_encoder(name, fitted)
        if encoder.settings() != stored:
            raise RunError(
                f"{run.path} was fitted with other {stored['name']} features (version "
                f"{stored.get('version')}): run shoal fit again with the current ones"
            )
        return placed(encoder, run.stage("features"))

    @cached_property
    def projection(self) -> Projection:
        """The projection of the fit."""
        folder = self.result.folder.stage("features")
        names = ("mean", "matrix", "eigenvalues")
        return Projection.from_arrays({name: read_npy(folder.whole(name)) for name in names})

    @cached_property
    def residual_limit(self) -> float:
        """Largest projection residual of a row that is like the fitted ones.

        The residuals of the fitted rows themselves are smaller, by their leverage, which is
        (components + 1) / rows on average; infinite if these rows determine the projection.
        """
        rounding = 1e-4 * float(np.sqrt((self.projection.eigenvalues).sum()))
        free = 1 - (self.projection.n_components + 1) / max(self.fitted_rows, 1)
        if free <= 0:
            return float("inf")
        return max(_SLACK * float(quantile(self._residuals, _BEYOND)) / free, rounding)

    @property
    def usual_residual(self) -> float:
        """Median projection residual."""
        return float(np.median(self._residuals))

    @cached_property
    def _residuals(self) -> NDArray[np.float32]:
        """Projection residuals of the held-out rows."""
        project = self.result.folder.stage("project")
        return np.concatenate([read_npy(path) for path in project.parts("residual")])

    @cached_property
    def novelty(self) -> Novelty | None:
        """Scores of the held-out rows; None if the run has none."""
        return read_novelty(self.result.folder.stage("assign"))

    @cached_property
    def _scales(self) -> NDArray[np.float32]:
        """Local density scale of each representative, (m,)."""
        return local_scale(read_npy(self.result.folder.stage("tree").whole("distances")))

    def scores(
        self, near: NDArray[np.int32], distance: NDArray[np.float32], left: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return two novelty scores of new rows, (n, 2).

        `near`, `distance`: (n, k) nearest representatives of the rows, and their distances.
        `left`: (n,) length of each row's projection residual.
        """
        if self.novelty is None:
            return np.stack([distance[:, 0], left], axis=1)
        near, distance = near[:, :REACH], distance[:, :REACH]
        weights, left = self.result.representatives.weights[near], self.projection.weighed(left)
        settled = self.projection.is_settled(self.fitted_rows)
        return row_scores(distance, weights, self._scales[near], left, relative=settled)

    def score_limits(self, labels: NDArray[np.int32], rate: float) -> NDArray[np.float32]:
        """Return the scores above which a row is unknown, for each cluster, (clusters, 2).

        `labels`: (m,) cluster of each representative.
        `rate`: share of rows like the fitted ones that may exceed the limits. Without held-out
        rows, the limits are a quarter beyond nearly all fitted rows, whatever the rate.
        """
        if self.novelty is not None:
            return self.novelty.limits(labels, rate)
        away = self.limits(labels)
        return np.stack([away, np.full(len(away), self.residual_limit, np.float32)], axis=1)

    @property
    def fitted_rows(self) -> int:
        """Number of usable rows that the representatives stand for."""
        return int(self.result.representatives.weights.sum())

    @cached_property
    def own(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Representatives of up to a million fitted rows, and the rows' distances to them.

        The distances are as if the rows had not been fitted; see `unfitted_distance`. If every
        distinct row is a representative, they are the distances to the nearest other one.
        """
        result, folder = self.result, self.result.folder.stage("summarise")
        if folder.whole("own_place").exists():
            return read_npy(folder.whole("own_place")), read_npy(folder.whole("own_distance"))
        if result.fitted_rows_are_representatives:
            return np.arange(len(self.apart), dtype=np.int32), self.apart
        step, count = -(-result.n_rows // CALIBRATED), 0
        places, distances = [], []
        for place, distance, margin in result.read_shards("representative", "distance", "margin"):
            known = np.flatnonzero(place >= 0)
            taken = known[-count % step :: step]
            places.append(place[taken])
            distances.append(self.unfitted(place[taken], distance[taken], margin[taken]))
            count += len(known)
        return np.concatenate(places), np.concatenate(distances)

    @cached_property
    def apart(self) -> NDArray[np.float32]:
        """The distance of each representative to the nearest other one, (m,)."""
        tree = self.result.folder.stage("tree")
        own = read_npy(tree.whole("neighbours"))[:, 0] == np.arange(self.result.tree.n_leaves)
        if own.any():  # piles come first among their own neighbours
            return nearest_neighbours(self.result.representatives.vectors, 1)[1][:, 0]
        return read_npy(tree.whole("distances"))[:, 0]

    def unfitted(
        self, place: NDArray[np.int32], distance: NDArray[np.float32], margin: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """Return the distances of fitted rows as if they were new; see `unfitted_distance`."""
        if self.result.fitted_rows_are_representatives:
            # At a distance of 0, unless the row was added later.
            return np.where(distance > 0, distance, self.apart[place])
        weights = self.result.representatives.weights
        return unfitted_distance(distance, margin, weights[place], self.apart[place])

    def limits(self, labels: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the distance above which a row is unlike each cluster, (clusters,).

        `labels`: (m,) cluster of each representative.
        """
        place, distance = self.own
        return cluster_limits(labels[place], distance, int(labels.max()) + 1)

    def usual(self, labels: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the 95% quantile of the distances in each cluster; see `limits`."""
        place, distance = self.own
        return cluster_limits(labels[place], distance, int(labels.max()) + 1, USUAL, 1.0)

    def as_fitted(self, source: Source) -> Source:
        """Return a source that reads new rows in the same way as the fitted ones.

        Raises
        ------
        InputError
            When the kind or the width of the rows differs from the fit.
        """
        summary = self.result.summary
        kind, shape = summary["kind"], tuple(summary["shape"])
        pictures = beside_vectors(source)
        if pictures is not None and kind == "images":
            return self.as_fitted(pictures)
        cells = cells_of(source)
        if cells is not None and self.result.schema is not None:
            label = getattr(source, "label", "the new rows")
            return make_fitted_source(cells, label, self.result.schema)
        if (source.kind == "images") != (kind == "images") or "table" in (kind, source.kind):
            raise InputError(f"{source.description}, but the run was fitted to {kind}")
        array, files = source.as_array(), source.as_files()
        if array is not None and array.rule:
            source = on_scale_of(array, summary["rule"] or summary.get("reading"), self.values)
        if summary.get("reading") and files is not None:
            source = files.read_as(Reading.from_dict(summary["reading"]))
        if self.encoder.needs.wanted is None and source.shape != shape:
            source = _in_shape(source, shape)
        return source

    @property
    def values(self) -> Values | None:
        """Value range of the fitted numbers; None for image files and for older runs."""
        found = self.result.summary.get("values")
        return None if found is None else Values(**found)


def cluster_limits(
    labels: NDArray,
    distance: NDArray,
    count: int,
    share: float = _BEYOND,
    slack: float = _SLACK,
) -> NDArray[np.float32]:
    """Return the distance above which a row is unlike each cluster, (count,) float32.

    It is 1.25 times the 99.9% quantile of the distances of the cluster's own rows, and at least
    1.25 times the median of all rows, for clusters of duplicates or of few rows.
    """
    least = float(np.median(distance)) if len(distance) else 0.0
    limits = np.full(count, least)
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], np.arange(count + 1))
    for cluster in range(count):
        own = distance[order[bounds[cluster] : bounds[cluster + 1]]]
        if len(own):
            limits[cluster] = max(least, float(quantile(own, share)))
    return (slack * limits).astype(np.float32)


def quantile(values: NDArray, share: float) -> float:
    """Return the value that a new one stays below with probability `share`, or the maximum.

    Of n + 1 exchangeable values, the last is among the k smallest with probability k / (n + 1),
    whatever their distribution.

    >>> quantile(np.arange(1, 100), 0.95), quantile(np.arange(3), 0.95)
    (95.0, 2.0)
    """
    place = min(len(values), max(1, int(np.ceil(share * (len(values) + 1))))) - 1
    return float(np.partition(values, place)[place])


def unfitted_distance(
    distance: NDArray[np.float32],
    margin: NDArray[np.uint8],
    weight: NDArray[np.int64],
    apart: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the distance of a row to its representative as if the row were not part of it.

    Removing a row from a mean of w rows increases its distance to the mean by w / (w - 1). The row
    may then be nearer to the second representative.

    Parameters
    ----------
    distance, margin
        (n,) distance to the representative, and 255 · (1 - distance / distance to the second one).
    weight, apart
        (n,) rows of the representative, and its distance to the nearest other one.

    Examples
    --------
    >>> one = np.ones(3, np.float32)
    >>> margin, weight = np.array([128, 128, 250], np.uint8), np.array([5, 2, 2])
    >>> unfitted_distance(one, margin, weight, 3 * one).round(2).tolist()
    [1.25, 2.0, 2.0]
    """
    tiny = np.float32(np.finfo(np.float32).tiny)
    second = distance / np.maximum(1 - margin / np.float32(255), tiny)
    moved = distance * (weight / np.maximum(weight - 1, 1)).astype(np.float32)
    found = np.where(weight > 1, np.minimum(moved, np.maximum(second, distance)), apart)
    return found.astype(np.float32)


def _in_shape(source: Source, shape: tuple[int, ...]) -> Source:
    """Return the source with its images read in another shape."""
    if source.kind == "images" and len(shape) == 3:
        array = source.as_array()
        if array is not None and array.rule:
            scaled = replace(array.rule, shape=(*shape[:2], array.rule.shape[2]))
            source = replace(array, rule=scaled)
        elif isinstance(source, ImageSource):
            source = source.with_request(ImageRequest((shape[0], shape[1]), channels=shape[2]))
        if source.shape == shape:
            return source
    raise InputError(
        f"rows of shape {'×'.join(map(str, source.shape))}, but the run was fitted to "
        f"{'×'.join(map(str, shape))}"
    )
