"""``shoal choose-k``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from shoal.cli import options as opt
from shoal.cli.options import SOURCE, TABLE, argument, option, place, with_settings
from shoal.cli.output import number, print_json, print_table, progress_bars, say
from shoal.errors import InputError

_SETTINGS = (
    *("features", "seed", "memory", "workers", *SOURCE, "pages"),
    *(*TABLE, "representatives", "sample", "parameters"),
)
_NAMES = {
    "elbow": "elbow of the inertia",
    "silhouette": "silhouette",
    "calinski_harabasz": "Caliński–Harabasz",
    "davies_bouldin": "Davies–Bouldin",
    "gap": "gap statistic",
    "strength": "prediction strength",
    "bic": "BIC",
}
_COLUMNS = ("inertia", *(name for name in _NAMES if name != "elbow"))
_MOST = 1000  # numbers of clusters that are tried


@with_settings(*_SETTINGS)
def choose_k(
    source: str = argument("SOURCE", "Any source that shoal fit takes, or a run."),
    method: str = option("--method NAME", "A method that takes K. [default: kmeans]", "kmeans"),
    numbers: str = option("--range LOW:HIGH", "Values of K to try. [default: 2:30]", "2:30"),
    references: int | None = option(
        "--references N",
        "Number of reference data sets for the gap statistic. [default: 10 for k-means and "
        "dendrograms, 0 for methods that are refitted for each K]",
        min=0,
        max=1000,
    ),
    out: Path | None = option(
        "--out -o FILE", "Plot all criteria to a .png, .svg or .pdf file.", parser=place
    ),
    force: opt.ForceOption = False,
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **given: Any,
) -> None:
    """Show which K each criterion would pick.

    Elbow, silhouette, Caliński–Harabasz, Davies–Bouldin, gap statistic, prediction strength, BIC
    for mixtures, and Shoal's own layers.
    """
    from shoal.k_choice import choose_k as choose

    ks = parse_range(numbers)
    if out is not None:
        from shoal.export.base import refuse_existing
        from shoal.plots.canvas import check_form, figure_class

        refuse_existing(out, force)
        check_form(out)
        figure_class()  # before anything is computed
    with progress_bars(quiet) as bars:
        found, layers = choose(
            source, method=method, ks=ks, references=references, progress=bars, **given
        )
    if out is not None:
        from shoal.plots.k_choice import write_k_picture

        write_k_picture(out, found, layers)
    if json:
        facts = {"table": list(found.table), "picks": found.picks, "layers": layers}
        print_json({"method": found.method, **facts, "picture": out})
        return
    shown = [name for name in _COLUMNS if any(one[name] is not None for one in found.table)]
    lines = [
        [str(one["k"]), *(number(one[name], 0 if name == "bic" else 3) for name in shown)]
        for one in found.table
    ]
    heads = ["K", *(_NAMES.get(name, name).removesuffix(" statistic") for name in shown)]
    print_table(f"{found.method} by K", heads, lines)
    left_out = [k for k in ks if k > found.table[-1]["k"]]
    if left_out:
        most = found.table[-1]["k"]
        say(f"K above {most} was not tried: K must be below the number of rows.")
    ends = [*([ks[0]] if ks[0] > 2 else []), *([] if left_out else [ks[-1]])]
    _say_picks(found.picks, found.agreed, ends, layers)
    if out is not None:
        say(f"{out}: all criteria")


def _say_picks(picks: dict[str, int], agreed: int, ends: list[int], layers: list[int]) -> None:
    for name, pick in picks.items():
        at_end = " (end of the range: try a wider --range)" * (pick in ends)
        say(f"{_NAMES[name]}: K = {pick}{at_end}")
    if layers:
        more = f" (other layers: {', '.join(map(str, layers[1:]))})" if layers[1:] else ""
        say(f"Shoal's primary layer: K = {layers[0]}{more}")
    count = list(picks.values()).count(agreed)
    if count == len(picks):
        say(f"All {count} criteria agree on K = {agreed}.")
    elif count > 1:
        say(f"{count} of the {len(picks)} criteria agree on K = {agreed}.")
    else:
        say(
            "No two criteria agree: the data does not point to one K. Compare several with shoal "
            "methods."
        )
    say("Inertia always falls as K grows, so even structureless data shows an elbow.")


def parse_range(text: str) -> list[int]:
    """Return the numbers of ``LOW:HIGH``, ``LOW:HIGH:STEP`` or ``A,B,C``.

    >>> parse_range("2:5"), parse_range("2:10:4"), parse_range("5,3")
    ([2, 3, 4, 5], [2, 6, 10], [3, 5])
    """
    wrong = InputError(f"--range must be LOW:HIGH from 2 on, such as 2:30; got {text!r}")
    if not re.fullmatch(r"\s*\d{1,7}(\s*[:,]\s*\d{1,7})+\s*|\s*\d{1,7}\s*", text):
        raise wrong
    if ":" in text and "," in text:
        raise wrong
    numbers = [int(word) for word in re.split("[:,]", text)]
    if ":" in text:
        if len(numbers) > 3 or numbers[0] > numbers[1] or 0 in numbers[2:]:
            raise wrong
        numbers = list(range(numbers[0], numbers[1] + 1, *numbers[2:]))
    if min(numbers) < 2 or len(numbers) > _MOST:
        raise wrong
    return sorted(set(numbers))
