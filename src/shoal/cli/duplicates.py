"""``shoal duplicates``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli import options as opt
from shoal.cli.options import SOURCE, argument, check_table, option, place, with_settings
from shoal.cli.output import number, print_json, print_next, print_table, progress_bars, say
from shoal.core.plural import plural
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.duplicates import Duplicates

_SHOWN = 10


@with_settings(*SOURCE, "memory", "workers")
def duplicates(
    source: str = argument(
        "SOURCE", "Images, as for shoal fit; with --undo, the folder written earlier."
    ),
    against: str | None = option(
        "--against SOURCE2", "Find images in SOURCE2 that are copies of images in SOURCE."
    ),
    out: Path | None = option(
        "--out -o FILE",
        "Output file (.parquet or .csv), one line per image in a group.",
        parser=place,
    ),
    threshold: float | None = option(
        "--threshold X",
        "Lowest similarity of near copies, 0.5 to 1; 1 finds only exact copies. By default "
        "0.93, or higher if the images are very similar to each other.",
    ),
    mirrored: bool = option("--mirrored", "Also find mirrored copies.", False),
    remove_to: Path | None = option(
        "--remove-to DIR",
        "Move copies to this folder, and keep one image of each group in place.",
    ),
    keep_one: Path | None = option(
        "--keep-one DIR", "Write the collection without copies to this folder."
    ),
    undo: bool = option("--undo", "Undo the --remove-to or --keep-one that wrote SOURCE.", False),
    force: opt.ForceOption = False,
    quoted: opt.QuoteOption = False,
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **given: Any,
) -> None:
    """Find exact copies of images, and re-encoded, resized, brightened, shifted or cropped ones."""
    from shoal.duplicates import find_duplicates, separate
    from shoal.export.tables import write_labels

    if undo:
        _print_separated("returned or deleted", separate.undo(Path(source)), json)
        return
    if remove_to is not None and keep_one is not None:
        raise InputError("--remove-to and --keep-one do not go together: give one of them")
    check_table(out, quoted)
    with progress_bars(quiet) as bars:
        found = find_duplicates(
            source, against, threshold=threshold, mirrored=mirrored, progress=bars, **given
        )
    if out is not None:
        write_labels(found.table, out, force=force, quoted=quoted)
    if json:
        print_json({**found.as_dict(), "out": out})
    else:
        _print_found(found, source, out, mirrored)
    if remove_to is not None:
        _print_separated(f"moved to {remove_to}", separate.remove_copies(found, remove_to), json)
    if keep_one is not None:
        _print_separated(f"written to {keep_one}", separate.keep_one(found, keep_one), json)


def _print_found(found: Duplicates, source: str, out: Path | None, mirrored: bool) -> None:
    facts = found.as_dict()
    sought = ("exact", "near", *["mirrored"] * mirrored)
    kinds = ", ".join(f"{facts[kind]:,} {kind}" for kind in sought)
    across = " in the second source" if len(found.rows.sources) == 2 else ""
    say(
        f"{plural(facts['rows'], 'image')}: {facts['distinct']:,} distinct, "
        f"{plural(facts['copies'], 'copy', 'copies')}"
        f"{across} ({kinds}) in {plural(facts['groups'], 'group')}, "
        f"{facts['unreadable']:,} unreadable."
    )
    if not found.n_groups:
        say(f"No pair reaches a similarity of {found.threshold:.3f}: try a lower --threshold.")
        return
    shown = []
    lines = found.table.slice(0, 10_000).to_pylist()
    for group in range(min(found.n_groups, _SHOWN)):
        members: list[dict[str, Any]] = [line for line in lines if line["group"] == group]
        if members:
            called: list[str] = [line["name"] or f"row {line['row']}" for line in members[:3]]
            least = min(line["similarity"] for line in members)
            shown.append([group, len(members), number(least, 3), ", ".join(called)])
    columns = ("group", "images", "least similar", "first")
    print_table("Largest groups", columns, shown, texts=("first",))
    if out is None:
        print_next(
            {
                ("duplicates", source, "-o", "copies.csv"): "all groups",
                ("duplicates", source, "--remove-to", "copies"): "move copies away",
            }
        )


def _print_separated(what: str, outcome: Any, json: bool) -> None:
    if json:
        print_json({"done": outcome.done, "left": [list(pair) for pair in outcome.left]})
        return
    say(f"{plural(outcome.done, 'file')} {what}.")
    for name, reason in outcome.left[:_SHOWN]:
        say(f"  left alone: {name} ({reason})")
