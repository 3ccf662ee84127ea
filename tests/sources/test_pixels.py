import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.sources.pixels import fit, limit, on_white, to_bytes, to_channels, to_vectors


def test_luminance_by_hand():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30]]], np.uint8)
    # .299, .587 and .114 of 255; 2.99 + 11.74 + 3.42
    assert to_channels(image, 1).ravel().tolist() == [76, 150, 29, 18]


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 9), st.just(4))))
def test_on_white_is_the_rounded_blend(pixels):
    alpha = pixels[..., 3:] / 255
    blend = pixels[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(on_white(pixels) - blend).max() <= 0.5 + 1e-9


@given(hnp.arrays(np.uint16, (3, 4)))
def test_16_bits_are_rounded(values):
    np.testing.assert_array_equal(to_bytes(values, 0, 65535), np.rint(values / 257))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12))
def test_any_size_fits_any_other(height, width, to_height, to_width):
    image = np.full((height, width, 3), 90, np.uint8)
    fitted = fit(image, (to_height, to_width))
    assert fitted.shape == (to_height, to_width, 3)
    assert (fitted == 90).all()
    assert max(limit(image, 10).shape[:2]) <= max(10, 1)


def test_numbers_beyond_32_bits_are_bad():
    vectors, bad = to_vectors(np.array([[1, 2], [1e300, 3]]))
    assert bad == {1: "holds a value beyond the range of 32-bit floats"}
    np.testing.assert_array_equal(vectors, [[1, 2], [0, 0]])
