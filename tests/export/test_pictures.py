import base64
import io

import numpy as np
import pytest
from PIL import Image

from shoal.export.pictures import make_sprite, make_tiles, mean_picture


def opened(sprite):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(sprite.address.split(",")[1]))))


def test_small_pictures_are_kept_exactly(image_run):
    tiles = make_tiles(image_run.source, [3, 0, 3], 12)
    sprite = make_sprite(tiles, 100_000)
    assert (sprite.n, sprite.side, sprite.sharp) == (3, 12, True)
    rows = image_run.source.read(0, 4).data[..., 0]
    assert np.array_equal(opened(sprite), np.concatenate(rows[[3, 0, 3]], axis=1))


@pytest.mark.parametrize("side", [24, 64, 112])
def test_a_sprite_keeps_to_its_budget(side):
    tiles = np.random.default_rng(0).integers(0, 255, (20, side, side, 3), np.uint8)
    for budget in (60_000, 12_000, 6_000):
        sprite = make_sprite(tiles, budget)
        assert len(base64.b64decode(sprite.address.split(",")[1])) <= budget
        assert opened(sprite).shape == (sprite.side, 20 * sprite.side, 3)


def test_a_budget_that_cannot_be_kept_ends():
    assert make_sprite(np.zeros((2, 8, 8, 1), np.uint8), 1).side == 8


def test_the_mean_is_that_of_all_pictures(image_run):
    rows = list(range(40)) * 3
    exact = image_run.source.read(0, 40).data.astype(float).mean(0)
    assert np.abs(mean_picture(image_run.source, rows, 12) - exact).max() <= 0.5
