import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.palettes.spaces import SPACES

COLOURS = np.random.default_rng(0).integers(0, 256, (500, 4), np.uint8)


def test_oklab_is_that_of_its_page():
    # https://bottosson.github.io/posts/oklab and CSS Color 4: red is (.62796, .22486, .12585).
    red, white = SPACES["oklab"].points(np.array([[255, 0, 0, 255], [255] * 4], np.uint8))
    assert red[:3] == pytest.approx([0.62796, 0.22486, 0.12585], abs=1e-4)
    assert white[:3] == pytest.approx([1, 0, 0], abs=1e-4)


@pytest.mark.parametrize("name", SPACES)
def test_opaque_colours_come_back(name):
    colours = COLOURS.copy()
    colours[:, 3] = 255
    assert np.array_equal(SPACES[name].colours(SPACES[name].points(colours)), colours)


@pytest.mark.parametrize("name", SPACES)
def test_what_can_be_seen_of_colours_comes_back(name):
    found = SPACES[name].colours(SPACES[name].points(COLOURS))
    assert np.array_equal(found[:, 3], COLOURS[:, 3])
    apart = np.abs(found[:, :3].astype(int) - COLOURS[:, :3]) * (COLOURS[:, 3:] / 255)
    assert apart.max() <= 1


@given(st.lists(st.integers(0, 255), min_size=8, max_size=8))
def test_the_distance_is_the_mean_of_those_on_black_and_on_white(values):
    pair = np.array(values, np.uint8).reshape(2, 4)
    points = SPACES["rgb"].points(pair).astype(float)
    opacity = pair[:, 3:] / 255
    laid = [pair[:, :3] / 255 * opacity + ground * (1 - opacity) for ground in (0, 1)]
    expected = np.mean([((one[0] - one[1]) ** 2).sum() for one in laid])
    assert ((points[0] - points[1]) ** 2).sum() == pytest.approx(expected, abs=1e-5)
