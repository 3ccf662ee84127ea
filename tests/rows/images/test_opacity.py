import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.rows.images.opacity import (
    BLACK,
    GREY,
    WHITE,
    blend,
    choose_background,
    is_opacity,
    remove_opacity,
)


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
