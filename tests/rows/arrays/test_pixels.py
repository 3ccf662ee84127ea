import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError
from shoal.rows.arrays.pixels import (
    BLACK,
    GREY,
    WHITE,
    blend,
    choose_background,
    is_opacity,
    limit,
    remove_opacity,
    resize,
    shaped,
    to_bytes,
    to_channels,
    to_vectors,
)


def test_luminance_by_hand():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]], np.uint8)
    # .299, .587 and .114 of 255; 2.99 + 11.74 + 3.42
    assert to_channels(image, 1).ravel().tolist() == [76, 150, 29, 18]


@given(hnp.arrays(np.uint16, (3, 4)))
def test_16_bits_are_rounded(values):
    np.testing.assert_array_equal(to_bytes(values, 0, 65535), np.rint(values / 257))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_any_size_fits_any_other(height, width, to_height, to_width):
    image = np.full((height, width, 3), 90, np.uint8)
    fitted = shaped(image, ImageRequest((to_height, to_width)))
    assert fitted.shape == (to_height, to_width, 3)
    assert (fitted == 90).all()
    assert max(limit(image, 10).shape[:2]) <= max(10, 1)


def test_the_ways_to_fill_a_square_by_hand():
    # a black half, a white half, side by side: 8 high, 32 wide
    wide = np.zeros((8, 32, 1), np.uint8)
    wide[:, 16:] = 255
    crop = shaped(wide, ImageRequest((8, 8)))[..., 0]
    assert crop[0].tolist() == [0] * 4 + [255] * 4
    stretch = shaped(wide, ImageRequest((8, 8), fit="stretch"))[..., 0]
    assert stretch[:, :2].max() == 0
    assert stretch[:, -2:].min() == 255
    pad = shaped(wide, ImageRequest((8, 8), fit="pad", channels=3))
    assert pad.shape == (8, 8, 3)
    assert pad[0].min() == pad[-1].min() == 255
    assert pad[3:5, :3].max() == 0


def test_a_share_of_the_cut_is_the_middle_of_it():
    steps = np.repeat(np.arange(8, dtype=np.uint8) * 30, 4)
    image = np.broadcast_to(steps[None, :, None], (32, 32, 1))
    kept = shaped(image, ImageRequest((16, 16), kept=0.5))
    np.testing.assert_array_equal(kept[0, :, 0], np.repeat(np.arange(2, 6) * 30, 4))


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(("crop", "stretch", "pad")),
    st.sampled_from(("bilinear", "bicubic")),
    st.floats(0.1, 1),
)
def test_any_way_fills_the_size(height, width, way, sampling, kept):
    image = np.full((height, width, 1), 255, np.uint8)
    filled = shaped(image, ImageRequest((7, 11), channels=3, fit=way, sampling=sampling, kept=kept))
    np.testing.assert_array_equal(filled, np.full((7, 11, 3), 255))


def test_numbers_beyond_32_bits_are_bad():
    vectors, bad = to_vectors(np.array([[1, 2], [1e300, 3]]))
    assert bad == {1: "holds a value beyond the range of 32-bit floats"}
    np.testing.assert_array_equal(vectors, [[1, 2], [0, 0]])


@given(st.sampled_from((2, 4, 5)))
def test_channels_are_scaled_each_by_itself(channels):
    image = np.random.default_rng(channels).integers(0, 256, (20, 30, channels)).astype(np.uint8)
    scaled = resize(image, (7, 9))
    for channel in range(channels):
        one = resize(image[..., channel : channel + 1], (7, 9))
        np.testing.assert_array_equal(scaled[..., channel], one[..., 0])


def test_other_channels_are_dealt_to_colours_and_never_made_up():
    image = np.arange(1, 6, dtype=np.uint8).reshape(1, 1, 5) * 10
    assert to_channels(image, 3).ravel().tolist() == [25, 35, 30]  # 10 and 40, 20 and 50, 30
    assert to_channels(image, 1).ravel().tolist() == [30]
    assert to_channels(image[..., :2], 3).ravel().tolist() == [10, 20, 0]
    with pytest.raises(SourceError, match="has 3 channels, not 5"):
        to_channels(image[..., :3], 5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_stretching_takes_little_memory_beside_the_pixels(dtype):
    rows = np.random.default_rng(0).integers(0, 200, (1, 2000, 3000)).astype(dtype)
    tracemalloc.start()
    found = to_bytes(rows, 0.0, 199.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * found.nbytes  # it was nine times as much for whole numbers of 8 bits
    twin = np.rint(rows[:, ::40].astype(np.float64) * (255 / 199)).clip(0, 255)
    np.testing.assert_allclose(found[:, ::40], twin, atol=1)


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 9), st.just(4))),
    st.sampled_from((WHITE, GREY, BLACK)),
)
def test_a_blend_is_rounded(pixels, ground):
    opacity = pixels[..., 3:] / 255
    expected = pixels[..., :3] * opacity + ground * (1 - opacity)
    assert np.abs(blend(pixels, ground) - expected).max() <= 0.5 + 1e-9


def test_what_looks_like_opacity():
    band = np.random.default_rng(0).integers(20, 200, (4, 9, 9)).astype(np.uint8)
    assert not is_opacity(band)
    assert is_opacity(np.where(band > 150, band, 0).astype(np.uint8))
    assert is_opacity(np.full((4, 9), 7, np.uint8))
    assert is_opacity(np.zeros(0, np.uint8))


def drawing(level):
    image = np.zeros((8, 8, 4), np.uint8)
    image[2:5, 2:5] = (level, level, level, 255)
    return image


def test_the_ground_is_one_on_which_all_can_be_seen():
    assert choose_background([drawing(0), drawing(120)]) == WHITE
    assert choose_background([drawing(255), drawing(120)]) == BLACK
    assert choose_background([drawing(255), drawing(0)]) == GREY
    assert choose_background([drawing(255), *[drawing(90)] * 30]) == WHITE  # one of many
    assert choose_background([]) == WHITE
    assert choose_background([np.full((8, 8, 4), 255, np.uint8)]) == WHITE  # nothing is transparent


def test_an_even_opacity_is_dropped_unless_there_is_nothing_to_see():
    colours = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3)).astype(np.uint8)
    colours[2] = 90
    images = np.concatenate([colours, np.zeros((3, 4, 4, 1), np.uint8)], axis=-1)
    images[0, ..., 3] = 77
    laid = remove_opacity(images)
    np.testing.assert_array_equal(laid[:2], colours[:2])  # dimmed, and hidden
    assert (laid[2] == WHITE).all()
    assert remove_opacity(images[:0]).shape == (0, 4, 4, 3)
