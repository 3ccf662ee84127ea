import re

import numpy as np

from shoal.export.dendrogram import WIDTH, draw_tree

MERGES = [(0, 1, 1.0), (2, 3, 2.0), (4, 5, 8.0)]


def branch(svg):
    return re.search(r'class="branch" d="([^"]*)"', svg)[1]


def test_splits_lie_further_left_the_clearer_they_are():
    path = branch(draw_tree(MERGES, [], "said").svg)
    joins = [float(x) for x in re.findall(r"H([\d.]+)V", path)]
    assert joins == sorted(joins, reverse=True)
    assert joins[-1] == 14.0
    assert max(joins) < WIDTH


def test_leaves_lie_in_rows_from_top_to_bottom():
    drawing = draw_tree(MERGES, [], "said")
    starts = re.findall(rf"M{WIDTH - 8}\.0 ([\d.]+)", branch(drawing.svg))
    ends = re.findall(r"V([\d.]+)H", branch(drawing.svg))
    rows = [drawing.top + drawing.row * (at + 0.5) for at in range(4)]
    assert [float(y) for y in starts[:2]] == rows[::2]
    assert [float(y) for y in ends[:2]] == rows[1::2]


def test_splits_fainter_than_chance_are_drawn_apart_from_the_leaves():
    path = branch(draw_tree([(0, 1, -2.0), (2, 3, -1.0)], [], "said").svg)
    joins = [float(x) for x in re.findall(r"H([\d.]+)V", path)]
    assert joins[1] < joins[0] < WIDTH - 8


def test_what_is_not_finite_is_drawn_at_the_edge():
    for svg in (
        draw_tree([(0, 1, -np.inf)], [], "said").svg,
        draw_tree([(0, 1, np.nan), (2, 3, np.inf)], [(2, np.inf)], "said").svg,
    ):
        assert not re.search(r"\b(nan|inf)\b", svg)


def test_coarser_layers_are_marked():
    svg = draw_tree(MERGES, [(2, 8.0), (3, 2.0)], "said").svg
    assert ">K = 2<" in svg
    assert ">K = 3<" in svg
