"""Compare the clusters of a run with true classes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.contingency import Contingency, weighted_contingency
from shoal.core.metrics import score_table, simplified_silhouette
from shoal.core.record_lists import RecordList
from shoal.core.validity import dbcv, density_sample, validity
from shoal.edits import Clustering
from shoal.engines.base import Engine
from shoal.engines.local import LocalEngine
from shoal.fitted_run import FittedRun
from shoal.labelling import comparable_rows
from shoal.passes import begin_pass
from shoal.stages.result import Result
from shoal.storage import StageFolder, read_npy, write_npy


def evaluate(run: FittedRun, true: NDArray, k: int | None, engine: Engine) -> RecordList:
    """Compare every layer, or the cut into k, with the class of each row; see `Run.evaluate`."""
    known = comparable_rows(true)
    wanted = [layer.k for layer in run.layers] if k is None else [k]
    cuts = [run.clustering(k=cut, raw=True) for cut in wanted]
    if k is None and run.clustering().edited:
        cuts.append(run.clustering())
    counted = count_classes(cuts[0].result, true, known, engine)
    vectors = run.representatives.vectors
    dense = density_sample(vectors, run.counts)
    at = {layer.k: number for number, layer in enumerate(run.layers)}

    def scores(found: Clustering) -> dict[str, Any]:
        layer = None if found.edited else at.get(found.cut)
        marked = None if layer is None else run.layers[layer]
        labels = found.of_representative
        return {
            "k": found.k,
            "layer": layer,
            "primary": marked is not None and marked.primary,
            "edited": found.edited,
            **score_table(contingency_of(*counted, true, found)).as_dict(),
            "silhouette": simplified_silhouette(vectors, labels),
            **validity(vectors, labels, run.counts).as_dict(),
            "dbcv": dbcv(dense, labels),
            "stability": None if marked is None else marked.as_dict()["stability"],
        }

    return RecordList(map(scores, cuts))


@dataclass(frozen=True)
class _CountShard:
    result: Result
    folder: StageFolder

    def setup(self) -> None: ...  # nothing to load

    def __call__(self, item: int) -> None:
        true = read_npy(self.folder.part("true", item))
        write_npy(self.folder.part("pairs", item), _pairs(self.result, item, true))


def _pairs(result: Result, shard: int, true: NDArray[np.int32]) -> NDArray[np.int64]:
    (place,), known = result.read_shard(shard, "representative"), true >= 0
    pairs, rows = np.unique(
        np.stack([true[known], place[known]]).astype(np.int64), axis=1, return_counts=True
    )
    return np.concatenate([pairs, rows[None]])


def count_classes(
    result: Result, true: NDArray, known: NDArray[np.bool_], engine: Engine
) -> tuple[NDArray, NDArray[np.int64]]:
    """Count the rows of known class by class and representative.

    Engines other than threads run it as tasks, otherwise it runs in memory.

    `true`, `known`: (N,) the class of each row, and whether it has one.

    Returns
    -------
    classes
        (c,) ascending.
    pairs
        (3, p) a place in `classes`, a representative (−1: quarantined), how many rows.
    """
    size = int(result.summary["shard_rows"])
    classes, number = np.unique(true[known], return_inverse=True)
    codes = np.full(len(true), -1, np.int32)
    codes[known] = number
    shards = range(result.n_shards)
    parts = [codes[shard * size : (shard + 1) * size] for shard in shards]
    if isinstance(engine, LocalEngine):
        counted = [_pairs(result, shard, part) for shard, part in enumerate(parts)]
        return classes, np.concatenate(counted, axis=1)
    facts = {"eval": classes.tolist(), "codes": hashlib.blake2b(codes.data).hexdigest()}
    folder = begin_pass(result.folder, "eval", facts)
    for shard, part in enumerate(parts):
        write_npy(folder.part("true", shard), part)
    completed = partial(folder.numbers, "pairs")
    engine.run(
        _CountShard(result, folder),
        sorted(set(shards) - completed()),
        completed=completed,
        describe=lambda number: f"shard {number}",
    )
    pairs = np.concatenate([read_npy(folder.part("pairs", shard)) for shard in shards], axis=1)
    folder.delete()
    return classes, pairs


def contingency_of(
    classes: NDArray, pairs: NDArray[np.int64], true: NDArray, found: Clustering
) -> Contingency:
    """Return the contingency of classes and clusters from the result of `count_classes`.

    `true`: (N,) the class of each row, needed for rows moved by edits.
    """
    true_at, place, rows = pairs
    # What edits left of a representative's rows, which may not be where most of them are.
    edited = found if found.state is None else found.state
    labels = np.append(edited.of_representative, np.int32(-1))
    cluster = labels[place]
    if found.state is not None:
        moved = found.state
        at = np.searchsorted(classes, true[moved.rows]).clip(0, len(classes) - 1)
        fine = classes[at] == true[moved.rows]  # the others have no known class
        at, one = at[fine], np.ones(int(fine.sum()), np.int64)
        true_at = np.concatenate([true_at, at, at])
        cluster = np.concatenate([cluster, labels[moved.row_place[fine]], moved.row_cluster[fine]])
        rows = np.concatenate([rows, -one, one])
    return weighted_contingency(classes[true_at], cluster, rows)
