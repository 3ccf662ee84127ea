"""``shoal export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    KOption,
    LayerOption,
    QuietOption,
    RunArgument,
)
from shoal.cli.output import command, print_json, remark, say
from shoal.cli.runs import cut, open_run
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.export import Outcome

_FORMS = ("folders", "csv", "parquet", "html")
_MOST_LEFT = 10


def export(
    run: RunArgument,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where to.", show_default=False)],
    as_: Annotated[str, typer.Option("--as", metavar="|".join(_FORMS), help="In which form.")],
    layer: LayerOption = None,
    k: KOption = None,
    mode: Annotated[
        str,
        typer.Option(
            "--mode",
            metavar="copy|symlink|hardlink",
            help="For folders: what the files laid out are.",
        ),
    ] = "copy",
    undo: Annotated[
        bool, typer.Option("--undo", help="For folders: remove what the export made.")
    ] = False,
    force: ForceOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Write folders of images, a table, or an HTML report."""
    if as_ not in _FORMS:
        raise InputError(f"--as {as_}: give one of {', '.join(_FORMS)}")
    if as_ == "folders":
        facts = _folders(run, to, layer, k, mode, undo, quiet or json)
    elif undo:
        raise InputError(f"--undo goes with --as folders, not with --as {as_}")
    else:
        facts = _file(run, to, as_, layer, k, force)
    if json:
        print_json(facts)
    else:
        say(facts["said"])
        if as_ == "folders" and not undo:
            again = command("shoal", "export", run, "--to", to, "--as", "folders", "--undo")
            say(f"Undo it with: {again}")


def _file(
    run: Path, to: Path, as_: str, layer: int | None, k: int | None, force: bool
) -> dict[str, Any]:
    """Write one file; `to` may be its name or its folder."""
    from shoal.export import write_labels, write_report

    opened = open_run(run)
    asked = cut(opened, layer, k)
    name = "report.html" if as_ == "html" else f"labels.{as_}"
    path = to if to.suffix.lower() == f".{as_}" and not to.is_dir() else to / name
    if as_ == "html":
        write_report(opened, path, layer=asked.get("layer"), k=asked.get("k"), force=force)
    else:
        write_labels(opened.table(**asked), path, force=force)
    return {"file": path, "said": f"{path}: {path.stat().st_size:,} bytes"}


def _folders(
    run: Path, to: Path, layer: int | None, k: int | None, mode: str, back: bool, quiet: bool
) -> dict[str, Any]:
    """Lay images out by cluster, or remove them again."""
    from shoal import export as exports
    from shoal.progress import RichProgress, Silent

    if back:
        outcome = exports.undo(to)
        return _facts(to, outcome, f"{to}: {outcome.done:,} files removed")
    opened = open_run(run)
    asked = cut(opened, layer, k)
    with RichProgress() as bars:
        progress = Silent() if quiet else bars
        progress.stage("export", opened.source.n_rows, "images")
        outcome = exports.lay_out(
            opened,
            to,
            mode=mode,  # type: ignore[arg-type]
            layer=asked.get("layer"),
            k=asked.get("k"),
            on_done=progress.advance,
        )
        progress.finish()
    before = f", {outcome.before:,} were there" if outcome.before else ""
    return _facts(to, outcome, f"{to}: {outcome.done:,} images laid out{before}")


def _facts(to: Path, outcome: Outcome, said: str) -> dict[str, Any]:
    """Give what was done, and tell which files were left alone."""
    for name, reason in outcome.left[:_MOST_LEFT]:
        remark(f"left alone: {to / name} ({reason})")
    if len(outcome.left) > _MOST_LEFT:
        remark(f"and {len(outcome.left) - _MOST_LEFT:,} more")
    left = [{"file": name, "reason": reason} for name, reason in outcome.left]
    return {
        "folder": to,
        "done": outcome.done,
        "before": outcome.before,
        "left": left,
        "said": said,
    }
