import numpy as np
import pytest

from shoal.palettes import histogram
from shoal.palettes.histogram import Histogram, average_cells, count_colours, total


def test_colours_are_counted_as_a_slow_count_does(photo):
    pixels = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    found = count_colours(pixels)
    colours, counts = np.unique(pixels.reshape(-1, 4), axis=0, return_counts=True)
    ours = {tuple(c): n for c, n in zip(found.colours.tolist(), found.counts, strict=True)}
    assert ours == {tuple(c): n for c, n in zip(colours.tolist(), counts, strict=True)}


def test_parts_add_up_to_the_whole(photo):
    pixels = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    whole, parts = count_colours(pixels), total(map(count_colours, (pixels[:20], pixels[20:])))
    assert np.array_equal(whole.keys, parts.keys)
    assert np.array_equal(whole.counts, parts.counts)


def test_too_many_colours_are_rounded_and_none_is_lost(photo, monkeypatch):
    monkeypatch.setattr(histogram, "_MOST", 100)
    pixels = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    parts = total(map(count_colours, (pixels[:20], pixels[20:])))
    assert not parts.exact
    assert (parts.colours[:, :3] % 2 == 0).all()
    assert (parts.colours[:, 3] == 255).all()
    assert parts.counts.sum() == 60 * 80


def test_cells_keep_the_mean_and_the_spread(monkeypatch):
    monkeypatch.setattr(histogram, "_ENOUGH_CELLS", 2)
    colours = np.array([[0, 0, 0, 255], [2, 0, 0, 255], [200, 0, 0, 255]], np.uint8)
    points, weights = colours.astype(np.float32), np.array([3.0, 1.0, 5.0])
    cells = average_cells(colours, points, weights)
    assert cells.points[:, 0].tolist() == [0.5, 200]
    assert cells.weights.tolist() == [4, 5]
    assert cells.spread == pytest.approx(3 * 0.25 + 1.5**2)


def test_few_colours_are_average_cells_their_own():
    colours = np.array([[0, 0, 0, 255], [2, 0, 0, 255], [4, 0, 0, 255]], np.uint8)
    cells = average_cells(colours, colours.astype(np.float32), np.ones(3))
    assert (len(cells.points), cells.spread) == (3, 0)


def test_nothing_adds_up_to_nothing():
    assert isinstance(total([]), Histogram)
    assert len(total([]).keys) == 0
