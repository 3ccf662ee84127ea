"""Held-out rows, which show how new rows like the fitted ones would score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shoal.core.nearest import EXACT_CENTRES, nearest_of
from shoal.core.novelty import REACH, Novelty, local_scale, row_scores
from shoal.core.shortlists import Shortlists, coarse_cells, search_others
from shoal.features import Projection
from shoal.stages.context import Context
from shoal.stages.shards import Shards
from shoal.stages.vectors import read_vectors
from shoal.storage import StageFolder, read_npy, write_npy

_ROWS = 10_000  # held out, so that a rate of 1% is known to a tenth of it
_MOST = 0.1  # largest share of the rows to keep out of the choice of codes
_CHECKED = 8  # rows of a shard, including the first and the last
_SEED = 20_410  # of this draw, which is the same for every seed of a fit


def held_out_rows(shards: Shards, number: int, most: float = 1.0) -> NDArray[np.int64]:
    """Return the places of the held-out rows in a shard, ascending.

    Parameters
    ----------
    shards, number
        The shards, and the number of one of them.
    most
        Largest share of the rows. The rows of a smaller share are a subset of those of a larger
        one.
    """
    share = min(_ROWS / shards.n_rows, most)
    draw = np.random.default_rng([_SEED, number, 0]).random(shards.rows(number))
    return np.flatnonzero(draw < share)


def not_held_out(shards: Shards, number: int, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop the held-out rows, which must not take part in choosing representatives.

    Codes move towards the rows that they are chosen from, closer than to new rows.
    """
    return rows[~np.isin(rows, held_out_rows(shards, number, _MOST))]


def checked_rows(shards: Shards, number: int) -> NDArray[np.int64]:
    """Return the rows of a shard that are reread and compared when others are added, ascending."""
    start, stop = shards.bounds(number)
    drawn = np.random.default_rng(number).integers(start, stop, _CHECKED - 2)
    return np.unique(np.concatenate([[start, stop - 1], drawn]))


def calibrate(
    context: Context, projection: Projection, shortlists: Shortlists | None, folder: StageFolder
) -> None:
    """Score held-out rows as if they had not been fitted, and write their scores.

    Their nearest representatives are searched like those of new rows, which may miss some.

    Parameters
    ----------
    context
        Of a fit with a finished tree.
    projection
        The fitted one.
    shortlists
        Of the representatives, where they are made already.
    folder
        Where to write.
    """
    summary, tree = context.stage("summarise"), context.stage("tree")
    representatives, weights = (read_npy(summary.whole(name)) for name in ("vectors", "weights"))
    place, vectors, residuals = _held_out(context)
    count = int(weights.sum())
    vectors, residuals = projection.unfitted(vectors, residuals, count)
    workers = context.settings.workers or 1
    if place is not None and len(representatives) > EXACT_CENTRES:
        cells, _ = coarse_cells(representatives, 0, workers)
        neighbours, distances = search_others(
            vectors, place, representatives, cells, REACH, workers
        )
        counts = weights[neighbours]
    else:
        some = min(REACH + 1, len(representatives))
        neighbours, distances = nearest_of(
            vectors, representatives, some, workers, shortlists=shortlists
        )
        if place is None:
            place = neighbours[:, 0]
            neighbours, distances, counts = _out_of_means(neighbours, distances, weights)
        else:
            neighbours, distances, counts = _beside_itself(neighbours, distances, weights, place)
    scales = local_scale(read_npy(tree.whole("distances")))
    residuals, settled = projection.weighed(residuals), projection.is_settled(count)
    scores = row_scores(distances, counts, scales[neighbours], residuals, relative=settled)
    write_npy(folder.whole("held_out_place"), place)
    write_npy(folder.whole("held_out_scores"), scores)


def read_novelty(folder: StageFolder) -> Novelty | None:
    """Read the scores of held-out rows; None for old or tiny runs, which have none."""
    if not folder.whole("held_out_scores").exists():
        return None
    place, scores = (read_npy(folder.whole(f"held_out_{name}")) for name in ("place", "scores"))
    return Novelty(place, scores) if len(scores) else None


def _held_out(
    context: Context,
) -> tuple[NDArray[np.int32] | None, NDArray[np.float32], NDArray[np.float32]]:
    """Read held-out rows: representative, vector and projection residual of each.

    If every distinct row is a representative, copies count once; otherwise the representative is
    not known yet (None).
    """
    project, shards, summary = context.stage("project"), context.shards, context.stage("summarise")
    every_row = summary.whole("place").exists()
    rows, vectors, residuals = [], [], []
    for number in range(len(shards)):
        good = read_npy(project.part("ok", number))
        at = held_out_rows(shards, number)
        at = at[good[at]]
        residual = read_npy(project.part("residual", number))
        if not every_row:
            some = np.isin(at, held_out_rows(shards, number, _MOST))
            at, residual = at[some], residual[some]
        rows.append(at + shards.bounds(number)[0])
        vectors.append(read_vectors(project, number, at))
        residuals.append(residual)
    joined, lengths = np.concatenate(vectors), np.concatenate(residuals)
    if not every_row:
        return None, joined, lengths
    places = read_npy(summary.whole("place"))[np.concatenate(rows)]
    place, first = np.unique(places, return_index=True)
    return place, joined[first], lengths[first]


Found = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]


def _beside_itself(
    neighbours: NDArray[np.int32],
    distances: NDArray[np.float32],
    weights: NDArray[np.int64],
    place: NDArray[np.int32],
) -> Found:
    """Remove the row itself, with its copies, from its nearest representatives."""
    distances = np.where(neighbours == place[:, None], np.float32(np.inf), distances)
    return _sorted(neighbours, distances, weights[neighbours])


def _out_of_means(
    neighbours: NDArray[np.int32], distances: NDArray[np.float32], weights: NDArray[np.int64]
) -> Found:
    """Remove each row from the mean that is its nearest representative.

    Without the row, a mean of w rows is w / (w - 1) times as far from it; a representative of only
    this row disappears.
    """
    counts, moved = weights[neighbours], distances.astype(np.float64)
    own = counts[:, 0].astype(np.float64)
    moved[:, 0] = np.where(own > 1, moved[:, 0] * own / np.maximum(own - 1, 1), np.inf)
    counts[:, 0] -= 1
    return _sorted(neighbours, moved.astype(np.float32), counts)


def _sorted(
    neighbours: NDArray[np.int32], distances: NDArray[np.float32], counts: NDArray[np.int64]
) -> Found:
    """Keep the nearest ones; a representative at infinite distance has no rows."""
    order = np.argsort(distances, axis=1, kind="stable")[:, :REACH]
    far = np.take_along_axis(distances, order, axis=1)
    rows = np.where(np.isfinite(far), np.take_along_axis(counts, order, axis=1), 0)
    return (
        np.take_along_axis(neighbours, order, axis=1),
        np.where(rows > 0, far, np.float32(0)),
        rows,
    )
