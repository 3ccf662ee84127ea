import numpy as np
import pytest

import shoal
from shoal.errors import InputError
from shoal.stages.method_result import Found


def cut_line(ax):
    return [
        line.get_xdata()[0]
        for line in ax.lines
        if not isinstance(line.get_linestyle(), str) or line.get_linestyle() == "--"
    ]


@pytest.mark.parametrize("k", [3, 4, 8])
def test_the_line_crosses_as_many_branches_as_there_are_clusters(digits, k):
    ax = digits.plot.dendrogram(k=k, leaves=12)
    excess = digits.tree.excess
    assert excess[k - 2] > excess[k - 1]  # of equal splits a line cannot take one
    (at,) = cut_line(ax)
    assert at == pytest.approx(np.clip(excess[k - 2 : k], 0, None).mean())
    branches = [line for line in ax.lines if len(line.get_xdata()) == 4]
    assert len(branches) == 11
    assert sum(max(branch.get_xdata()) > at for branch in branches) == k - 1


def test_leaves_are_named_counted_and_pictured(digits, texts):
    from matplotlib.offsetbox import AnnotationBbox

    ax = digits.plot.dendrogram()
    listed = digits.edits.listing()
    assert {f"{line['name']}  ({line['rows']})" for line in listed} <= set(texts(ax))
    assert len(ax.findobj(AnnotationBbox)) == 3 * len(listed)


def test_tables_have_no_pictures_and_finer_leaves_the_clusters_names(table, texts):
    table.edits.rename(0, "low $income$")
    try:
        found = [t for t in texts(table.plot.dendrogram(leaves=4)) if t.startswith("low")]
    finally:
        table.edits.undo()
    assert found
    assert all(text.startswith(r"low \$income\$  (") for text in found)


def test_one_cluster_has_no_tree(digits):
    for options in ({"k": 1, "leaves": 1}, {"leaves": 61}, {"leaves": 2.5}):
        with pytest.raises(InputError, match="--leaves must be"):
            digits.plot.dendrogram(**options)


def test_a_dendrogram_is_drawn_by_the_heights_of_its_method(digits, tmp_path):
    rows = digits.representatives.vectors[:90]
    run = shoal.fit(rows, tmp_path / "run", method="agglomerative", k=4, workers=1)
    ax = run.plot.dendrogram(leaves=9)
    assert "distance" in ax.get_xlabel()
    branches = [line for line in ax.lines if len(line.get_xdata()) == 4]
    drawn = sorted(max(branch.get_xdata()) for branch in branches)
    assert drawn == pytest.approx(Found(run._result).heights[-8:])
    (at,) = cut_line(ax)
    assert sum(height > at for height in drawn) == 3


def test_splits_less_than_chance_are_drawn_apart_from_the_leaves(table, tmp_path):
    draw = np.random.default_rng(0).normal(size=(200, 2))
    run = shoal.fit(draw, tmp_path / "run", method="kmeans", k=5, workers=1)
    assert run.tree.excess[:4].min() < 0
    ax = run.plot.dendrogram()
    branches = [line for line in ax.lines if len(line.get_xdata()) == 4]
    assert all(max(branch.get_xdata()) > ax.get_xlim()[1] for branch in branches)
    assert not cut_line(ax)
