import itertools

import numpy as np

from shoal.core.tree import Tree
from shoal.explore.colours import COUNT, cut_colours, palette, piece_colours
from shoal.palettes.spaces import linear_to_oklab, to_linear


def oklab(rgb):
    return linear_to_oklab(to_linear(np.asarray(rgb, np.float64)))


def test_hundreds_of_colours_can_be_told_apart():
    colours = palette()
    assert colours.shape == (COUNT, 3)
    assert len(np.unique(colours, axis=0)) == COUNT
    lab = oklab(colours / 255)
    apart = np.sqrt(((lab[:, None] - lab[None]) ** 2).sum(2)) + 9 * np.eye(COUNT)
    assert apart[:10, :10].min() > 0.09
    assert apart[:100, :100].min() > 0.025
    assert np.array_equal(colours, palette())


def luminance(colours):
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_colours_stand_out_from_dark_and_from_light_paper():
    bright = luminance(palette() / 255)
    assert ((bright + 0.05) / 0.06 > 3).all()
    assert (1.05 / (bright + 0.05) > 1.4).all()


def test_oklab_of_white_red_and_grey():
    found = oklab(np.array([[1, 1, 1], [1, 0, 0], [0.5, 0.5, 0.5]]))
    assert np.allclose(found[0], [1, 0, 0], atol=1e-4)
    assert np.allclose(found[1], [0.62796, 0.22486, 0.12585], atol=1e-4)
    assert np.allclose(found[2, 1:], 0, atol=1e-4)


def test_the_heavier_side_keeps_its_colour_from_cut_to_cut():
    draw = np.random.default_rng(0)
    m = 40
    splits = draw.permutation(np.arange(1, m)).astype(np.int32)
    tree = Tree(np.arange(m, dtype=np.int32), splits, np.zeros(m - 1, np.float32))
    weights = draw.integers(1, 50, m)
    sides = piece_colours(tree, weights, m)
    ends = np.concatenate([[0], np.cumsum(weights)])
    before = {0: (0, m)}
    for k in range(2, m + 1):
        bounds = tree.bounds(k)
        colours = cut_colours(tree, sides, k)
        now = dict(zip(colours.tolist(), itertools.pairwise(bounds), strict=True))
        assert sorted(now) == list(range(k))
        new = now[k - 1]
        split = next(c for c, piece in before.items() if piece != now[c])
        assert ends[new[1]] - ends[new[0]] <= ends[now[split][1]] - ends[now[split][0]]
        assert all(now[c] == piece for c, piece in before.items() if c != split)
        before = now
