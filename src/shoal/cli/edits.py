"""``shoal edits``: the log, and a subcommand for each edit there is."""

from __future__ import annotations

import getpass
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from numpy.typing import ArrayLike

from shoal.cli.options import (
    ForceOption,
    JsonOption,
    RunArgument,
    WholeHelp,
    argument,
    keyword,
    optional,
    with_parameters,
)
from shoal.cli.output import command, number, print_json, print_table, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits import Curation, Entry
    from shoal.edits.operations.base import Command, Operation, Parameter

_ALL = "all"
_WORDS = {"into": "ID", "to": "ID", "parts": "N", "layer": "N", "wrong": "ROWS"}
CountArgument = Annotated[str, argument("[N]", "Number of edits, or all; by default 1.")]
FileArgument = Annotated[Path, argument("FILE", "File to write (.json).")]


class Operations(WholeHelp):
    """The commands below, and those of the operations, which are loaded when one is needed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_operation_commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return super().get_command(ctx, cmd_name) or _operation_commands().get(cmd_name)


edits = typer.Typer(
    cls=Operations,
    help="List the edits of a run, or edit its clusters.\n\nshoal labels, export and predict "
    "include the edits. Every edit can be undone, back to the original fit.",
)


def _operation_commands() -> dict[str, Any]:
    from shoal.edits.operations import OPERATIONS

    group = typer.Typer(rich_markup_mode=None)
    group.callback()(lambda: None)
    for operation in OPERATIONS.values():
        for one in operation.commands:
            group.command(one.name, help=one.help)(_edit(operation, one))
    return dict(typer.main.get_group(group).commands)


def _edit(operation: Operation, one: Command) -> Any:
    from shoal.edits.rows import parse_rows

    taken = {p.name: p for p in operation.parameters if p.name not in one.sets}
    rows = {name for name, p in taken.items() if p.kind == ArrayLike}

    def edit(run: RunArgument, json: JsonOption = False, **given: Any) -> None:
        with _editing(run, json) as edits:
            for name in rows & given.keys():
                given[name] = parse_rows(given[name], edits.fit.n_rows)
            edits.do(operation.name, **given, **one.sets)

    return with_parameters(map(_taken, taken.values()))(edit)


def _taken(one: Parameter) -> inspect.Parameter:
    kind: Any = str if one.kind == ArrayLike else one.kind
    word = one.name.upper()
    if not one.required:
        return optional(f"--{one.name} {_WORDS.get(one.name, word)}", kind, one.help)
    return keyword(one.name, Annotated[kind, argument(word, one.help)], inspect.Parameter.empty)


@edits.command("list")
def list_edits(run: RunArgument, json: JsonOption = False) -> None:
    """List the edits of a run: what was changed, by whom and when."""
    from shoal.edits.exchange import entry_record

    edits = open_run(run).edits
    edits.refresh()
    entries, done = edits.entries(), {entry.seq for entry in edits.done}
    if json:
        log = [
            {**entry_record(e), "summary": e.describe(), "in_effect": e.seq in done}
            for e in entries
        ]
        print_json({"run": run, "k": edits.k, "edits": log, "clusters": edits.listing()})
        return
    if not entries:
        say("No edits yet. For example, to merge two clusters:")
        say(f"  {command('shoal', 'edits', 'merge', run, 0, 1)}")
        return
    lines = [
        [str(e.seq), e.time[:16].replace("T", " "), e.author, e.describe(), _effect(e, done)]
        for e in entries
    ]
    names = ("edit", "time (UTC)", "by", "what", "")
    print_table(f"Edits of {run}", names, lines, texts=names)
    undone = len(edits.undone)
    more = f", {undone} to redo" if undone else ""
    say(f"{plural(len(done), 'edit')} in effect{more}. {_counted(edits)}.")


@edits.command()
def undo(run: RunArgument, n: CountArgument = "1", json: JsonOption = False) -> None:
    """Undo the last edit, the last N, or all."""
    with _editing(run, json) as edits:
        edits.undo(_count(n, len(edits.done)))


@edits.command()
def redo(run: RunArgument, n: CountArgument = "1", json: JsonOption = False) -> None:
    """Redo edits that were undone."""
    with _editing(run, json) as edits:
        edits.redo(_count(n, len(edits.undone)))


@edits.command("export")
def export_log(
    run: RunArgument, file: FileArgument, force: ForceOption = False, json: JsonOption = False
) -> None:
    """Write the edit log to a JSON file."""
    from shoal.edits.exchange import write_edits
    from shoal.export.base import refuse_existing

    edits = open_run(run).edits
    refuse_existing(file, force)
    count = write_edits(edits, file)
    if json:
        print_json({"out": file, "edits": count})
    else:
        say(f"{file}: {plural(count, 'edit')}")


@edits.command("import")
def import_log(
    run: RunArgument,
    file: Path = argument("FILE", "A JSON file, or a CSV or Parquet file."),
    json: JsonOption = False,
) -> None:
    """Apply an exported edit log to the same fit, or read corrected clusters from a table.

    A CSV or Parquet table gives the cluster, and optionally the cluster name, for row numbers or
    names.
    """
    from shoal.edits.exchange import read_edits
    from shoal.export.corrections import import_corrections

    table = file.suffix.lower() in (".csv", ".tsv", ".parquet", ".pq")
    with _editing(run, json) as edits:
        (import_corrections if table else read_edits)(edits, file)


@contextmanager
def _editing(run: Path, json: bool) -> Iterator[Curation]:
    edits = open_run(run).edits
    edits.author = author_name()
    before = edits.refresh()
    yield edits
    _print_done(run, edits, before, json)


def _effect(entry: Entry, done: set[int]) -> str:
    return "" if entry.seq in done or entry.op in ("undo", "redo", "skipped") else "undone"


def _counted(edits: Curation) -> str:
    sizes = edits.sizes()
    bad = edits.fit.n_rows - sum(sizes.values())
    text = f" ({bad:,} quarantined)" if bad else ""
    return f"{plural(len(sizes), 'cluster')} and {plural(sum(sizes.values()), 'row')}{text}"


def _print_done(run: Path, edits: Curation, before: int, json: bool) -> None:
    changes = edits.changes(before)
    changed = [line for line in edits.listing() if line["cluster"] in changes.changed]
    if json:
        text = [{"seq": e.seq, "op": e.op, "summary": e.describe()} for e in changes.entries]
        print_json({"run": run, "done": text, "changed": changed, "gone": changes.gone})
        return
    if not changes.entries:
        say("No edits: all of it is so already.")
        return
    for entry in changes.entries:
        what = entry.describe()
        say(f"Edit {entry.seq}: {what[0].lower()}{what[1:]}")
    say()
    lines = [
        [
            str(line["cluster"]),
            number(line["rows"]),
            line["name"] or "",
            ", ".join(filter(None, (line["mark"], "locked" if line["locked"] else ""))),
        ]
        for line in changed
    ]
    if lines:
        print_table("", ("cluster", "rows", "name", ""), lines, texts=("name", ""))
    if changes.gone:
        one = "cluster" if len(changes.gone) == 1 else "clusters"
        say(f"Removed: {one} {', '.join(map(str, changes.gone))}.")
    undone = changes.entries and changes.entries[-1].op == "undo"
    back = command("shoal", "edits", "redo" if undone else "undo", run)
    say(f"The run now has {_counted(edits)}. To {'redo' if undone else 'undo'}: {back}")


def _count(text: str, every: int) -> int:
    if text == _ALL:
        return every
    if not text.isdecimal():
        raise InputError(f"N must be a whole number or all; got {text!r}")
    return int(text)


def author_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""
