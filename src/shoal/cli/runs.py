"""Opening runs, choosing a cut and printing layers, for all commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.cli.output import command, print_table, say
from shoal.errors import ShoalError

if TYPE_CHECKING:
    from shoal.api import Run
    from shoal.rows import Source

opened: list[Run] = []  # by the current command


def open_run(path: Path) -> Run:
    from shoal import api

    run = api.open(path)
    opened.append(run)
    return run


def open_new(run: Run, source: str, settings: dict[str, Any]) -> Source:
    """Open new rows like those of a run, or as the settings say."""
    from shoal.rows import open_source
    from shoal.settings import SETTINGS

    given = {name: SETTINGS[name].parse(value) for name, value in settings.items()}
    return run.model.open(open_source(source, **given) if given else source)


def find_damage() -> ShoalError | None:
    """Read all files of the runs that this command opened, and return the first error found.

    Used after an unexpected error: opening a run checks sizes only, so it misses a part with
    damaged content.
    """
    try:
        for run in opened:
            run.verify()
    except ShoalError as error:
        return error
    return None


def layer_facts(run: Run) -> list[dict[str, Any]]:
    """Return each layer's number, K, sizes, excess, stability; whether it is primary, or weak."""
    import numpy as np

    facts = []
    for at, layer in enumerate(run.layers):
        labels = run.clustering(layer=at, raw=True).of_representative
        sizes = np.bincount(labels, run.counts)
        sizes = sizes[sizes > 0]
        facts.append(
            {
                "layer": at,
                "k": layer.k,
                "largest": int(sizes.max()),
                "median": int(np.median(sizes)),
                "smallest": int(sizes.min()),
                **{n: getattr(layer, n) for n in ("excess", "stability", "primary", "weak")},
            }
        )
    return facts


def print_layers(run: Run) -> None:
    """Print the table of layers and the advice."""
    facts = layer_facts(run)
    names = ("layer", "K", "excess", "stability", "largest", "median", "smallest")
    lines = [
        [
            f"{fact['layer']}{' primary' * fact['primary']}{' weak' * fact['weak']}",
            *(fact[name.lower()] for name in names[1:]),
        ]
        for fact in facts
    ]
    primary = next((at for at, fact in enumerate(facts) if fact["primary"]), None)
    of = f", a sample of {run.sample_of:,} rows" if run.sample_of else ""
    print_table(f"Layers of {run.path}{of}", names, lines, primary)
    for sentence in dict.fromkeys((*run.advice.sentences, *layer_notes(run))):
        say(sentence.replace("choose-k SOURCE", command("choose-k", run.path)))


def layer_notes(run: Run) -> list[str]:
    """Explain weak layers, or what to try after a result of one cluster."""
    from shoal.core.null import has_structure
    from shoal.methods import DEFAULT

    method = run.info()["method"]["name"]
    if method != DEFAULT and run.primary.k == 1:
        return [f"The parameters of {method} are listed by shoal methods."]
    if method == DEFAULT and run.primary.k == 1 and not has_structure(run.tree.excess):
        other = "fewer columns (--leave-out)" if run.is_table else "other features (--features)"
        more = f"To see more clusters, try {other} or more rows."
        cuts = [command("shoal", "labels", run.path, "--k", c.k) for c in run.advice.choices[:1]]
        return [*run.advice.sentences, more, *(f"To cut the tree anyway: {cut}" for cut in cuts)]
    if any(layer.weak for layer in run.layers):
        return [
            "Weak layers: their last splits are barely clearer than chance. Inspect their clusters "
            "before relying on them."
        ]
    return []
