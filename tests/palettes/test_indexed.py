import io

import numpy as np
import pytest
from PIL import Image

from shoal.errors import InputError
from shoal.palettes.indexed import indexed_bytes


def palette_of(k, clear=False):
    palette = np.random.default_rng(k).integers(0, 256, (k, 4), np.uint8)
    palette[:, 3] = 255
    if clear:
        palette[k // 2] = 0
    return palette


@pytest.mark.parametrize(
    ("k", "bits"), [(1, 1), (2, 1), (4, 2), (5, 4), (16, 4), (17, 8), (256, 8)]
)
@pytest.mark.parametrize("extension", [".png", ".gif"])
@pytest.mark.parametrize("clear", [False, True])
def test_files_hold_indexes_and_come_back(k, bits, extension, clear):
    palette = palette_of(k, clear)
    index = np.random.default_rng(0).integers(0, k, (13, 21)).astype(np.uint8)
    data = indexed_bytes(index, palette, extension)
    if extension == ".png":
        assert (data[24], data[25]) == (bits, 3)  # the depth, and "indexed"
    else:
        assert 2 << (data[10] & 7) == max(4, 1 << (k - 1).bit_length())  # Pillow has no fewer
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")), palette[index])
    assert data == indexed_bytes(index, palette, extension)


def test_colours_seen_through_in_part_are_for_png():
    palette = np.array([[1, 2, 3, 77], [0, 0, 0, 255]], np.uint8)
    index = np.array([[0, 1]], np.uint8)
    data = indexed_bytes(index, palette, ".png")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")), palette[index])
    with pytest.raises(InputError, match="clear-or-opaque"):
        indexed_bytes(index, palette, ".gif")
