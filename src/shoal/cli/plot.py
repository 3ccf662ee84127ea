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
    keyword,
    option,
    optional,
    place,
    with_parameters,
)
from shoal.cli.output import print_json, remark, say
from shoal.cli.runs import open_run
from shoal.core.checked import check_word
from shoal.errors import InputError

# The options of some kinds beside layer and k; the help of each begins with these.
_OWN = (
    ("--cluster N", int, "examples: the cluster to show."),
    ("--count N", int, "examples: number of images."),
    (
        "--image auto|mean|typical",
        str,
        "centroids: the mean image, or the most typical one. [default: auto]",
    ),
    ("--leaves K", int, "dendrogram: number of leaves, 2 to 60."),
    (
        "--neighbour N",
        int,
        "k-distance, reachability: rank of the neighbour whose distance is plotted. [default: 4]",
    ),
    (
        "--projection own|tsne|umap|pca",
        str,
        "map: the explorer's own, t-SNE, UMAP, or principal components. [default: own]",
    ),
    ("--seed N", int, "map: random seed; by default that of the fit."),
    ("--truth FILE", str, "confusion: true classes, as for shoal eval. [default: labels]"),
    ("--key NAME", str, "confusion: the array or column to read."),
    (
        "--columns NAME,NAME[,NAME]",
        str,
        "scatter: two or three columns. [default: the first two numeric ones]",
    ),
)
# Former names, which are deprecated.
_FORMER = {"of": "image", "way": "projection"}
_HIDDEN = [
    keyword(name, Annotated[str | None, option(f"--{name} WORD", "", ..., hidden=True)])
    for name in _FORMER
]


@with_parameters([*(optional(*one) for one in _OWN), *_HIDDEN])
def plot(
    run: RunArgument,
    kind: str = argument(
        "KIND",
        "centroids, examples, dendrogram, silhouette, elbow, k-distance, reachability, som, "
        "confusion, map, sizes, profile, scatter or distributions.",
    ),
    out: Path = option("--out -o FILE", "Output file (.png, .svg or .pdf).", ..., parser=place),
    layer: LayerOption = None,
    k: KOption = None,
    force: ForceOption = False,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Plot a run."""
    from shoal.cli.truth import read_truth
    from shoal.export.base import refuse_existing
    from shoal.plots import KINDS, check_form, save

    for former in _FORMER.keys() & given.keys():
        remark(f"--{former} is deprecated: use --{_FORMER[former]}")
        given[_FORMER[former]] = given.pop(former)
    check_word("kind of plot", kind, tuple(KINDS))
    check_form(out)
    refuse_existing(out, force)
    for words, _, help in _OWN:
        name = words.split()[0].strip("-")
        if name in given and kind not in help.partition(":")[0].split(", "):
            raise InputError(f"--{name} does not apply to {kind}: leave it out")
    if "columns" in given:
        given["columns"] = [name.strip() for name in given["columns"].split(",")]
    opened = open_run(run)
    if kind == "confusion":
        known = read_truth(given.pop("truth", "labels"), opened.source, given.pop("key", None))
        given |= {"truth": known.classes, "names": known.names}
    ax = opened.plot.draw(kind, layer=layer, k=k, **given)
    save(ax, out)
    if json:
        print_json({"run": opened.path, "kind": kind, "out": out})
        return
    say(f"{out}: {KINDS[kind].split(' (')[0]}")
