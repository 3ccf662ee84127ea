"""Tree: the hierarchy of the representatives, and its layers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.graph import MOST_NEIGHBOURS
from shoal.core.mixtures import MOST_ROWS
from shoal.core.structure import Structure, fit_structure
from shoal.features import unreduced
from shoal.features.columns import Columns
from shoal.methods import DEFAULT, METHODS, Method, parse_assignments
from shoal.methods.base import WeightedRows
from shoal.methods.run import run_method
from shoal.methods.structure import MethodStructure, method_structure
from shoal.stages.context import Context
from shoal.stages.encoding import read_projection
from shoal.stages.growth.previous import Previous
from shoal.stages.method_result import frame_for, write_found
from shoal.stages.refine import refined
from shoal.stages.relabelling import relabel
from shoal.stages.stage import Stage
from shoal.stages.workload import GRAPH_BYTES, Need, Workload
from shoal.storage import read_json, read_npy, write_json, write_npy


def _depends_on(context: Context) -> dict[str, Any]:
    settings = context.settings
    learnt = {} if context.constraints is None else {"learnt": context.constraints.fingerprint}
    # Left out unless given, so that trees of earlier versions stay valid.
    suggested = {} if settings.k is None else {"k": settings.k}
    refine = {"refine": 1} if settings.refine else {}
    method, few = {}, {"mixtures": 1} if context.shards.n_rows <= MOST_ROWS else {}
    if settings.method != DEFAULT:
        chosen = METHODS[settings.method]
        values = chosen.resolved(parse_assignments(settings.parameters))
        method, few = {"method": {"name": chosen.name, "version": chosen.version, **values}}, {}
    return {
        **method,
        **few,
        **learnt,
        **suggested,
        **refine,
        "version": 4,
        "seed": settings.seed,
        "layers": settings.layers,
        "detail": settings.detail,
        "min_size": settings.min_size,
        "neighbours": settings.neighbours,
    }


def _work(context: Context) -> dict[str, Any]:
    folder, settings = context.stage("tree"), context.settings
    if not folder.whole("layers", "json").exists():
        own = settings.method == DEFAULT
        structure = _shoal(context) if own else _classical(context, METHODS[settings.method])
        for name, array in structure.tree.to_arrays().items():
            write_npy(folder.whole(name), array)
        for name in ("neighbours", "affinities", "distances"):
            write_npy(folder.whole(name), getattr(structure, name))
        layers = [layer.as_dict() for layer in structure.layers]
        write_json(folder.whole("layers", "json"), layers)
    context.progress.advance(context.stage("summarise").read_receipt().counts["representatives"])
    layers = read_json(folder.whole("layers", "json"))
    refined_path = folder.whole("refined", "json")
    return {
        **({"refined": read_json(refined_path)} if refined_path.exists() else {}),
        "layers_k": [layer["k"] for layer in layers],
        "clusters": next(layer["k"] for layer in layers if layer["primary"]),
    }


def _shoal(context: Context) -> Structure:
    summary, settings = context.stage("summarise"), context.settings
    vectors, weights = read_npy(summary.whole("vectors")), read_npy(summary.whole("weights"))
    constraints = (
        None if context.constraints is None else context.constraints.constraints(context.run)
    )
    structure = fit_structure(
        vectors,
        weights,
        seed=settings.seed,
        workers=settings.workers or 1,
        min_size=settings.min_size,
        neighbours=settings.neighbours,
        layers=settings.layers,
        k=settings.k,
        detail=settings.detail,
        radius=_radius(context),
        constraints=constraints,
    )
    if settings.refine:
        structure, done = relabel(context, structure, vectors, weights, constraints)
        context.progress.note(done)
        write_json(context.stage("tree").whole("refined", "json"), done)
    return structure


def _classical(context: Context, method: Method) -> MethodStructure:
    """Cluster the representatives by a classical method, and write what predictions need."""
    folder, summary, settings = context.stage("tree"), context.stage("summarise"), context.settings
    vectors = read_npy(summary.whole("vectors"))
    weights = read_npy(summary.whole("weights")).astype(np.float64)
    layers = () if isinstance(settings.layers, str) else settings.layers
    k = settings.k
    if k is None and layers and method.takes_k:
        k = layers[0]
    frame = frame_for(method, read_projection(context.run))
    rows = vectors if frame is None else frame.apply(vectors)
    found = run_method(
        method.name,
        rows,
        weights,
        seed=settings.seed,
        k=k,
        parameters=parse_assignments(settings.parameters),
        memory=settings.memory,
    )
    values = method.resolved(parse_assignments(settings.parameters))
    if values.get("passes") and not summary.whole("place").exists():
        found = refined(context, found, rows, weights, values, frame)
    structure = method_structure(
        found,
        WeightedRows(vectors, weights),
        seed=settings.seed,
        workers=settings.workers or 1,
        neighbours=settings.neighbours,
        layers=layers,
        radius=_radius(context),
    )
    write_found(folder, method.name, found, structure, frame)
    for note in found.notes:
        context.progress.note(note)
    return structure


def _radius(context: Context) -> NDArray[np.float32]:
    """Read the radius of each representative; infinite if equal table rows can be chance."""
    summary, encoder = context.stage("summarise"), unreduced(context.encoder)
    radius: NDArray[np.float32] = read_npy(summary.whole("radius"))
    rows = context.stage("project").read_receipt().counts["rows"]
    if isinstance(encoder, Columns) and encoder.equal_by_chance(rows):
        return np.full_like(radius, np.inf)
    return radius


def _extend(context: Context, previous: Previous) -> dict[str, Any]:
    return previous.link_all(context.stage("tree"))


def _need(work: Workload) -> Need:
    m, method = work.representatives, METHODS.get(work.settings.method)
    graph = m * (GRAPH_BYTES + 8 * work.components)
    pairs = 0 if method is None else graph + int(method.pair_bytes * m * m)
    return Need(graph, disk=m * (16 + 12 * MOST_NEIGHBOURS), serial_peak=pairs)


STAGE = Stage(
    "tree",
    ("summarise",),
    _depends_on,
    _work,
    _extend,
    _need,
    by_rows=False,
    unchanged_by_growth=True,
)
