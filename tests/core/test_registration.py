"""Similarity of pictures after the best fit."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from shoal.core.registration import similarities

SIDE = 32


def scene(seed, side=64):
    """A smooth random picture of three channels, as photos are."""
    rng = np.random.default_rng(seed)
    noise = gaussian_filter(rng.normal(size=(side, side, 3)), (3, 3, 0))
    return np.clip(128 + 60 * noise / noise.std(), 0, 255)


def small(picture):
    scale = SIDE / picture.shape[0], SIDE / picture.shape[1], 1
    return np.clip(zoom(gaussian_filter(picture, (1, 1, 0)), scale, order=1), 0, 255).astype(
        np.uint8
    )


def similarity(a, b):
    return float(similarities(np.stack([a, b]), np.array([[0, 1]]))[0])


CHANGES = {
    "same": lambda p: p,
    "darker": lambda p: 0.6 * p,
    "clipped": lambda p: np.clip(1.4 * p, 0, 255),
    "less contrast": lambda p: 0.5 * p + 60,
    "cropped": lambda p: p[2:-1, 1:-2],
    "shifted": lambda p: np.roll(p, (2, -3), (0, 1)),
    "noisy": lambda p: p + np.random.default_rng(1).normal(0, 6, p.shape),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_similar(change):
    original = scene(0)
    assert similarity(small(original), small(CHANGES[change](original))) > 0.93


def test_other_pictures_are_not():
    pictures = np.stack([small(scene(seed)) for seed in range(12)])
    pairs = np.array([(i, j) for i in range(12) for j in range(i)])
    assert similarities(pictures, pairs).max() < 0.8


def test_the_same_shapes_in_another_colour_are_not():
    original = scene(3)
    assert similarity(small(original), small(original[..., [2, 0, 1]])) < 0.8


def test_a_negative_is_not():
    original = scene(4)
    assert similarity(small(original), small(255 - original)) < 0.5


def test_the_same_light_with_other_detail_is_not():
    light = np.linspace(0, 200, 64)[:, None, None] * np.ones((1, 64, 3))
    rng = np.random.default_rng(0)
    detail = [gaussian_filter(rng.normal(0, 120, (64, 64, 3)), (2, 2, 0)) for _ in range(2)]
    first, second = (small(np.clip(light + d, 0, 255)) for d in detail)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.9
    assert similarity(first, second) < 0.9


def test_blank_pictures_are_similar_to_nothing():
    blank = np.full((SIDE, SIDE, 3), 90, np.uint8)
    assert similarity(blank, blank) == 0
    assert similarity(blank, small(scene(0))) == 0


def test_grey_pictures_of_other_sides():
    a = small(scene(5))[:20, :28, :1]
    assert similarity(a, np.ascontiguousarray(a // 2 + 40)) > 0.99
