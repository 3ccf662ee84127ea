"""``shoal plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    KOption,
    LayerOption,
    RunArgument,
    argument,
    option,
    place,
)
from shoal.cli.output import print_json, say
from shoal.cli.runs import cut, open_run
from shoal.errors import InputError

# The options of each kind beside layer and k; all others have none.
_OWN = {
    "centroids": ("of",),
    "examples": ("cluster", "count"),
    "dendrogram": ("leaves",),
    "k-distance": ("neighbour",),
    "reachability": ("neighbour",),
    "map": ("way", "seed"),
    "confusion": ("truth", "key"),
    "scatter": ("columns",),
}


def plot(
    run: RunArgument,
    kind: Annotated[
        str,
        argument(
            "KIND",
            "centroids, examples, dendrogram, silhouette, elbow, k-distance, reachability, som, "
            "confusion, map, sizes, profile, scatter or distributions.",
        ),
    ],
    out: Annotated[
        Path, option("--out -o FILE", "Output file (.png, .svg or .pdf).", parser=place)
    ],
    layer: LayerOption = None,
    k: KOption = None,
    cluster: Annotated[int | None, option("--cluster N", "examples: the cluster to show.")] = None,
    count: Annotated[int | None, option("--count N", "examples: number of images.")] = None,
    of: Annotated[
        str | None,
        option(
            "--of auto|mean|middle",
            "centroids: the mean image, or the most typical one. [default: auto]",
        ),
    ] = None,
    leaves: Annotated[
        int | None, option("--leaves K", "dendrogram: number of leaves, 2 to 60.")
    ] = None,
    neighbour: Annotated[
        int | None,
        option("--neighbour N", "k-distance, reachability: which neighbour. [default: 4]"),
    ] = None,
    way: Annotated[
        str | None,
        option(
            "--way own|tsne|umap|pca",
            "map: the explorer's own, t-SNE, UMAP, or principal components. [default: own]",
        ),
    ] = None,
    seed: Annotated[
        int | None, option("--seed N", "map: random seed; by default that of the fit.")
    ] = None,
    truth: Annotated[
        str | None,
        option("--truth FILE", "confusion: true classes, as for shoal eval. [default: labels]"),
    ] = None,
    key: Annotated[
        str | None, option("--key NAME", "confusion: the array or column to read.")
    ] = None,
    columns: Annotated[
        str | None,
        option(
            "--columns NAME,NAME[,NAME]",
            "scatter: two or three columns. [default: the first two numeric ones]",
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Plot a run."""
    from shoal.cli.truth import read_truth
    from shoal.export.base import refuse_existing
    from shoal.plots import KINDS, check_form, save

    if kind not in KINDS:
        raise InputError(f"{kind} is not a kind of plot: give one of {', '.join(KINDS)}")
    check_form(out)
    refuse_existing(out, force)
    given = {
        "cluster": cluster,
        "count": count,
        "of": of,
        "leaves": leaves,
        "neighbour": neighbour,
        "way": way,
        "seed": seed,
        "truth": truth,
        "key": key,
        "columns": None if columns is None else [name.strip() for name in columns.split(",")],
    }
    options: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    foreign = next((name for name in options if name not in _OWN.get(kind, ())), None)
    if foreign is not None:
        raise InputError(f"--{foreign} does not apply to {kind}: leave it out")
    opened = open_run(run)
    if kind == "confusion":
        known = read_truth(options.pop("truth", "labels"), opened.source, options.pop("key", None))
        options |= {"truth": known.classes, "names": known.names}
    ax = opened.plot.draw(kind, **options, **cut(opened, layer, k))
    save(ax, out)
    if json:
        print_json({"run": opened.path, "kind": kind, "out": out})
        return
    say(f"{out}: {KINDS[kind].split(' (')[0]}")
