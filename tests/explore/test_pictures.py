import io

import numpy as np
import pytest
from PIL import Image

from shoal.explore.pictures import Pictures
from shoal.rows import open_source


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


@pytest.mark.parametrize("channels", [2, 4, 5])
@pytest.mark.parametrize("side", [16, 200])
def test_images_of_other_channels_are_shown_in_colours(channels, side):
    images = np.full((4, side, side, channels), 60, np.uint8)
    images[..., -1] = 209 + np.arange(side) % 3  # one value would tell nothing, and be dropped
    pictures = Pictures(open_source(images))
    shown = [60, 60, 0 if channels == 2 else 60]
    shown[(channels - 1) % 3] = (60 + 210) // 2 if channels > 3 else 210
    drawn = (pictures.strip([0, 3], 96)[0], pictures.picture(1)[0], pictures.mean([0, 1])[0])
    for data in drawn:
        assert np.abs(opened(data)[5, 5] - shown).max() <= 6
    sheet = opened(pictures.sheet([0, 1], 2, 32))
    assert np.abs(sheet[10, 10] - shown).max() <= 6
    assert np.abs(opened(pictures.boxes([0], [[0, 0, 64, 64]]))[32, 32] - shown).max() <= 6
