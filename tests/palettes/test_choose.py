import numpy as np
import pytest
from PIL import Image

from shoal.palettes.choose import METHODS, choose_colours
from shoal.palettes.histogram import count_colours
from shoal.palettes.means import nearest
from shoal.palettes.pictures import to_rgba
from shoal.palettes.spaces import SPACES


def error(pixels, palette, space="rgb"):
    points = SPACES[space].points(to_rgba(pixels).reshape(-1, 4))
    chosen = SPACES[space].points(palette)
    return ((points - chosen[nearest(points, chosen)]) ** 2).sum(1).mean()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("space", SPACES)
def test_few_colours_are_kept_exactly(drawing, method, space):
    for k in (5, 6, 256, None):
        found = choose_colours(count_colours(to_rgba(drawing)), k, SPACES[space], method)
        assert set(map(tuple, found)) == set(map(tuple, to_rgba(drawing).reshape(-1, 4)))


@pytest.mark.parametrize("method", METHODS)
def test_there_are_no_more_colours_than_asked_for_and_each_is_used(photo, method):
    histogram = count_colours(to_rgba(photo))
    for k in (1, 2, 17):
        found = choose_colours(histogram, k, SPACES["oklab"], method)
        assert 1 <= len(found) <= k
        assert len(np.unique(found, axis=0)) == len(found)
        points = SPACES["oklab"].points(histogram.colours)
        assert len(np.unique(nearest(points, SPACES["oklab"].points(found)))) == len(found)


def test_it_beats_median_cut_and_reaches_k_means_of_all_pixels(photo):
    from sklearn.cluster import KMeans

    found = choose_colours(count_colours(to_rgba(photo)), 12, SPACES["rgb"], "shoal")
    pixels = photo.reshape(-1, 3)
    best = KMeans(12, n_init=3, random_state=0).fit(pixels / 255.0).inertia_ / len(pixels)
    cut = Image.fromarray(photo).quantize(12, Image.Quantize.MEDIANCUT, dither=0).convert("RGB")
    median = ((np.asarray(cut) / 255.0 - photo / 255.0) ** 2).sum(2).mean()
    assert error(photo, found) < 1.02 * best
    assert error(photo, found) < 10**-0.1 * median


def test_auto_takes_the_fewest_that_are_hardly_noticed(photo):
    histogram, oklab = count_colours(to_rgba(photo)), SPACES["oklab"]
    found = choose_colours(histogram, None, oklab, "shoal")
    assert error(photo, found, "oklab") ** 0.5 < 0.0205
    fewer = choose_colours(histogram, len(found) - 2, oklab, "shoal")
    assert error(photo, fewer, "oklab") ** 0.5 > 0.0195


def test_clear_and_faint_colours_have_their_own(photo):
    pixels = to_rgba(photo)
    pixels[:30, :, 3] = 0
    pixels[:30] = 0
    pixels[30:40, :, 3] = 128
    found = choose_colours(count_colours(pixels), 8, SPACES["oklab"], "shoal")
    assert [0, 0, 0, 0] in found.tolist()
    assert {0, 255} < set(found[:, 3].tolist())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [2, 5, None])
def test_clear_pixels_stay_clear_beside_faint_ones(photo, method, k):
    pixels = to_rgba(photo)
    pixels[..., 3] = np.linspace(1, 40, 80)
    pixels[:9] = 0
    found = choose_colours(count_colours(pixels), k, SPACES["oklab"], method)
    assert [0, 0, 0, 0] in found.tolist()
    assert len(found) <= (k or 256)


def test_the_same_seed_gives_the_same_colours(photo):
    histogram = count_colours(to_rgba(photo))
    for method in METHODS:
        one, two = (choose_colours(histogram, 9, SPACES["rgb"], method, 3) for _ in range(2))
        assert np.array_equal(one, two)
