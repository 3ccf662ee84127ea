"""Requests that search for rows by an image or by words."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.nearest import nearest_of
from shoal.errors import InputError
from shoal.explore.detail import distances_to, vectors_of
from shoal.explore.explorer import Explorer
from shoal.explore.params import Params
from shoal.features import Worded
from shoal.rows.images.formats import READ, extension_of

_LEAVES = 40
_EACH = 30
_FOUND = 60
_MOST_TEXT = 300


def search(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the rows nearest to the image in the body, and the cluster it would be assigned to.

    `likeness` is the share of rows like the fitted ones that are as far out; None for a run of an
    earlier version.
    """
    if explorer.atlas.result.summary["kind"] != "images":
        raise InputError(
            "the rows are compared by numbers that a new image does not have: they cannot be "
            "searched by an image"
        )
    if not params.body:
        raise InputError("no image was sent: drop an image file on the page")
    model = explorer.run.model
    model.load()
    k = params.k(explorer)
    with tempfile.TemporaryDirectory(prefix="shoal-search-") as folder:
        ending = extension_of(params.body)
        if not ending:
            raise InputError(f"this is not an image file: give one of {READ}")
        path = Path(folder) / f"image{ending}"
        path.write_bytes(params.body)
        batch = model.open(path).read(0, 1)
    found, nearest = model.predict_batch(batch, model.prepare(k=k)[1]), model.nearest(batch)
    if not len(nearest.usable):
        raise InputError(f"the image cannot be compared: {batch.bad.get(0, 'it overflows')}")
    positions, away = _nearest(explorer, nearest.vectors)
    rows = explorer.rows_shown(positions, k)
    for row, distance in zip(rows, away.tolist(), strict=True):
        row["distance"] = round(distance, 4)
    novelty = model.fitted.novelty
    return {
        "cluster": int(found.cluster[0]),
        "confidence": round(float(found.confidence[0]), 3),
        "unknown": bool(found.unknown[0]),
        "likeness": None if novelty is None else float(novelty.likeness(nearest.scores)[0]),
        "rows": rows,
    }


def words(explorer: Explorer, params: Params) -> dict[str, Any]:
    """Return the rows that match some words best: ``{"words": "a red kite"}``."""
    text = params.json().get("words")
    if not isinstance(text, str) or not text.strip() or len(text) > _MOST_TEXT:
        raise InputError(f"words: give a text of at most {_MOST_TEXT} characters")
    encoder = explorer.run.model.encoder if explorer.knows_words else None
    if not isinstance(encoder, Worded):
        raise InputError(
            "the features of this run do not support search by words: fit it with "
            "--features open_clip:NAME"
        )
    encoder.setup()
    projection = explorer.run.model.fitted.projection
    direction = projection.direction(encoder.encode_words([text.strip()]))[0]
    positions, fits = _fitting(explorer, direction)
    rows = explorer.rows_shown(positions, params.k(explorer))
    for row, fit in zip(rows, fits.tolist(), strict=True):
        row["fit"] = round(fit, 4)
    return {"rows": rows}


def _fitting(
    explorer: Explorer, direction: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the rows farthest along a direction, among those of the farthest representatives."""
    atlas = explorer.atlas
    along = np.where(atlas.counts > 0, atlas.vectors @ direction, -np.inf)
    leaves = np.argsort(-along, kind="stable")[:_FOUND]
    positions, each = atlas.first_positions(leaves, _EACH)
    vectors = vectors_of(atlas, positions)
    fits = np.repeat(along[leaves], each) if vectors is None else vectors @ direction
    best = np.argsort(-fits, kind="stable")[:_FOUND]
    return positions[best], fits[best].astype(np.float64)


def _nearest(
    explorer: Explorer, vector: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    atlas = explorer.atlas
    leaves, away = nearest_of(vector, atlas.vectors, min(_LEAVES, len(atlas.vectors)))
    positions, each = atlas.first_positions(leaves[0], _EACH)
    measured = distances_to(atlas, positions, vector[0])
    if measured is None:
        measured = np.repeat(away[0], each).astype(np.float64)
    nearest = np.argsort(measured, kind="stable")[:_FOUND]
    return positions[nearest], measured[nearest]
