"""Stages whose parts are the earlier run's: what it knows is linked, not made again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shoal.stages import features, index, summarise, tree
from shoal.stages.base import Context
from shoal.stages.fitted import Fitted
from shoal.stages.growth.grown import Grown
from shoal.storage import write_npy


def _index(context: Context) -> dict[str, Any]:
    """Link what the earlier run knows of its rows, and index the others."""
    grown, source = context.added_to, context.opened
    named = not grown.kept or bool(grown.before.summary["named"])
    named &= source.names(0, 1) is not None or source.taken is not None
    grown.take_over(
        context.stage("index"),
        lambda kind, number: (
            number is not None and grown.keeps(number) and (named or kind != "names")
        ),
    )
    # Earlier versions did not note links.
    links = grown.before.summary.get("links") if grown.kept else True
    return index.index_rows(context, named, links, **_about(grown))


def _about(grown: Grown) -> dict[str, Any]:
    before = grown.before
    names = ("kind", "shape", "mixed_sizes", "rule", "reading", "pages", "values")
    kept = {name: before.summary.get(name) for name in names}
    about = {"previous": str(before.folder.path), "kept": grown.kept, "fitted": grown.fitted}
    return {**kept, "grown": about}


def _features(context: Context) -> dict[str, Any]:
    """Link the encoder and the projection, and where rows were encoded what is kept of them."""
    grown = context.added_to
    grown.take_over(context.stage("features"), lambda _, number: number is None or grown.kept > 0)
    return grown.stage("features").read_receipt().counts


def _summarise(context: Context) -> dict[str, Any]:
    """Link the representatives, and keep how far from them the rows were that they stand for."""
    grown, folder = context.added_to, context.stage("summarise")
    before, sampled = grown.before, grown.kept == 0
    left = {"place", "near", "rows"} if sampled else {"place", "near"}
    grown.take_over(folder, lambda kind, _: kind not in left)
    if sampled and before.source_rows is not None:
        write_npy(folder.whole("rows"), before.source_rows[before.representatives.rows])
    if not folder.whole("own_distance").exists():
        place, distance = Fitted(before).own
        write_npy(folder.whole("own_place"), place)
        write_npy(folder.whole("own_distance"), distance)
    return grown.stage("summarise").read_receipt().counts


def _tree(context: Context) -> dict[str, Any]:
    grown = context.added_to
    grown.take_over(context.stage("tree"), lambda *_: True)
    return grown.stage("tree").read_receipt().counts


INDEX = replace(index.STAGE, work=_index)
FEATURES = replace(features.STAGE, work=_features)
SUMMARISE = replace(summarise.STAGE, work=_summarise)
TREE = replace(tree.STAGE, work=_tree)
