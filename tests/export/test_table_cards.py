"""Drawings of a table's columns in the report: what they show lies inside of them."""

import re

import numpy as np
import pytest

from shoal.export.table_cards import _WIDTH, _bars, _box
from shoal.export.traits import gather_traits
from shoal.rows import open_source


def drawn(svg):
    """Left and right end of each shape of a drawing."""
    bars = re.findall(r'<rect x="([-\d.]+)"[^>]* width="([\d.]+)"', svg)
    lines = re.findall(r'<path class="(?:all|middle)" d="M([-\d.]+) ', svg)
    return [(float(x), float(x) + float(w)) for x, w in bars] + [(float(x),) * 2 for x in lines]


@pytest.mark.parametrize("beyond", [83.0, -83.0, 1e9])
def test_a_cluster_beyond_nine_tenths_of_all_rows_has_its_bar(beyond):
    draw = np.random.default_rng(0)
    group = np.repeat([0, 1], [600, 12])  # two in a hundred: outside of nine tenths
    table = {"age": np.where(group, beyond, 0) + draw.normal(size=612)}
    traits = gather_traits(open_source(table, as_="table"), group, 2)
    far = drawn(_box(traits, 1, 0))
    assert all(low >= 0 and high <= _WIDTH for low, high in far)
    bar, all_, middle = (low for low, _ in far)
    assert abs(bar - all_) > _WIDTH / 2
    assert abs(bar - middle) < abs(bar - all_)
    # The other one keeps the axis on which its bar can be read.
    low, high = drawn(_box(traits, 0, 0))[0]
    assert high - low > _WIDTH / 4


def test_the_bar_and_the_line_of_a_share_of_all_rows_are_drawn_in_full():
    for low, high in drawn(_bars(np.array([1.0, 0.0]), np.array([1.0, 0.0]))):
        assert 0 <= low <= high <= _WIDTH - 0.5
