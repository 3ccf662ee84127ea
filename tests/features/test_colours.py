import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.errors import InputError
from shoal.features import Colours, Encoder


def slow(image):
    """Mean, and the root of the covariance by its eigenvectors."""
    colours = image.reshape(-1, image.shape[-1]) / 255
    covariance = np.cov(colours.T, bias=True).reshape(colours.shape[1], -1)
    values, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(values, 0)) @ axes.T
    upper = np.triu_indices(len(root), 1)
    return np.concatenate([colours.mean(0), np.diag(root), np.sqrt(2) * root[upper]])


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]), st.integers(0, 99))
def test_a_row_is_the_mean_and_the_root_of_the_covariance(height, width, channels, seed):
    encoder = Colours((height, width, channels))
    assert isinstance(encoder, Encoder)
    generator = np.random.default_rng(seed)
    plain = generator.integers(0, 256, (2, height, width, channels), np.uint8)
    two = generator.integers(0, 256, (2, channels), np.uint8)[
        generator.integers(0, 2, (1, height, width))
    ]  # all on one line: two of three eigenvalues are zero
    images = np.concatenate([plain, two])
    found = encoder.encode(images)
    assert found.dtype == np.float32
    assert found.shape == (3, encoder.n_features)
    np.testing.assert_allclose(found, [slow(image) for image in images], atol=2e-6)


def test_what_an_even_image_has_is_its_colour():
    images = np.full((1, 4, 4, 3), (255, 51, 0), np.uint8)
    assert Colours((4, 4, 3)).encode(images).tolist() == [
        [1.0, np.float32(0.2), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    ]


def test_where_colours_lie_does_not_matter():
    encoder = Colours((16, 16, 3))
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (16, 16, 3), np.uint8)
    moved = generator.permutation(image.reshape(-1, 3)).reshape(16, 16, 3)
    found = encoder.encode(np.stack([image, moved]))
    assert np.array_equal(found[0], found[1])


def test_the_distance_is_how_far_colours_move():
    """Black and white in halves, against a grey that is as bright, and against a lighter pair."""
    images = np.zeros((3, 2, 2, 3), np.uint8)
    images[0, 0], images[1], images[2] = 255, 127, 100
    images[2, 0] = 255
    rows = Colours((2, 2, 3)).encode(images)
    # every pixel moves by half of the range in all three, or half of them by 100 levels
    assert np.linalg.norm(rows[0] - rows[1]) == pytest.approx(np.sqrt(3) / 2, abs=0.01)
    assert np.linalg.norm(rows[0] - rows[2]) == pytest.approx(np.sqrt(3 / 2) * 100 / 255, abs=1e-5)


@pytest.mark.parametrize("channels", [2, 4, 13, 40])
def test_other_channels_have_means_and_the_root_of_their_covariance(channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 7, 6, channels)).astype(np.uint8)
    encoder = Colours((7, 6, channels))
    rows = encoder.encode(images)
    assert rows.shape == (3, encoder.n_features)
    np.testing.assert_array_equal(encoder.encode(images[1:2]), rows[1:2])
    if channels > 32:  # neighbours are averaged
        return
    pixels = images[1].reshape(-1, channels) / 255
    np.testing.assert_allclose(rows[1, :channels], pixels.mean(axis=0), rtol=1e-5)
    root = np.zeros((channels, channels))
    root[np.triu_indices(channels, 1)] = rows[1, 2 * channels :] / np.sqrt(2)
    root += root.T + np.diag(rows[1, channels : 2 * channels])
    np.testing.assert_allclose(root @ root, np.cov(pixels.T, bias=True), atol=1e-6)


def test_large_images_do_not_overflow():
    rows = Colours((3000, 2000, 3)).encode(np.full((1, 3000, 2000, 3), 255, np.uint8))
    assert rows.tolist() == [[1.0] * 3 + [0.0] * 6]


def test_refuses_what_was_not_said():
    with pytest.raises(InputError, match="is needed"):
        Colours((4, 4))
    with pytest.raises(InputError, match="float64"):
        Colours((4, 4, 1)).encode(np.zeros((1, 4, 4, 1)))
