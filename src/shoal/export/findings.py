"""Facts about each cluster for the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from shoal.fitted_run import FittedRun
from shoal.keywords import LabelKeywords
from shoal.stages.result import Representatives

_MEAN_ROWS = 6000


@dataclass(frozen=True)
class ClusterFacts:
    """One cluster: numbers, and rows to show."""

    cluster: int
    name: str | None
    size: int
    share: float
    outliers: int
    confidence: float
    excess: float  # of the split that separated it; NaN without one
    medoid: int  # the representative nearest to the mean
    typical: tuple[int, ...]  # the next nearest
    unsure: tuple[int, ...]  # least confident, without outliers
    outlying: tuple[int, ...]
    sample: tuple[int, ...]


@dataclass(frozen=True)
class Findings:
    """The clusters of a layer in the order of the tree, and the merges above them.

    `position` gives each row the position of its cluster in `clusters`, −1 for none.
    """

    clusters: tuple[ClusterFacts, ...]
    merges: tuple[tuple[int, int, float], ...]
    position: NDArray[np.int64]
    confidence: NDArray[np.float64]
    names: Sequence[str | None]
    edited: bool = False


def gather_findings(run: FittedRun, **cut: Unpack[LabelKeywords]) -> Findings:
    """Gather what the report shows of the clusters of `Run.labels`."""
    table, clustering = run.table(**cut), run.clustering(**cut)
    labels = np.asarray(table["cluster"].to_numpy(), np.int64)
    confidence = np.nan_to_num(np.asarray(table["confidence"].to_numpy(), np.float64))
    outlier = np.asarray(table["outlier"].to_numpy(zero_copy_only=False), bool)
    k, ids = clustering.k, np.asarray(clustering.ids, np.int64)
    position = _positions(labels, ids)
    merges = tuple(clustering.linkage())
    last_split = {leaf: excess for *pair, excess in merges for leaf in pair if leaf < k}
    order = np.argsort(position, kind="stable")
    bounds = np.searchsorted(position[order], np.arange(k + 1))
    known = max(int((position >= 0).sum()), 1)
    clusters = []
    for at in range(k):
        rows = order[bounds[at] : bounds[at + 1]]
        mine = np.flatnonzero(clustering.of_representative == ids[at])
        clusters.append(
            ClusterFacts(
                cluster=int(ids[at]),
                name=clustering.names.get(int(ids[at])),
                size=len(rows),
                share=len(rows) / known,
                outliers=int(outlier[rows].sum()),
                confidence=float(confidence[rows].mean()) if len(rows) else float("nan"),
                excess=last_split.get(at, float("nan")),
                **_rows_to_show(run.representatives, mine, rows, confidence, outlier, k),
            )
        )
    names = table["name"].to_pylist()
    return Findings(tuple(clusters), merges, position, confidence, names, clustering.edited)


def _rows_to_show(
    kept: Representatives,
    mine: NDArray[np.int64],
    rows: NDArray[np.int64],
    confidence: NDArray[np.float64],
    outlier: NDArray[np.bool_],
    k: int,
) -> dict[str, Any]:
    """Choose rows of a cluster with representatives `mine`; fewer where there are many clusters."""
    n_typical, n_unsure, n_outlying = (
        (11, 6, 6) if k <= 40 else (10, 5, 5) if k <= 120 else (6, 3, 3)
    )
    medoid, *typical = middle_rows(kept, mine, n_typical) or _ints(rows[: n_typical + 1])
    by_doubt = rows[np.argsort(confidence[rows], kind="stable")]
    return {
        "medoid": medoid,
        "typical": tuple(typical),
        "unsure": _ints(by_doubt[~outlier[by_doubt]][:n_unsure]),
        "outlying": _ints(by_doubt[outlier[by_doubt]][:n_outlying]),
        "sample": _ints(_spread(rows, min(100, max(8, _MEAN_ROWS // k)))) or (medoid,),
    }


def named_rows(found: ClusterFacts, name: Callable[[int], str]) -> str:
    """List the rows to show as HTML; `name` returns the name of a row."""
    return "".join(
        f'<section><h4>{title}</h4><p class="rows">{", ".join(map(name, rows))}</p></section>'
        for title, rows in (
            ("Medoid and typical rows", (found.medoid, *found.typical)),
            ("Unsure", found.unsure),
            ("Outliers", found.outlying),
        )
        if rows
    )


def _positions(labels: NDArray[np.int64], ids: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.argsort(ids)
    at = np.searchsorted(ids[order], labels).clip(0, len(ids) - 1)
    return np.where(ids[order][at] == labels, order[at], -1)


def middle_rows(kept: Representatives, mine: NDArray[np.int64], count: int) -> tuple[int, ...]:
    """Return the rows of the representatives nearest to the mean of a cluster, the medoid first.

    A cluster of single moved rows has none.
    """
    if not len(mine):
        return ()
    vectors = np.asarray(kept.vectors[mine], np.float64)
    mean = np.average(vectors, axis=0, weights=kept.weights[mine])
    nearest = np.argsort(((vectors - mean) ** 2).sum(1), kind="stable")[: count + 1]
    return _ints(np.asarray(kept.rows)[mine[nearest]])


def _spread(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def _ints(rows: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(row) for row in rows)
