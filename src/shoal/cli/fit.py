"""``shoal fit``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shoal.cli import options as opt
from shoal.cli.added import print_drift
from shoal.cli.options import argument, engine_options, flag, option, place, with_settings
from shoal.cli.output import command, duration, print_json, print_next, progress_bars, say
from shoal.cli.runs import layer_facts, open_run, print_layers
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.api import Run

_IN_TABLE = ("stages", "seconds", "memory", "disk", "memory_bytes", "disk_bytes")


@with_settings()
def fit(
    context: typer.Context,
    source: str = argument(
        "SOURCE",
        "A folder, list, tar or zip of images; .npy, .npz, IDX, .mat, raw, Parquet, HDF5, "
        "TFRecord, CSV; or a folder or pattern of such files. With --cluster, a run.",
    ),
    out: Path | None = option(
        "--out -o RUN",
        "Run folder to write; by default the name of SOURCE plus .shoal, in the current folder.",
        parser=place,
    ),
    cluster: int | None = option(
        "ID",
        "Fit only the rows of this cluster of the run SOURCE, with features projected for "
        "them alone.",
    ),
    dry_run: bool = option("--dry-run", "Show what would be done and its cost, then stop.", False),
    accept_new: bool = option(
        "--accept-new",
        "Accept the new clusters that were proposed for added rows, as edits that can be undone.",
        False,
    ),
    explore: bool = option("--explore", "Open the explorer in a browser when done.", False),
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **given: Any,
) -> None:
    """Cluster a collection of images or vectors, or the rows of a table.

    An interrupted fit resumes when the command is run again. After a change of settings only the
    stages that depend on them run again; a finished fit is not repeated.
    """
    from shoal import api

    path = out or default_run(source, cluster)
    start: Callable[..., Run] = partial(api.fit, source)
    if cluster is not None:
        whole = open_run(place(source))
        start = partial(whole.fit_cluster, cluster)
    if dry_run:
        _plan(source if cluster is None else whole.cluster_source(cluster), path, given, json)
        return
    with progress_bars(quiet) as bars:
        run = start(path, progress=bars, engine_options=engine_options(context), **given)
    accepted = run.accept_new("shoal fit") if accept_new else None
    if json:
        print_json(
            {
                "run": run.path,
                "source": run.source.description,
                "rows": run.n_rows,
                "sample_of": run.sample_of,
                "quarantined": run.quarantine.num_rows,
                "left_out": run.info().get("left out", {}),
                "remarks": run.info().get("remarks", []),
                "layers": layer_facts(run),
                "drift": None if run.drift is None else run.drift.report,
                "accepted": accepted,
            }
        )
    else:
        print_outcome(run)
        print_drift(run, accepted)
        print_what_next(run, source, given)
    if explore:
        from shoal.cli.explore import explore_run

        explore_run(run)


def default_run(source: str, cluster: int | None = None) -> Path:
    """Name the run after its source, and the cluster of it, in the current folder.

    >>> default_run("data/mnist.npz"), default_run("photos/"), default_run("a/t10k.idx.gz")
    (PosixPath('mnist.shoal'), PosixPath('photos.shoal'), PosixPath('t10k.shoal'))
    >>> default_run("data/shard-{000..010}.tar"), default_run("data/*.tar")
    (PosixPath('shard.shoal'), PosixPath('data.shoal'))
    >>> default_run("runs/mnist.shoal", cluster=7)
    PosixPath('mnist-7.shoal')
    """
    from shoal.rows.images.listing import is_pattern, stem

    path = Path(source)
    name = path.name or path.resolve().name
    if cluster is not None:
        name = f"{name.removesuffix('.shoal')}-{cluster}"
    elif is_pattern(source):
        name = stem(source) or path.parent.resolve().name
    elif not path.is_dir():
        name = name.split(".")[0] or name
    if not name or name == "..":
        raise InputError(f"{source} does not suggest a name for the run: give one with -o")
    return Path(f"{name}.shoal")


def print_outcome(run: Run) -> None:
    """Print the layers and advice, and the unsampled and quarantined rows."""
    from shoal.core.plural import listed

    print_layers(run)
    bad = run.quarantine.num_rows
    if run.sample_of is not None:
        say(
            f"These are the groups of {run.n_rows:,} rows drawn at random: "
            f"{run.sample_of - run.n_rows:,} of {run.sample_of:,} rows were not used."
        )
    if bad:
        first = run.quarantine.slice(0, 1).to_pylist()[0]
        name, reason = first["name"] or f"row {first['row']}", first["reason"]
        see = command("shoal", "info", run.path)
        unread = f"{bad:,} of {run.n_rows:,} rows could not be read ({name}: {reason})."
        say(f"{unread} All are listed by {see}")
    lost = sum(entry.op == "skipped" for entry in run.edits.entries())
    if lost:
        see = command("shoal", "edits", "list", run.path)
        say(f"{lost:,} of the earlier edits could not be carried over; see {see}")
    gaps = run.info().get("gaps", {})
    if gaps:
        some = listed([f"{count:,} of {column}" for column, count in gaps.items()])
        say(f"Missing or unreadable cells, imputed from the most similar rows: {some}.")


def print_what_next(run: Run, source: str, given: dict[str, Any]) -> None:
    """Print commands to go on with: the explorer first; after a sample, then that for all rows."""
    name = run.path.name.removesuffix(".shoal")
    export = ("export", run.path, "--to")
    lines: dict[tuple[object, ...], str] = {
        ("explore", run.path): "inspect, correct and name clusters"
    }
    if run.sample_of is not None:
        options = [
            word
            for name, value in given.items()
            if name != "sample"
            for one in (value if isinstance(value, list) else [value])
            for word in (flag(name), one)
        ]
        lines["fit", source, "-o", run.path, *options] = "all rows"
    lines["labels", run.path, "-o", f"{name}-labels.csv"] = "the cluster of each row"
    if run.source.kind == "images":
        lines[*export, f"{name}-clusters", "--as", "folders"] = "images in folders"
    if run.is_table:
        what = "the rows with all columns and their cluster"
        lines[*export, f"{name}-rows", "--as", "csv"] = what
    if run.source.label_origin:
        lines["eval", run.path] = f"measure against the labels ({run.source.label_origin})"
    lines[*export, f"{name}-report", "--as", "html"] = "a report in one HTML file"
    print_next(lines)


def _plan(source: Any, out: Path, given: dict[str, Any], json: bool) -> None:
    from shoal import api

    facts = api.plan(source, out, **given)
    if json:
        print_json(facts)
        return
    from shoal.cli.output import print_facts, print_table
    from shoal.export.report import flat

    shown = {name: value for name, value in facts.items() if name not in _IN_TABLE}
    print_facts(flat(shown))
    say()
    lines = [
        [stage["stage"], *_taken(stage["seconds"], stage["memory_bytes"], stage["disk_bytes"])]
        for stage in facts["stages"]
    ]
    whole = _taken(facts["seconds"], facts["memory_bytes"], facts["disk_bytes"])
    names = ("stage", "time", "memory", "disk")
    print_table("Estimated cost of each stage", names, [*lines, ["total", *whole]], len(lines))
    say(
        "Dry run: nothing was written. Times are estimates from a short measurement, accurate to "
        "a factor of two."
    )


def _taken(seconds: float, memory: int, disk: int) -> list[str]:
    from shoal.rows.memory_budget import mebibytes

    return [duration(seconds), mebibytes(memory), mebibytes(disk)]
