"""``shoal plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shoal.cli.options import ForceOption, JsonOption, KOption, LayerOption, RunArgument, place
from shoal.cli.output import print_json, say
from shoal.cli.runs import cut, open_run
from shoal.errors import InputError

# The options of each kind beside layer and k; all others have none.
_OWN = {
    "centroids": ("of",),
    "examples": ("cluster", "count"),
    "dendrogram": ("leaves",),
    "k-distance": ("neighbour",),
    "map": ("way", "seed"),
    "confusion": ("truth", "key"),
    "scatter": ("columns",),
}


def plot(
    run: RunArgument,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="centroids, examples, dendrogram, silhouette, elbow, k-distance, confusion, map, "
            "sizes, profile, scatter or distributions.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            parser=place,
            metavar="FILE",
            help="The .png, .svg or .pdf file to write.",
            show_default=False,
        ),
    ],
    layer: LayerOption = None,
    k: KOption = None,
    cluster: Annotated[
        int | None,
        typer.Option("--cluster", metavar="N", help="examples: of this one.", show_default=False),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", metavar="N", help="examples: how many.", show_default=False),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            "--of",
            metavar="auto|mean|middle",
            help="centroids: the mean image, or the most typical one. [default: auto]",
            show_default=False,
        ),
    ] = None,
    leaves: Annotated[
        int | None,
        typer.Option("--leaves", metavar="K", help="dendrogram: 2 to 60.", show_default=False),
    ] = None,
    neighbour: Annotated[
        int | None,
        typer.Option(
            "--neighbour", metavar="N", help="k-distance: which. [default: 4]", show_default=False
        ),
    ] = None,
    way: Annotated[
        str | None,
        typer.Option(
            "--way",
            metavar="own|tsne|pca",
            help="map: that of the explorer, t-SNE, or components. [default: own]",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", help="map: another than the fit's.", show_default=False
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(
            "--truth",
            metavar="FILE",
            help="confusion: true classes, as for shoal eval. [default: labels]",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", metavar="NAME", help="confusion: the array or column.", show_default=False
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAME,NAME[,NAME]",
            help="scatter: two columns, or three. [default: the first two numbers]",
            show_default=False,
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """Draw a picture of a run."""
    from shoal.cli.truth import read_truth
    from shoal.export.base import refuse_existing
    from shoal.plots import KINDS, check_form, save

    if kind not in KINDS:
        raise InputError(f"{kind} is no picture: give one of {', '.join(KINDS)}")
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
        raise InputError(f"--{foreign} means nothing for {kind}: leave it out")
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
