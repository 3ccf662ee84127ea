"""Tree: the structure of the representatives, and the layers that the data mark."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.structure import fit_structure
from shoal.features.columns import Columns
from shoal.stages.base import Context, Stage
from shoal.storage import read_json, read_npy, write_json, write_npy


def _facts(context: Context) -> dict[str, Any]:
    """Give what the tree depends on besides the representatives."""
    settings = context.settings
    learnt = {} if context.learnt is None else {"learnt": context.learnt.fingerprint}
    # Left out where it is not given, so that trees of earlier versions stay as they are.
    suggested = {} if settings.k is None else {"k": settings.k}
    return {
        **learnt,
        **suggested,
        "version": 4,
        "seed": settings.seed,
        "layers": settings.layers,
        "detail": settings.detail,
        "min_size": settings.min_size,
        "neighbours": settings.neighbours,
    }


def _work(context: Context) -> dict[str, Any]:
    """Fit the structure and write it."""
    folder, summary, settings = context.stage("tree"), context.stage("summarise"), context.settings
    if context.grown is not None:
        context.grown.take_over(folder, lambda *_: True)
        return context.grown.stage("tree").receipt.counts
    if not folder.whole("layers", "json").exists():
        structure = fit_structure(
            read_npy(summary.whole("vectors")),
            read_npy(summary.whole("weights")),
            seed=settings.seed,
            workers=settings.workers or 1,
            min_size=settings.min_size,
            neighbours=settings.neighbours,
            layers=settings.layers,
            k=settings.k,
            detail=settings.detail,
            radius=_radius(context),
            constraints=None if context.learnt is None else context.learnt.constraints(context.run),
        )
        for name, array in structure.tree.to_arrays().items():
            write_npy(folder.whole(name), array)
        for name in ("neighbours", "affinities", "distances"):
            write_npy(folder.whole(name), getattr(structure, name))
        layers = [layer.as_dict() for layer in structure.layers]
        write_json(folder.whole("layers", "json"), layers)
    context.progress.advance(context.stage("summarise").receipt.counts["representatives"])
    layers = read_json(folder.whole("layers", "json"))
    return {
        "layers": [layer["k"] for layer in layers],
        "clusters": next(layer["k"] for layer in layers if layer["primary"]),
    }


def _radius(context: Context) -> NDArray[np.float32]:
    """Read how far from each representative its rows are; equal cells of tables can be chance."""
    summary, encoder = context.stage("summarise"), context.encoder
    radius: NDArray[np.float32] = read_npy(summary.whole("radius"))
    rows = context.stage("project").receipt.counts["rows"]
    if isinstance(encoder, Columns) and encoder.equal_by_chance(rows):
        return np.full_like(radius, np.inf)
    return radius


STAGE = Stage("tree", ("summarise",), _facts, _work, by_rows=False, once=True)
