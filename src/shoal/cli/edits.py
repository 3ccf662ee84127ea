"""``shoal edits``."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from shoal.cli.options import ForceOption, JsonOption, RunArgument
from shoal.cli.output import command, number, print_json, print_table, say
from shoal.cli.runs import open_run
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.edits import Curation, Entry

_BARE = ("--undo", "--redo")
_ALL = "all"


class BareNumbers(TyperCommand):
    """Lets ``--undo`` and ``--redo`` stand without a number, for 1."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the number in where there is none."""
        filled: list[str] = []
        for word, following in zip(args, [*args[1:], ""], strict=True):
            filled.append(word)
            if word in _BARE and not (following.isdigit() or following == _ALL):
                filled.append("1")
        return super().parse_args(ctx, filled)


def _option(name: str, metavar: str, text: str) -> Any:
    """Return an option that can be repeated."""
    return typer.Option(name, metavar=metavar, help=text, show_default=False)


def _text(name: str, metavar: str, text: str) -> Any:
    """Return an option that is given once."""
    return typer.Option(name, metavar=metavar, help=text, show_default=False)


def edits(
    run: RunArgument,
    merge: Annotated[
        list[str] | None,
        _option("--merge", "A,B[,C][=INTO]", "Merge clusters, into INTO or the largest of them."),
    ] = None,
    split: Annotated[
        list[str] | None,
        _option("--split", "A[=N]", "Split a cluster by the tree, into N or as many as it marks."),
    ] = None,
    move: Annotated[
        list[str] | None,
        _option(
            "--move",
            "ROWS[=C]",
            "Move rows such as 17,20-29 to cluster C, or take them out into a new one, which "
            "may be named: 17,20-29=odd.",
        ),
    ] = None,
    rename: Annotated[
        list[str] | None, _option("--rename", "A=NAME", "Name a cluster; A= takes it away.")
    ] = None,
    note: Annotated[
        list[str] | None, _option("--note", "A=TEXT", "Put a note on a cluster.")
    ] = None,
    mark: Annotated[
        list[str] | None, _option("--mark", "A=good|junk|none", "Judge a cluster.")
    ] = None,
    lock: Annotated[
        list[int] | None, _option("--lock", "A", "Lock a cluster: it refuses edits.")
    ] = None,
    unlock: Annotated[list[int] | None, _option("--unlock", "A", "Unlock a cluster.")] = None,
    apart: Annotated[
        list[str] | None, _option("--apart", "A,B", "Say that two clusters are not the same.")
    ] = None,
    base: Annotated[
        int | None, _text("--base", "K", "Start anew from the cut into K clusters.")
    ] = None,
    undo: Annotated[
        str | None, _text("--undo", "[N|all]", "Undo the last edit, the last N, or all.")
    ] = None,
    redo: Annotated[
        str | None, _text("--redo", "[N|all]", "Do edits again that were undone.")
    ] = None,
    export: Annotated[
        Path | None, _text("--export", "FILE", "Write the log as a JSON file.")
    ] = None,
    import_: Annotated[
        Path | None,
        _text(
            "--import",
            "FILE",
            "Do the edits of a JSON file, on the same fit; or take in clusters and names from a "
            "CSV or Parquet file, by row or name.",
        ),
    ] = None,
    force: ForceOption = False,
    json: JsonOption = False,
) -> None:
    """List the edits of a run, or edit its clusters.

    One kind of edit a call; an option that is repeated is done in order. Edits are in what
    labels, export and predict give; nothing is ever lost: undo goes back to the beginning.
    """
    edits = open_run(run).edits
    edits.author = author_name()
    given = {
        "--merge": merge,
        "--split": split,
        "--move": move,
        "--rename": rename,
        "--note": note,
        "--mark": mark,
        "--lock": lock,
        "--unlock": unlock,
        "--apart": apart,
        "--base": None if base is None else [base],
        "--undo": undo and [undo],
        "--redo": redo and [redo],
        "--export": export and [export],
        "--import": import_ and [import_],
    }
    asked = [name for name, values in given.items() if values]
    if len(asked) > 1:
        raise InputError(f"{asked[0]} and {asked[1]}: give one kind of edit a call")
    if not asked:
        _list(run, edits, json)
    elif asked[0] == "--export":
        _export(edits, Path(str(export)), force, json)
    else:
        before = edits.refresh()
        _do(edits, asked[0], given[asked[0]] or [])
        _tell(run, edits, before, json)


def _do(edits: Curation, option: str, values: Sequence[Any]) -> None:
    """Do the edits of one option: all of them, or none."""
    if option == "--import":
        _import(edits, values[0])
        return
    with edits.together():
        for value in values:
            _DO[option](edits, value)


def _list(run: Path, edits: Curation, json: bool) -> None:
    """List the log."""
    from shoal.edits.exchange import plain

    edits.refresh()
    entries, done = edits.entries(), {entry.seq for entry in edits.done}
    if json:
        log = [{**plain(e), "said": e.describe(), "in_effect": e.seq in done} for e in entries]
        print_json({"run": run, "k": edits.k, "edits": log, "clusters": edits.listing()})
        return
    if not entries:
        say("No edits. Merge two clusters, for instance, with:")
        say(f"  {command('shoal', 'edits', run, '--merge', '0,1')}")
        return
    lines = [
        [str(e.seq), e.time[:16].replace("T", " "), e.author, e.describe(), _effect(e, done)]
        for e in entries
    ]
    names = ("edit", "time (UTC)", "by", "what", "")
    print_table(f"Edits of {run}", names, lines, texts=names)
    undone = len(edits.undone)
    more = f", {undone} to redo" if undone else ""
    say(f"{len(done)} in effect{more}. {_counted(edits)}.")


def _effect(entry: Entry, done: set[int]) -> str:
    """Say whether an edit is in effect."""
    return "" if entry.seq in done or entry.op in ("undo", "redo", "skipped") else "undone"


def _counted(edits: Curation) -> str:
    """Count clusters and rows."""
    sizes = edits.sizes()
    bad = edits.ground.n_rows - sum(sizes.values())
    said = f" and {bad:,} quarantined" if bad else ""
    return f"{plural(len(sizes), 'cluster')} with {plural(sum(sizes.values()), 'row')}{said}"


def _tell(run: Path, edits: Curation, before: int, json: bool) -> None:
    """Say what was done, and what became of the clusters."""
    changes = edits.changes(before)
    changed = [line for line in edits.listing() if line["cluster"] in changes.changed]
    if json:
        said = [{"seq": e.seq, "op": e.op, "said": e.describe()} for e in changes.entries]
        print_json({"run": run, "done": said, "changed": changed, "gone": changes.gone})
        return
    if not changes.entries:
        say("No edits: all of it is so already.")
        return
    for entry in changes.entries:
        say(f"{entry.seq}. {entry.describe()}")
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
        say(f"Gone: {', '.join(map(str, changes.gone))}.")
    undone = changes.entries and changes.entries[-1].op == "undo"
    back = command("shoal", "edits", run, "--redo" if undone else "--undo")
    say(f"{_counted(edits)}. {'Redo' if undone else 'Undo'} it with: {back}")


def _export(edits: Curation, path: Path, force: bool, json: bool) -> None:
    """Write the log as a file."""
    from shoal.edits.exchange import write_edits
    from shoal.export.base import refuse_existing

    refuse_existing(path, force)
    count = write_edits(edits, path)
    if json:
        print_json({"out": path, "edits": count})
    else:
        say(f"{path}: {plural(count, 'edit')}")


def _import(edits: Curation, path: Path) -> None:
    """Do the edits of a file, or what a table says of rows and clusters."""
    from shoal.edits.exchange import read_edits
    from shoal.export.corrections import import_corrections

    table = path.suffix.lower() in (".csv", ".tsv", ".parquet", ".pq")
    (import_corrections if table else read_edits)(edits, path)


def _merge(edits: Curation, text: str) -> None:
    """``3,7`` or ``3,7=3``."""
    ids, into = _parted("--merge", text)
    edits.merge(_ids("--merge", ids), None if into is None else _id("--merge", into))


def _split(edits: Curation, text: str) -> None:
    """``5`` or ``5=3``."""
    cluster, parts = _parted("--split", text)
    edits.split(_id("--split", cluster), None if parts is None else _id("--split", parts))


def _move(edits: Curation, text: str) -> None:
    """``17,20-29``, ``17,20-29=3`` or ``17,20-29=odd``."""
    from shoal.edits.rows import parse_rows

    rows, to = _parted("--move", text)
    named = to is not None and not to.strip().isdigit()
    edits.move(
        parse_rows(rows, edits.ground.n_rows),
        None if to is None or named else _id("--move", to),
        to if named else None,
    )


def _rename(edits: Curation, text: str) -> None:
    """``3=cats``; ``3=`` for no name."""
    cluster, name = _both("--rename", text)
    edits.rename(cluster, name or None)


def _note(edits: Curation, text: str) -> None:
    """``3=some words``."""
    edits.note(*_both("--note", text))


def _mark(edits: Curation, text: str) -> None:
    """``3=junk``."""
    cluster, mark = _both("--mark", text)
    edits.mark(cluster, None if mark == "none" else mark)


def _apart(edits: Curation, text: str) -> None:
    """``3,7``."""
    ids = _ids("--apart", text)
    if len(ids) != 2:
        raise InputError(f"--apart {text}: give two clusters, such as 3,7")
    edits.keep_apart(*ids)


def _undo(edits: Curation, count: str) -> None:
    """Undo some or all."""
    edits.undo(len(edits.done) if count == _ALL else _id("--undo", count))


def _redo(edits: Curation, count: str) -> None:
    """Redo some or all."""
    edits.redo(len(edits.undone) if count == _ALL else _id("--redo", count))


_DO: dict[str, Callable[[Curation, Any], object]] = {
    "--merge": _merge,
    "--split": _split,
    "--move": _move,
    "--rename": _rename,
    "--note": _note,
    "--mark": _mark,
    "--lock": lambda edits, cluster: edits.lock(cluster),
    "--unlock": lambda edits, cluster: edits.lock(cluster, False),
    "--apart": _apart,
    "--base": lambda edits, k: edits.start_from(k=k),
    "--undo": _undo,
    "--redo": _redo,
}


def _parted(option: str, text: str) -> tuple[str, str | None]:
    """Part a text at its first ``=``."""
    left, sign, right = text.partition("=")
    if sign and not right.strip():
        raise InputError(f"{option} {text}: nothing follows the =")
    return left, right if sign else None


def _both(option: str, text: str) -> tuple[int, str]:
    """Part ``3=text``."""
    left, sign, right = text.partition("=")
    if not sign:
        raise InputError(f"{option} {text}: give a cluster, =, and a text, such as 3=text")
    return _id(option, left), right.strip()


def _id(option: str, text: str) -> int:
    """Read a whole number."""
    if not text.strip().isdecimal():
        raise InputError(f"{option}: {text!r} is not a whole number")
    return int(text)


def _ids(option: str, text: str) -> list[int]:
    """Read whole numbers."""
    return [_id(option, word) for word in text.split(",")]


def author_name() -> str:
    """Name who edits, for the log."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""
