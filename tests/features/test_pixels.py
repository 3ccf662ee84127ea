import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.features import Encoder, Pixels


def slow_means(image, down, across):
    rows = [r * image.shape[0] // down for r in range(down + 1)]
    columns = [c * image.shape[1] // across for c in range(across + 1)]
    return [
        image[rows[r] : rows[r + 1], columns[c] : columns[c + 1]].mean(axis=(0, 1)) / 255
        for r in range(down)
        for c in range(across)
    ]


def test_small_images_keep_every_value():
    images = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3) * 10
    encoder = Pixels((2, 2, 3))
    assert isinstance(encoder, Encoder)
    encoder.setup()
    found = encoder.encode(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, images.reshape(2, 12) / 255, rtol=1e-6)


@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 3]))
def test_large_images_are_averaged_down(height, width, channels):
    encoder = Pixels((height, width, channels))
    images = np.random.default_rng(0).integers(0, 256, (2, height, width, channels), np.uint8)
    found = encoder.encode(images)
    assert found.shape == (2, encoder.n_features)
    assert encoder.n_features <= 3072
    twin = [np.ravel(slow_means(image, *encoder.grid)) for image in images]
    np.testing.assert_allclose(found, twin, atol=1e-5)


@pytest.mark.parametrize("channels", [2, 4, 5, 13, 300])
def test_every_channel_counts(channels):
    images = np.full((channels, 32, 32, channels), 100, np.uint8)
    for channel in range(channels):
        images[channel, :16, :, channel] = 200
    encoder = Pixels((32, 32, channels))
    rows = encoder.encode(images)
    assert rows.shape == (channels, encoder.n_features)
    assert encoder.n_features <= 3072
    assert (np.ptp(rows, axis=1) > 0).all()


def test_no_images_give_no_rows():
    assert Pixels((40, 40, 1)).encode(np.zeros((0, 40, 40, 1), np.uint8)).shape == (0, 1024)


def test_refuses_what_was_not_said():
    with pytest.raises(InputError, match="is needed"):
        Pixels((4, 4))
    with pytest.raises(InputError, match="float64"):
        Pixels((4, 4, 1)).encode(np.zeros((1, 4, 4, 1)))
