"""Read the results of a finished run: tree, layers, assignments, cuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.checked import checked_whole
from shoal.core.layers import Layer, Layers
from shoal.core.near_codes import places_of
from shoal.core.tree import Tree
from shoal.core.verdicts import affinity_share, numbered_by_size, row_confidence, row_limits
from shoal.errors import InputError
from shoal.rows.tables.schema import Schema
from shoal.storage import (
    RunFolder,
    as_array,
    damage_errors,
    read_json,
    read_npy,
    read_table,
)

ASSIGNMENT = ("representative", "second", "margin", "distance")
"""The columns that say to which representatives a row belongs; see `places_of`."""

_SUMMARY = {
    "rows": int,
    "description": str,
    "kind": str,
    "shape": list,
    "mixed_sizes": bool,
    "named": bool,
    "shard_rows": int,
    "source": dict,
}


@dataclass(frozen=True)
class Representatives:
    """The representatives, which stand for all rows.

    Attributes
    ----------
    vectors
        (m, d) float32, in the space that was clustered.
    weights
        (m,) int64 number of rows of each.
    rows
        (m,) int64 row of the source that it is, or that is nearest to it.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        rows, numbers = self.weights.sum(), self.vectors.shape[1]
        return f"<{len(self):,} representatives of {rows:,} rows, {numbers} numbers each>"


@dataclass(frozen=True)
class Result:
    """The arrays of a finished run, each read on first use."""

    folder: RunFolder

    def __reduce__(self) -> tuple[type[Result], tuple[RunFolder]]:
        """Pickle without the arrays that were read."""
        return Result, (self.folder,)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The index's summary of the source."""
        path = self.folder.stage("index").whole("summary", "json")
        found: dict[str, Any] = read_json(path)
        with damage_errors(path):
            for name, kind in _SUMMARY.items():
                if not isinstance(found[name], kind):
                    raise TypeError(f"{name} is {found[name]!r:.80}")
        return found

    @cached_property
    def schema(self) -> Schema | None:
        """The columns of a table; None if the source is not a table."""
        folder = self.folder.stage("index")
        path = folder.whole("schema", "json")
        if self.summary["kind"] != "table":
            return None
        donors = read_npy(folder.whole("donors"))
        with damage_errors(path):
            return Schema.from_dict(read_json(path), donors)

    @cached_property
    def encoder(self) -> dict[str, Any]:
        """Name, version and settings of the encoder."""
        path = self.folder.stage("features").whole("encoder", "json")
        found: dict[str, Any] = read_json(path)
        with damage_errors(path):
            if not isinstance(found["name"], str):
                raise TypeError(f"name is {found['name']!r:.80}")
        return found

    @property
    def vector_columns(self) -> list[str] | None:
        """Column names of vectors, empty if unnamed; None for other sources."""
        names: list[str] = self.summary.get("columns", [])
        return names if self.summary["kind"] == "vectors" else None

    @property
    def n_rows(self) -> int:
        """Number of rows, including quarantined ones."""
        return int(self.summary["rows"])

    @property
    def sample_of(self) -> int | None:
        """Number of rows that this run is a sample of; None if it has all rows."""
        found: int | None = self.summary.get("sample_of")
        return found

    @cached_property
    def source_rows(self) -> NDArray[np.int64] | None:
        """Row number in the source of each row; None if they are the same."""
        path = self.folder.stage("index").whole("taken")
        return read_npy(path) if path.exists() else None

    @cached_property
    def layers(self) -> Layers:
        """The layers, coarse to fine."""
        path = self.folder.stage("tree").whole("layers", "json")
        with damage_errors(path):
            found = Layers(Layer.from_dict(layer) for layer in read_json(path))
            if sum(layer.primary for layer in found) != 1:
                raise ValueError("there must be exactly one primary layer")
        return found

    @property
    def primary(self) -> Layer:
        """The suggested layer."""
        return next(layer for layer in self.layers if layer.primary)

    @cached_property
    def tree(self) -> Tree:
        """The tree over the representatives."""
        folder = self.folder.stage("tree")
        names = ("order", "splits", "excess")
        return Tree.from_arrays({name: read_npy(folder.whole(name)) for name in names})

    @cached_property
    def representatives(self) -> Representatives:
        """The rows that stand for all others."""
        folder = self.folder.stage("summarise")
        return Representatives(
            *(read_npy(folder.whole(name)) for name in ("vectors", "weights", "rows"))
        )

    @cached_property
    def packed(self) -> bool:
        """True if projected rows are stored as one byte per number."""
        return bool(self.folder.stage("project").parts("scales"))

    @cached_property
    def rows_are_representatives(self) -> bool:
        """True if every distinct row is a representative, also those added to an earlier run."""
        return self.folder.stage("summarise").whole("place").exists()

    @cached_property
    def fitted_rows_are_representatives(self) -> bool:
        """True if every distinct fitted row is a representative."""
        return bool(self.folder.stage("summarise").read_receipt().counts["every_row"])

    @cached_property
    def representative_of_row(self) -> NDArray[np.int32]:
        """Representative of each row, −1 if quarantined, (N,) int32."""
        if self.rows_are_representatives:
            return read_npy(self.folder.stage("summarise").whole("place"))
        return self.read_column("representative")

    def read_shards(self, *names: str) -> Iterator[tuple[NDArray, ...]]:
        """Iterate over the shards, with some columns of `read_column` for their rows."""
        for number in range(self.n_shards):
            yield self.read_shard(number, *names)

    @property
    def n_shards(self) -> int:
        """Number of ranges of rows that the stages' parts are for."""
        return -(-self.n_rows // int(self.summary["shard_rows"]))

    def read_shard(self, number: int, *names: str) -> tuple[NDArray, ...]:
        """Return some columns of `read_column` for the rows of a shard.

        They are stored, or found from the codes that are stored of each row.
        """
        folder = self.folder.stage("assign")
        if not folder.has("searched", number):
            table = read_table(folder.part("rows", number, "parquet"), names)
            return tuple(as_array(table[name]) for name in names)
        columns = self._columns_by_codes(number)
        return tuple(columns[name] for name in names)

    def _columns_by_codes(self, number: int) -> dict[str, NDArray]:
        near = read_npy(self.folder.stage("project").part("near", number))
        assigned = places_of(near, self._representative_of_code, self.tree)
        columns: dict[str, NDArray] = dict(zip(ASSIGNMENT, assigned, strict=True))
        # Rows far from all codes have no representative by them; theirs were searched for.
        searched = read_npy(self.folder.stage("assign").part("searched", number))
        for name, column in columns.items():
            column[searched["row"]] = searched[name]
        first, (far, limits) = columns["representative"], self._outlier_limits
        known = np.maximum(first, 0)
        outlier = far[known] | (columns["distance"] > limits[known])
        return {**columns, "outlier": outlier & (first >= 0)}

    @cached_property
    def _representative_of_code(self) -> NDArray[np.int32]:
        return read_npy(self.folder.stage("summarise").whole("of_code"))

    @cached_property
    def _outlier_limits(self) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Whether all rows of each representative are outliers, and beyond which distance, (m,)."""
        tree, summary = self.folder.stage("tree"), self.folder.stage("summarise")
        limits = row_limits(read_npy(summary.whole("radius")), read_npy(tree.whole("neighbours")))
        return read_npy(self.folder.stage("assign").whole("far")), limits

    def read_column(self, name: str) -> NDArray:
        """Read one column of all rows: representative, second, margin, distance or outlier."""
        found, done = np.empty(0), 0
        for (block,) in self.read_shards(name):
            if not done:
                found = np.empty(self.n_rows, block.dtype)
            found[done : done + len(block)] = block
            done += len(block)
        return found[:done]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Number of rows assigned to each representative, (m,) int64."""
        counts = np.zeros(self.tree.n_leaves, np.int64)
        for (place,) in self.read_shards("representative"):
            counts += np.bincount(place[place >= 0], minlength=len(counts))
        return counts

    @cached_property
    def outliers(self) -> NDArray[np.bool_]:
        """Outlier flag of each row, (N,)."""
        return self.read_column("outlier")

    def resolve_k(self, layer: int | None, k: int | None) -> int:
        """Return the K of a layer or cut; by default of the primary layer.

        Raises
        ------
        InputError
            When both are given, or there is no such layer or cut.
        """
        if layer is not None and k is not None:
            raise InputError(f"layer {layer} and k {k} exclude each other: give one of them")
        if layer is not None:
            return self.layers[checked_whole("layer", layer, 0, len(self.layers) - 1)].k
        return self.primary.k if k is None else checked_whole("k", k, 1)

    def representative_labels(self, k: int) -> NDArray[np.int32]:
        """Return the cluster id of each representative at the cut into k, (m,) int32.

        Clusters are numbered from the largest to the smallest, except at layers that keep the ids
        of an earlier run.
        """
        labels, _ = numbered_by_size(self.tree.labels(k), self.representatives.weights)
        ids = self.kept_ids.get(str(k))
        return labels if ids is None else np.asarray(ids, np.int32)[labels]

    @cached_property
    def kept_ids(self) -> dict[str, list[int]]:
        """Ids kept from an earlier run: by K, the id of each cluster, largest first."""
        path = self.folder.stage("assign").whole("ids", "json")
        kept: dict[str, list[int]] = read_json(path) if path.exists() else {}
        with damage_errors(path):
            return {k: [int(one) for one in ids] for k, ids in kept.items()}

    def labels(self, k: int) -> NDArray[np.int32]:
        """Return the cluster id of each row, −1 for quarantined rows, (N,) int32."""
        labels = self.representative_labels(k)
        return np.append(labels, np.int32(-1))[self.representative_of_row]

    def affinity_shares(self, labels: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the share of each representative's affinities within its cluster, (m,) float32."""
        folder = self.folder.stage("tree")
        return affinity_share(
            read_npy(folder.whole("neighbours")), read_npy(folder.whole("affinities")), labels
        )

    def confidence(self, k: int) -> NDArray[np.float32]:
        """Return the confidence of each row, 0..1, NaN for quarantined rows, (N,) float32."""
        labels = self.representative_labels(k)
        shares = self.affinity_shares(labels)
        if self.rows_are_representatives:
            return np.append(shares, np.float32(np.nan))[self.representative_of_row]
        second, margin = self.read_column("second"), self.read_column("margin")
        return row_confidence(shares, labels, self.representative_of_row, second, margin)
