"""Compare the clusters of a run with true classes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from shoal import passes
from shoal.core.metrics import score_table, simplified_silhouette
from shoal.core.record_lists import RecordList
from shoal.core.validity import dbcv, density_sample, validity
from shoal.edits import Clustering
from shoal.engines.base import Engine
from shoal.fitted_run import FittedRun
from shoal.labelling import comparable_rows


def evaluate(run: FittedRun, true: NDArray, k: int | None, engine: Engine) -> RecordList:
    """Compare every layer, or the cut into k, with the class of each row; see `Run.evaluate`."""
    known = comparable_rows(true)
    wanted = [layer.k for layer in run.layers] if k is None else [k]
    cuts = [run.clustering(k=cut, raw=True) for cut in wanted]
    if k is None and run.clustering().edited:
        cuts.append(run.clustering())
    counted = passes.count_rows(cuts[0].result, true, known, engine)
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
            **score_table(passes.contingency_of(*counted, true, found)).as_dict(),
            "silhouette": simplified_silhouette(vectors, labels),
            **validity(vectors, labels, run.counts).as_dict(),
            "dbcv": dbcv(dense, labels),
            "stability": None if marked is None else marked.as_dict()["stability"],
        }

    return RecordList(map(scores, cuts))
