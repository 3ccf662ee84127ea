"""Options that several commands have, and those that come from the table of settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from shoal.errors import InputError
from shoal.settings import SETTINGS


def place(text: str) -> Path:
    """Return a path, or an address, which a `Path` would take for a folder called ``s3:``."""
    if "://" not in text:
        return Path(text)
    from shoal.storage import as_place  # only now: it takes time to load

    return as_place(text)


def option(words: str, help: str, default: Any = None, **more: Any) -> Any:
    """Return a typer option from its names and what stands for its value: ``--out -o FILE``.

    It is the default of a parameter, required where `default` is ``...``, as it has to be in
    ``Annotated``.
    """
    names = [word for word in words.split() if word.startswith("-")]
    metavar = " ".join(word for word in words.split() if word not in names) or None
    return typer.Option(default, *names, metavar=metavar, help=help, show_default=False, **more)


def argument(metavar: str, help: str, default: Any = ..., **more: Any) -> Any:
    return typer.Argument(default, metavar=metavar, help=help, show_default=False, **more)


RunArgument = Annotated[Path, argument("RUN", "A run folder written by shoal fit.", parser=place)]
RunsArgument = Annotated[
    list[Path], argument("RUN", "Run folders written by shoal fit.", parser=place)
]
JsonOption = Annotated[bool, option("--json", "Print only JSON.", ...)]
QuietOption = Annotated[bool, option("--quiet -q", "Do not show progress.", ...)]
ForceOption = Annotated[bool, option("--force", "Overwrite an existing file.", ...)]
QuoteOption = Annotated[
    bool,
    option(
        "--quote-formulas",
        "In CSV files, put ' in front of text that spreadsheets would run as a formula (=, +, -, "
        "@).",
        ...,
    ),
]
RawOption = Annotated[bool, option("--raw", "Ignore edits (see shoal edits).", ...)]
LayerOption = Annotated[
    int | None,
    option(
        "--layer N", "Layer number, as listed by shoal layers; by default the primary layer.", ...
    ),
]
KOption = Annotated[
    int | None, option("--k K", "Number of clusters: any cut of the same tree.", ...)
]


TruthOption = Annotated[
    str,
    option(
        "--truth FILE",
        "True classes: a .csv, .npy, .npz, .parquet, .h5, .mat or IDX file, a column of the "
        "fitted table, or one of the words folders and labels. [default: labels, those stored "
        "with the rows]",
        ...,
    ),
]
KeyOption = Annotated[str | None, option("--key NAME", "The array or column to read.", ...)]
SeedOption = Annotated[int, option("--seed N", "Random seed. [default: 0]", ...)]
ReadOnlyOption = Annotated[bool, option("--read-only", "Do not allow edits.", ...)]


def check_quotes(quoted: bool, is_csv: bool) -> None:
    if quoted and not is_csv:
        raise InputError("--quote-formulas is for CSV: write a .csv file, or leave it out")


def check_table(
    out: Path | None, quoted: bool = False, endings: tuple[str, ...] = (".parquet", ".csv")
) -> None:
    """Refuse an output file of another format, or quoted formulas in another format than CSV."""
    ending = "" if out is None else out.suffix.lower()
    check_quotes(quoted, ending == ".csv")
    if out is not None and ending not in endings:
        raise InputError(f"{out} must end in one of {', '.join(endings)}")


_BEHIND = "shoal.engine_options"


class WholeHelp(TyperGroup):
    """Lists its commands with the first sentence of their help, wrapped rather than cut."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit=1000)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class EngineCommand(TyperCommand):
    """A command with ``--engine``, which may have options of its own after ``--``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = args[: args.index("--")] if "--" in args else args
        if any(word.partition("=")[0] == "--engine" for word in own):
            ctx.meta[_BEHIND] = args[len(own) + 1 :]
            args = own
        return super().parse_args(ctx, args)


def engine_options(context: typer.Context) -> list[str]:
    return context.meta.get(_BEHIND, [])


# Settings that say how rows are read.
SOURCE = ("as_", "key", "shape", "dtype")
TABLE = ("columns", "leave_out", "categories")


def flag(name: str) -> str:
    """Return the option of a setting.

    >>> flag("min_size"), flag("as_")
    ('--min-size', '--as')
    """
    if name == "parameters":
        return "--set"
    return f"--{name.strip('_').replace('_', '-')}"


def shown_default(name: str) -> str:
    """Return a setting's default for the help; nothing where Shoal chooses.

    >>> shown_default("memory"), shown_default("workers")
    (' [default: 4GiB]', '')
    """
    default = SETTINGS[name].default
    if default in (None, (), False):
        return ""
    return f" [default: {default // 2**30}GiB]" if name == "memory" else f" [default: {default}]"


def with_settings(*names: str) -> Callable[..., Any]:
    """Add an option for each setting, by default all, to a command; help comes from the table."""
    return with_parameters([_parameter(name) for name in names or SETTINGS])


def with_parameters(added: Iterable[inspect.Parameter]) -> Callable[[Any], Any]:
    """Return a decorator that replaces ``**name`` of a command by parameters.

    The command takes those of them that were given.
    """
    more = {p.name: p for p in added}

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        kept = [p.replace(kind=p.KEYWORD_ONLY) for p in [*own, *more.values()]]

        @wraps(function)
        def command(**given: Any) -> Any:
            return function(
                **{n: one for n, one in given.items() if n not in more or one not in (None, [])}
            )

        command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in kept}
        return command

    return decorated


def optional(words: str, kind: Any, help: str) -> inspect.Parameter:
    name = words.split()[0].strip("-")
    return keyword(name, Annotated[kind | None, option(words, help, ...)])


def keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _parameter(name: str) -> inspect.Parameter:
    setting = SETTINGS[name]
    option = typer.Option(
        flag(name),
        help=f"{setting.help}{shown_default(name)}",
        metavar="|".join(setting.choices) or setting.metavar or None,
        show_default=False,
    )
    return keyword(name, Annotated[setting.kind | None, option])
