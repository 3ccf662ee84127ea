"""``shoal methods``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli import options as opt
from shoal.cli.options import SOURCE, TABLE, argument, option, place, with_settings
from shoal.cli.output import (
    duration,
    number,
    print_json,
    print_next,
    print_table,
    progress_bars,
    say,
)
from shoal.errors import InputError

if TYPE_CHECKING:
    from shoal.method_comparison import MethodComparison

_SETTINGS = (
    *("features", "k", "seed", "memory", "workers", *SOURCE, "images", "pages"),
    *(*TABLE, "representatives", "sample", "parameters"),
)
_MEASURES = ("inertia", "silhouette", "accuracy", "purity", "nmi", "ami", "ari")


@with_settings(*_SETTINGS)
def methods(
    source: str | None = argument(
        "[SOURCE]", "Any source that shoal fit takes; without it, the methods are listed.", None
    ),
    names: str | None = option("--methods NAME[,NAME]", "The methods to compare."),
    out: Path | None = option(
        "--out -o DIR",
        "Output folder: one run per method, and the page methods.html.",
        parser=place,
    ),
    truth: str | None = option("--truth FILE", "True classes, as for shoal eval."),
    quiet: opt.QuietOption = False,
    json: opt.JsonOption = False,
    **given: Any,
) -> None:
    """List the clustering methods, or compare several on the same features.

    A comparison prints K, noise, time, memory and quality measures for each method, and the
    agreement of each pair (adjusted Rand index). Prefix parameters with their method: --set
    dbscan.eps=0.3.
    """
    if source is None:
        if names is not None or out is not None or truth is not None:
            raise InputError("to compare methods, give a SOURCE first: shoal methods SOURCE …")
        _list(json)
        return
    if names is None or out is None:
        missing = "--methods NAME,NAME" if names is None else "-o DIR"
        raise InputError(f"to compare methods on {source}, give {missing}, too")
    from shoal.method_comparison import compare_methods

    with progress_bars(quiet) as bars:
        found = compare_methods(
            source,
            [word.strip() for word in names.split(",") if word.strip()],
            out,
            truth=None if truth is None else _truth(source, truth, given),
            progress=bars,
            **given,
        )
    if json:
        print_json(
            {
                "methods": found.table,
                "agreement": {"methods": list(found.runs), "ari": found.agreement.tolist()},
                "page": found.page,
                "runs": {name: run.path for name, run in found.runs.items()},
            }
        )
        return
    _print(found)


def _method_facts() -> list[dict[str, Any]]:
    from shoal.methods import DEFAULT, METHODS

    own = {
        "name": DEFAULT,
        "family": "graphs",
        "k": "found, or given",
        "rows": "all",
        "weights": True,
        "noise": False,
        "soft": False,
        "dendrogram": True,
        "predicts": "vote of the nearest",
        "cost": "time m·log m about, memory m·d",
        "summary": "Shoal's own: one tree, cut into the layers that stand out, with confidences.",
        "parameters": [],
    }
    return [own] + [
        {
            "name": method.name,
            "family": method.family,
            "k": "needed" if method.needs_k else "found, or given" if method.takes_k else "found",
            "rows": "all" if method.most is None else f"up to {method.most:,}",
            "weights": method.weighted,
            "noise": method.noise,
            "soft": method.soft,
            "dendrogram": method.hierarchical,
            "predicts": method.predicts,
            "cost": method.cost,
            "summary": method.summary,
            "parameters": [
                {n: getattr(one, n) for n in ("name", "default", "rule", "help")}
                for one in method.parameters
            ],
        }
        for method in METHODS.values()
    ]


def _list(json: bool) -> None:
    facts = _method_facts()
    if json:
        print_json(facts)
        return
    names = ("method", "family", "K", "rows", "weights", "noise", "soft", "new rows by")
    lines = [
        [
            *(fact[name] for name in ("name", "family", "k", "rows")),
            *("yes" if fact[name] else "" for name in ("weights", "noise", "soft")),
            fact["predicts"],
        ]
        for fact in facts
    ]
    print_table("", names, lines, texts=names)
    say("Larger sets than a method can handle are first summarised by weighted representatives.")
    say("Methods that need K choose it by silhouette unless --k is given.")
    say()
    for fact in facts:
        say(f"{fact['name']}: {fact['summary']} Cost: {fact['cost']}.")
        options = [
            f"{one['name']}={'auto' if one['default'] is None else one['default']}"
            for one in fact["parameters"]
        ]
        if options:
            say(f"  --set {', '.join(options)}")
    print_next(
        {
            ("fit", "SOURCE", "--method", "kmeans", "--k", 10): "fit one",
            ("methods", "SOURCE", "--methods", "kmeans,gmm,shoal", "-o", "DIR"): "compare some",
        }
    )


def _truth(source: str, truth: str, given: dict[str, Any]) -> Any:
    from shoal.cli.truth import read_truth
    from shoal.rows import open_source
    from shoal.settings import fit_settings

    names = (*SOURCE, *TABLE)
    checked = fit_settings(**{name: given[name] for name in names if name in given})
    opened = open_source(source, **{name: getattr(checked, name) for name in names})
    return read_truth(truth, opened).classes


def _print(found: MethodComparison) -> None:
    known = [record for record in found.table if "declined" not in record]
    measures = [name for name in _MEASURES if name in known[0]]
    lines = [
        [
            record["method"],
            record["k"],
            "" if record["noise"] is None else f"{record['noise']:.1%}",
            duration(record["seconds"]),
            "" if record["memory_mib"] is None else f"{record['memory_mib']:,} MiB",
            *(number(record[name], 3) for name in measures),
        ]
        for record in known
    ]
    head = ("method", "K", "noise", "time", "memory", *measures)
    print_table("Methods on the same features", head, lines)
    names = list(found.runs)
    pairs = [[name, *line.tolist()] for name, line in zip(names, found.agreement, strict=True)]
    print_table("Agreement (adjusted Rand index)", ("", *names), pairs)
    for record in found.table:
        if "declined" in record:
            say(f"{record['method']} was left out: {record['declined']}")
    say(f"{found.page}: all side by side")
