"""``shoal export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    KOption,
    LayerOption,
    QuietOption,
    QuoteOption,
    RawOption,
    RunArgument,
    check_quotes,
    option,
    place,
)
from shoal.cli.output import command, print_json, progress_bars, remark, say
from shoal.cli.runs import open_run
from shoal.core.checked import check_word
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.api import Run
    from shoal.export import Outcome

_MOST_LEFT = 10


def export(
    run: RunArgument,
    to: Path = option("--to DIR", "Folder or file to write.", ..., parser=place),
    as_: str | None = option(
        "--as folders|coco|huggingface|label-studio|fiftyone|csv|parquet|html|atlas",
        "One folder of images per cluster, alone (folders) or with the file that another "
        "program reads (COCO, Hugging Face datasets, Label Studio, FiftyOne); a table "
        "(csv, parquet); a report (html); or "
        "the map with thumbnails for Embedding Atlas. Not needed with --undo.",
    ),
    layer: LayerOption = None,
    k: KOption = None,
    raw: RawOption = False,
    mode: str = option(
        "--mode copy|symlink|hardlink",
        "For folders: copy files, or link to them. [default: copy]",
        "copy",
    ),
    undo: bool = option("--undo", "For folders: remove an earlier export.", False),
    changed: bool = option(
        "--changed", "Include files whose size or modification time changed since the fit.", False
    ),
    force: ForceOption = False,
    quoted: QuoteOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Export the edited clusters as folders of images, a data set, a table or an HTML report."""
    from shoal.export import FILES, export_forms

    if not undo or as_ is not None:
        as_ = check_word("export format", as_, export_forms())
    check_quotes(quoted, as_ == "csv")
    if undo and as_ in FILES:
        raise InputError(f"--undo is for exports to folders, not for --as {as_}")
    if as_ is None or undo:
        facts = _undone(to)
    else:
        opened = open_run(run)
        how: dict[str, Any] = {"layer": layer, "k": k, "raw": raw, "changed": changed}
        how |= {"mode": mode, "force": force, "quoted": quoted}
        facts = _written(opened, to, as_, quiet or json, how)
    if json:
        print_json(facts)
        return
    say(facts["summary"])
    if as_ not in FILES and not undo:
        again = command("shoal", "export", run, "--to", to, "--undo")
        say(f"To undo: {again}")


def _undone(to: Path) -> dict[str, Any]:
    from shoal.export import undo

    outcome = undo(to)
    return _facts(to, outcome, f"{to}: {plural(outcome.done, 'file')} removed")


def _written(run: Run, to: Path, as_: str, quiet: bool, how: dict[str, Any]) -> dict[str, Any]:
    with progress_bars(quiet) as bars:
        found = run.export(to, as_, progress=bars, **how)
    for line in found.remarks:
        remark(line)
    done = found.outcome
    if done is None:
        text = f"{found.path}: {found.path.stat().st_size:,} bytes"
        return {"file": found.path, "summary": text}
    before = f", {done.before:,} were there" if done.before else ""
    written = "copied" if how["mode"] == "copy" else "linked"
    return _facts(to, done, f"{to}: {plural(done.done, 'image')} {written}{before}")


def _facts(to: Path, outcome: Outcome, text: str) -> dict[str, Any]:
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
        "summary": text,
    }
