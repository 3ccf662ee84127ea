import numpy as np
import pytest

from shoal.palettes import indexed
from shoal.palettes.dither import dithered
from shoal.palettes.pictures import to_rgba
from shoal.palettes.spaces import SPACES

BLACK_WHITE = np.array([[0, 0, 0, 255], [255, 255, 255, 255]], np.uint8)
RGB = SPACES["rgb"]


def slow_diffusion(grey):
    """Floyd–Steinberg, every other row from right to left, to 0 and 1."""
    want, out = np.pad(grey, ((0, 1), (1, 1))), np.zeros(grey.shape, int)
    for y in range(len(grey)):
        step = 1 if y % 2 == 0 else -1
        for x in range(grey.shape[1])[::step]:
            value = np.clip(want[y, x + 1], 0, 1)
            out[y, x] = value > 0.5
            error = value - out[y, x]
            want[y, x + 1 + step] += error * 7 / 16
            for at, part in ((-step, 3), (0, 5), (step, 1)):
                want[y + 1, x + 1 + at] += error * part / 16
    return out


@pytest.mark.parametrize("rows", [1, 3, 1000])
def test_errors_spread_as_floyd_and_steinberg_say(monkeypatch, rows):
    monkeypatch.setattr(indexed, "_BAND_PIXELS", rows * 23)
    pixels = np.random.default_rng(0).integers(0, 256, (19, 23), np.uint8)
    found = dithered(to_rgba(pixels), BLACK_WHITE, RGB, "floyd-steinberg")
    assert (found == slow_diffusion(pixels / 255)).mean() > 0.99  # but for float32's ties


@pytest.mark.parametrize("dither", ["ordered", "floyd-steinberg"])
@pytest.mark.parametrize("level", [40, 128, 200])
def test_the_mean_is_the_colour(dither, level):
    pixels = to_rgba(np.full((32, 32), level, np.uint8))
    found = dithered(pixels, BLACK_WHITE, RGB, dither)
    assert found.mean() == pytest.approx(level / 255, abs=0.03)


@pytest.mark.parametrize("dither", ["ordered", "floyd-steinberg"])
@pytest.mark.parametrize("space", SPACES)
def test_clear_pixels_stay_clear_and_palette_colours_as_they_are(dither, space):
    palette = np.vstack([BLACK_WHITE, [[0, 0, 0, 0], [250, 20, 20, 255]]]).astype(np.uint8)
    index = np.arange(64).reshape(8, 8) // 8 % 4
    pixels = palette[index]
    found = dithered(pixels, palette, SPACES[space], dither)
    assert np.array_equal(found == 2, index == 2)
    if dither == "floyd-steinberg":
        assert np.array_equal(found, index)


def test_one_colour_alone():
    pixels = to_rgba(np.full((3, 3), 9, np.uint8))
    for dither in ("ordered", "floyd-steinberg"):
        assert not dithered(pixels, BLACK_WHITE[:1], RGB, dither).any()
