"""The map as a table: the place of every row, and of new rows put among them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.morton import SIDE, to_places
from shoal.edits.clustering import texts_of
from shoal.explore.atlas import Atlas
from shoal.explore.prepare import home_of, prepare_leaves, prepare_map
from shoal.fitted_run import FittedRun
from shoal.model import Cut, Nearest, prediction_blocks
from shoal.progress import Progress
from shoal.rows import Source
from shoal.storage import RunFolder


@contextmanager
def drawn_atlas(run: RunFolder, progress: Progress | None) -> Iterator[Atlas]:
    """Yield a run with its map, drawn now unless it is there; not kept where it cannot be."""
    home = home_of(run)
    try:
        prepare_leaves(run, home, progress)
        prepare_map(run, home, progress)
        yield Atlas(run, home)
    finally:
        if home != run.path:
            shutil.rmtree(home, ignore_errors=True)


def map_tables(
    run: FittedRun,
    progress: Progress | None = None,
    *,
    layer: int | None = None,
    k: int | None = None,
    raw: bool = False,
) -> Iterator[Any]:
    """Yield the place of every row, shard by shard; `layer`, `k` and `raw` as in `Run.labels`.

    Yields
    ------
    pyarrow.Table
        ``row``, ``name``, ``x``, ``y`` (0 to 1, from the left and from the top; null for rows
        that are quarantined), ``cluster``, and ``cluster_name`` where people named clusters.
    """
    clustering = run.clustering(layer, k, raw)
    with drawn_atlas(clustering.result.folder, progress) as atlas:
        start = 0
        for table in clustering.tables():
            positions = atlas.positions[start : start + len(table)].astype(np.int64)
            there, start = positions >= 0, start + len(table)
            places = np.full((len(table), 2), np.nan, np.float32)
            if there.any():
                x, y = to_places(atlas.spots[positions[there]])
                places[there] = (np.stack([x, y], axis=1) + np.float32(0.5)) / np.float32(SIDE)
            yield _table(table, places)


def _table(table: Any, places: NDArray[np.float32]) -> Any:
    """Return row, name, place and cluster of a table of rows."""
    import pyarrow as pa

    axes = {axis: pa.array(places[:, at], from_pandas=True) for at, axis in enumerate("xy")}
    more = [name for name in ("cluster", "cluster_name") if name in table.column_names]
    return pa.table(
        {**{n: table[n] for n in ("row", "name")}, **axes, **{n: table[n] for n in more}}
    )


def placed_tables(run: FittedRun, rows: Source, progress: Progress | None = None) -> Iterator[Any]:
    """Yield the places of new rows on the map of a run; columns are those of `map_tables`.

    A row lies among those of its nearest representatives that are of its cluster, by the inverse
    squares of the distances. Rows placed before stay where they are.
    """
    import pyarrow as pa

    model = run.model
    clusters, cut = model.prepare()
    with drawn_atlas(clusters.result.folder, progress) as atlas:
        flat = np.empty((len(atlas.order), 2), np.float32)
        flat[atlas.order] = atlas.xy
    model.load()
    blocks = prediction_blocks(rows)
    for number in range(len(blocks)):
        start, stop = blocks.bounds(number)
        batch = rows.read(start, stop)
        cluster, nearest = model.predict_batch(batch, cut).cluster, model.nearest(batch)
        places = np.full((stop - start, 2), np.nan, np.float32)
        places[nearest.usable] = _placed(nearest, cut, cluster, flat)
        names = rows.names(start, stop)
        columns = {
            "row": np.arange(start, stop, dtype=np.int64),
            "name": pa.nulls(stop - start, pa.string()) if names is None else names,
            "cluster": cluster,
        }
        if clusters.names:
            columns["cluster_name"] = texts_of(cluster, clusters.names)
        yield _table(pa.table(columns), places)


def _placed(
    nearest: Nearest, cut: Cut, cluster: NDArray[np.int32], flat: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the mean place of the nearest representatives of the same cluster, weighted."""
    own = cut.labels[nearest.representatives] == cluster[nearest.usable, None]
    own[~own.any(axis=1), 0] = True  # a cluster that a method's own rule gave
    weight = own / np.maximum(nearest.distance.astype(np.float64), 1e-9) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    found: NDArray[np.float64] = np.einsum("nk,nkj->nj", weight, flat[nearest.representatives])
    return found
