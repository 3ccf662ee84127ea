"""All commands, and the handling of errors."""

from __future__ import annotations

import os
import sys
import traceback
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from shoal.cli import (
    choose_k,
    compare,
    demo,
    duplicates,
    edits,
    encoder,
    evaluate,
    explore,
    export,
    fit,
    info,
    label,
    labels,
    layers,
    make_tiles,
    map,
    mcp,
    methods,
    palette,
    plot,
    predict,
    quality,
    version,
)
from shoal.cli.options import EngineCommand, WholeHelp
from shoal.cli.runs import find_damage, opened
from shoal.errors import ShoalError

INTERRUPTED = 130
BAD_INPUT = 2
OUR_FAULT = 1


class Commands(WholeHelp):
    """Exits with 0 for success, 2 for bad input, 1 for an internal error, 130 if interrupted."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command; an error becomes one sentence on the error stream."""
        opened.clear()
        try:
            extra["standalone_mode"] = False
            code = super().main(*args, **extra)
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except Exception as error:
            code = _report(error)
        if code == INTERRUPTED:
            _say("interrupted: run the same command again to resume")
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def _report(error: Exception) -> int:
    if os.environ.get("SHOAL_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    if isinstance(error, ShoalError):
        _say(str(error))
        return error.exit_code
    # typer raises its usage errors from a module of its own or from click, by version.
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "shoal"
        message, meant = error.format_message().rstrip("."), ""
        if hasattr(error, "possibilities"):  # some of which look nothing like the option
            name = getattr(error, "option_name", "")
            message = f"No such option: {name}" if name else message.partition(" (")[0]
            close = get_close_matches(name, error.possibilities or (), 1, 0.75)
            meant = "".join(f"did you mean {one}? " for one in close)
        _say(f"{message} ({meant}see {path} --help)")
        return BAD_INPUT
    if isinstance(error, MemoryError):
        _say("out of memory: give a lower --memory, or close other programs")
        return BAD_INPUT
    damage = find_damage()
    if damage is not None:
        _say(str(damage))
        return damage.exit_code
    _say(
        f"internal error, {type(error).__name__}: {' '.join(str(error).split())[:300]} (run it "
        "again with SHOAL_DEBUG=1 for the traceback, and please report it)"
    )
    return OUR_FAULT


def _say(sentence: str) -> None:
    print(f"shoal: {sentence}", file=sys.stderr)


app = typer.Typer(
    cls=Commands,
    help="Cluster image collections of any size, and find the number of clusters.",
    epilog="To start: shoal demo, or shoal fit FOLDER",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        version.version()
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _without_command(
    context: typer.Context,
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


app.command("fit", cls=EngineCommand)(fit.fit)
app.command("layers")(layers.layers)
app.command("labels")(labels.labels)
app.command("label")(label.label)
app.command("eval", cls=EngineCommand)(evaluate.evaluate)
app.command("predict", cls=EngineCommand)(predict.predict)
app.command("export")(export.export)
app.add_typer(edits.edits, name="edits")
app.command("methods")(methods.methods)
app.command("choose-k")(choose_k.choose_k)
app.command("compare")(compare.compare)
app.command("duplicates")(duplicates.duplicates)
app.command("quality")(quality.quality)
app.command("map")(map.map)
app.command("plot")(plot.plot)
app.command("palette")(palette.palette)
app.add_typer(encoder.encoder, name="encoder")
app.command("info")(info.info)
app.command("explore", cls=EngineCommand)(explore.explore)
app.command("mcp")(mcp.mcp)
app.command("demo")(demo.demo)
app.command("make-tiles")(make_tiles.make_tiles)
app.command("make-drawings")(make_tiles.make_drawings)
app.command("version")(version.version)
