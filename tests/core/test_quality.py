"""Measures of single pictures."""

import numpy as np
import pytest
from PIL import Image, ImageFilter
from sklearn.datasets import load_sample_images

from shoal.core.quality import measure_quality


@pytest.fixture(scope="module")
def photo():
    image = Image.fromarray(load_sample_images().images[0])
    image.thumbnail((256, 256))
    return image


def notes(image):
    return measure_quality(np.asarray(image)).notes


def test_a_sharp_photo_has_none(photo):
    found = measure_quality(np.asarray(photo))
    assert found.notes == ()
    assert 0.15 < found.sharpness < 1
    assert 0 < found.detail < 1


def test_a_blurred_photo(photo):
    assert notes(photo.filter(ImageFilter.GaussianBlur(3))) == ("blurred",)


def test_more_blur_is_less_sharp(photo):
    pictures = [np.asarray(photo.filter(ImageFilter.GaussianBlur(r))) for r in (0.5, 1, 2, 4)]
    sharpness = [measure_quality(picture).sharpness for picture in pictures]
    assert sharpness == sorted(sharpness, reverse=True)


def test_dark_and_bright_photos(photo):
    assert notes(photo.point(lambda level: level // 6)) == ("dark",)
    assert notes(photo.point(lambda level: 200 + level // 6)) == ("bright",)


def test_blank_pictures_are_not_blurred():
    noise = np.random.default_rng(0).integers(100, 103, (90, 90, 1)).astype(np.uint8)
    assert notes(noise) == ("blank",)


def test_a_small_mark_on_an_empty_page():
    page = np.full((200, 200, 3), 250, np.uint8)
    page[90:96, 90:98] = 0
    assert notes(page) == ("nearly empty",) or notes(page) == ("bright", "nearly empty")


def test_small_pictures_have_no_sharpness():
    small = np.random.default_rng(0).integers(0, 256, (20, 20, 1)).astype(np.uint8)
    assert np.isnan(measure_quality(small).sharpness)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 300, 3), (70, 70, 5)])
def test_odd_arrays_are_measured(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    found = measure_quality(pixels)
    assert 0 <= found.brightness <= 255
    assert 0 <= found.contrast <= 128
    assert np.isnan(found.sharpness) == (min(shape[:2]) < 64)
    assert 0 <= found.detail <= 1
