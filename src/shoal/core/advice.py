"""Advice after a fit: the number of clusters, a large mixed one, other K nearly as clear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.core.layers import Layer
from shoal.core.null import has_structure
from shoal.core.plural import plural
from shoal.core.primary import layer_score
from shoal.core.tree import Tree
from shoal.core.verdicts import numbered_by_size

# "Nearly as clear": half of the suggested cut's score, by the rule that suggests it
# (`core.primary`), or more.
_NEARLY = 0.5
# "Large": twice an even share. Smaller mixed clusters are marked by a badge on the page.
_LARGE = 2.0
_OTHERS = 2
# Best guesses when no split is significant: as many clusters as a person would look through.
_MOST_GUESSED = 12
_GUESSES = 3


@dataclass(frozen=True)
class Choice:
    """Another K worth a look, and why."""

    k: int
    why: str


@dataclass(frozen=True)
class Advice:
    """A few sentences, and the values of K that they mention."""

    sentences: tuple[str, ...]
    choices: tuple[Choice, ...]

    def __repr__(self) -> str:
        return " ".join(self.sentences)

    def as_dict(self) -> dict[str, Any]:
        return {
            "sentences": list(self.sentences),
            "choices": [asdict(choice) for choice in self.choices],
        }


def advise(tree: Tree, layers: Sequence[Layer], weights: NDArray[np.int64]) -> Advice:
    """Advise on what to look at first in a fit; `weights`, (m,), are the rows of each leaf."""
    primary = next(layer for layer in layers if layer.primary)
    if primary.k == 1:
        return _one_cluster(tree)
    first, choices = _large_and_mixed(tree, primary.k, layers[-1].k, weights)
    # A weak layer is no clearer than chance, unless that is all there is.
    shown = [layer for layer in layers if layer.k > 1 and layer.weak <= primary.weak]
    scores = {layer.k: layer_score(tree, layer.k, weights, layer.stability) for layer in shown}
    own = scores[primary.k]
    near = [k for k, score in scores.items() if score > 0 and score >= _NEARLY * own]
    near = sorted(set(near) - {primary.k}, key=lambda k: -scores[k])[:_OTHERS]
    why = {k: "clearer" if scores[k] > own else "nearly as clear" for k in near}
    choices += [Choice(k, why[k]) for k in near if k not in {one.k for one in choices}]
    if near:
        phrases = [f"K = {k:,} is {why[k]}" for k in near]
        return Advice((first, f"{' and '.join(phrases)}."), tuple(choices))
    beside = _neighbours(primary.k, list(scores))
    choices += [Choice(k, f"the next {way} layer") for k, way in beside]
    named = " and ".join(f"K = {k:,} ({way})" for k, way in beside)
    second = (
        f"Other layers: {named}."
        if beside
        # Touching groups of similar extent show in k-means and its criteria, not in the excess.
        else "No other K is nearly as clear. To compare values of K with k-means: "
        "shoal choose-k SOURCE"
    )
    return Advice((first, second), tuple(choices))


def _neighbours(k: int, others: list[int]) -> list[tuple[int, str]]:
    coarser = [(o, "coarser") for o in others if o < k]
    finer = [(o, "finer") for o in others if o > k]
    return coarser[-1:] + finer[:1]


def advise_method(method: str, k: int) -> Advice:
    """Describe the result of another method; advice is available only for Shoal's own layers."""
    return Advice((f"{plural(k, 'cluster')} by {method}.",), ())


def _one_cluster(tree: Tree) -> Advice:
    """Suggest the cuts with the widest gaps after them among the first few splits."""
    certain = has_structure(tree.excess)
    first = (
        "One cluster, as requested; the data shows more."
        if certain
        else "One cluster: no split is clearer than in unstructured data of this size and shape."
    )
    excess = tree.excess[:_MOST_GUESSED].astype(np.float64)
    excess = excess[np.isfinite(excess)]
    best = np.argsort(np.diff(excess), kind="stable")[:_GUESSES]
    guesses = sorted(int(at) + 2 for at in best)
    if not guesses:
        return Advice((first,), ())
    named = " and ".join(filter(None, (", ".join(map(str, guesses[:-1])), str(guesses[-1]))))
    verb = "cut is" if len(guesses) == 1 else "cuts are"
    second = f"The {'clearest coarse' if certain else 'least unlikely'} {verb} K = {named}."
    why = "a clear cut" if certain else "a guess"
    return Advice((first, second), tuple(Choice(k, why) for k in guesses))


def _large_and_mixed(
    tree: Tree, k: int, finest: int, weights: NDArray[np.int64]
) -> tuple[str, list[Choice]]:
    """Describe the largest cluster that the finest layer splits, if it is large."""
    labels, sizes = numbered_by_size(tree.labels(k), weights)
    fine = tree.labels(finest)
    for cluster, size in enumerate(sizes.tolist()):
        share = size / sizes.sum()
        if share < _LARGE / k:
            break
        inside = np.flatnonzero(labels == cluster)
        parts = np.unique(fine[inside])
        if len(parts) > 1:
            apart = _comes_apart(tree, inside)
            sentence = (
                f"{k:,} clusters; cluster {cluster} is large and mixed: it has {share:.0%} of "
                f"the rows, and splits into {plural(len(parts), 'cluster')} at K = {apart:,}."
            )
            return sentence, [Choice(apart, f"cluster {cluster} splits")]
    return f"{k:,} clusters; none is both large and mixed.", []


def _comes_apart(tree: Tree, inside: NDArray[np.int64]) -> int:
    """Return the smallest K at which leaves of one cluster are no longer together."""
    mine = np.isin(tree.order, inside)
    within = mine[tree.splits] & mine[tree.splits - 1]
    return int(within.argmax()) + 2
