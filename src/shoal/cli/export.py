"""``shoal export``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    place,
)
from shoal.cli.output import command, print_json, remark, say
from shoal.cli.runs import cut, open_run
from shoal.core.plural import plural
from shoal.errors import InputError, RunError

if TYPE_CHECKING:
    from shoal.api import Run
    from shoal.export import Outcome

_FORMS = ("folders", "csv", "parquet", "html")
_MOST_LEFT = 10


def export(
    run: RunArgument,
    to: Annotated[
        Path,
        typer.Option("--to", parser=place, metavar="DIR", help="Where to.", show_default=False),
    ],
    as_: Annotated[str, typer.Option("--as", metavar="|".join(_FORMS), help="In which form.")],
    layer: LayerOption = None,
    k: KOption = None,
    raw: RawOption = False,
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
    changed: Annotated[
        bool,
        typer.Option(
            "--changed",
            help="Take files, too, whose size or time is another than when they were fitted.",
        ),
    ] = False,
    force: ForceOption = False,
    quoted: QuoteOption = False,
    quiet: QuietOption = False,
    json: JsonOption = False,
) -> None:
    """Write folders of images, a table, or an HTML report of the clusters as edited."""
    if as_ not in _FORMS:
        raise InputError(f"--as {as_}: give one of {', '.join(_FORMS)}")
    check_quotes(quoted, as_ == "csv")
    if as_ == "folders":
        facts = _folders(run, to, _Asked(layer, k, raw, changed), mode, undo, quiet or json)
    elif undo:
        raise InputError(f"--undo goes with --as folders, not with --as {as_}")
    else:
        facts = _file(run, to, as_, _Asked(layer, k, raw, changed), force, quoted)
    if json:
        print_json(facts)
    else:
        say(facts["said"])
        if as_ == "folders" and not undo:
            again = command("shoal", "export", run, "--to", to, "--as", "folders", "--undo")
            say(f"Undo it with: {again}")


@dataclass(frozen=True)
class _Asked:
    """Which clusters were asked for."""

    layer: int | None
    k: int | None
    raw: bool
    changed: bool

    def of(self, run: Run) -> dict[str, Any]:
        """Give them as a run takes them."""
        return {**cut(run, self.layer, self.k), "raw": self.raw}


def _file(
    run: Path, to: Path, as_: str, asked: _Asked, force: bool, quoted: bool
) -> dict[str, Any]:
    """Write one file; `to` may be its name or its folder."""
    from shoal.export import write_labels, write_report

    opened = open_run(run)
    name = "report.html" if as_ == "html" else f"labels.{as_}"
    path = to if to.suffix.lower() == f".{as_}" and not to.is_dir() else to / name
    if as_ == "html":
        write_report(opened, path, **asked.of(opened), force=force)
    else:
        tables = _beside(opened, opened.clustering(**asked.of(opened)).tables(), as_, asked.changed)
        write_labels(tables, path, rows=opened.n_rows, force=force, quoted=quoted)
    return {"file": path, "said": f"{path}: {path.stat().st_size:,} bytes"}


def _beside(run: Run, tables: Iterable[Any], as_: str, changed: bool) -> Iterable[Any]:
    """Put the rows of a table beside their labels, if they are still there."""
    from shoal.export.beside import beside
    from shoal.sources.mixed import TableSource

    if not run.is_table:
        return tables
    try:
        source = run.source
    except RunError as error:
        remark(f"{error}; labels alone are written")
        return tables
    if not changed and run.changed.any():
        remark(
            f"{source.description} has another size or time than when it was fitted; labels alone "
            "are written: fit it again, or give --changed to put its rows beside them all the same"
        )
        return tables
    typed = as_ == "parquet"
    return beside(tables, source, typed=typed) if isinstance(source, TableSource) else tables


def _folders(
    run: Path, to: Path, asked: _Asked, mode: str, back: bool, quiet: bool
) -> dict[str, Any]:
    """Lay images out by cluster, or remove them again."""
    from shoal import export as exports
    from shoal.progress import RichProgress, Silent

    if back:
        outcome = exports.undo(to)
        return _facts(to, outcome, f"{to}: {plural(outcome.done, 'file')} removed")
    opened = open_run(run)
    with RichProgress() as bars:
        progress = Silent() if quiet else bars
        progress.stage("export", opened.source.n_rows, "images")
        outcome = exports.lay_out(
            opened,
            to,
            mode=mode,  # type: ignore[arg-type]
            **asked.of(opened),
            changed=asked.changed,
            on_done=progress.advance,
        )
        progress.finish()
    before = f", {outcome.before:,} were there" if outcome.before else ""
    return _facts(to, outcome, f"{to}: {plural(outcome.done, 'image')} laid out{before}")


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
