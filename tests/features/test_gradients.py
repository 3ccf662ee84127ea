import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from shoal.errors import InputError
from shoal.features import Encoder, Gradients
from shoal.features.gradients import tents

SHAPES = [(8, 8, 1), (28, 28, 1), (16, 16, 3), (19, 33, 3), (64, 64, 3), (70, 67, 1), (4, 4, 3)]


def slow_gradients(image, cells, shrink, smooth):
    """Features of one image as the docstring of `Gradients` words them, pixel by pixel."""
    light = image.astype(float) @ np.array([0.299, 0.587, 0.114] if image.shape[2] == 3 else [1.0])
    height, width = (side // shrink for side in light.shape)
    light = light[: height * shrink, : width * shrink]
    light = light.reshape(height, shrink, width, shrink).mean(axis=(1, 3))
    for axis in (0, 1):
        padded = np.pad(light, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], mode="edge")
        before, after = (
            padded.take(range(light.shape[axis]), axis),
            padded.take(range(2, light.shape[axis] + 2), axis),
        )
        light = (1 - 2 * smooth) * light + smooth * (before + after)
    light = np.pad(light, 1, mode="edge")
    histograms = np.zeros((cells[1], cells[0], 8))
    for y in range(height):
        for x in range(width):
            gx = (light[y + 1, x + 2] - light[y + 1, x]) / 2
            gy = (light[y + 2, x + 1] - light[y, x + 1]) / 2
            parts = slow_split(gx, gy)
            for r, down in slow_share(y, height, cells[0]):
                for c, across in slow_share(x, width, cells[1]):
                    histograms[c, r] += down * across * parts
    total = histograms.sum()
    edges = np.sqrt(histograms.ravel() * total / (total**2 + (2 * height * width) ** 2))
    return edges if image.shape[2] == 1 else np.concatenate([edges, slow_blocks(image)])


def slow_split(gx, gy):
    """Write a gradient as a sum of the two directions beside its angle."""
    parts = np.zeros(8)
    low = int(np.floor(np.arctan2(gy, gx) / (np.pi / 4) + 1e-12))
    angles = np.array([low, low + 1]) * np.pi / 4
    parts[[low % 8, (low + 1) % 8]] = np.linalg.solve(
        np.array([np.cos(angles), np.sin(angles)]), [gx, gy]
    )
    return parts


def slow_share(pixel, n, cells):
    """Give the cells whose tent a pixel is under, and how much of it is in each."""
    place = min(max((pixel + 0.5) * cells / n - 0.5, 0), cells - 1)
    return [(c, 1 - abs(place - c)) for c in range(cells) if abs(place - c) < 1]


def slow_blocks(image):
    """Twice the means of 4 × 4 blocks of a colour image of at least 4 × 4 pixels."""
    rows, columns = (np.arange(5) * side // 4 for side in image.shape[:2])
    return np.array(
        [
            image[rows[r] : rows[r + 1], columns[c] : columns[c + 1]].mean(axis=(0, 1)) * 2 / 255
            for r in range(4)
            for c in range(4)
        ]
    ).ravel()


def random_images(shape, n=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def smoothing(encoder):
    sides = np.array(encoder.shape[:2]) // encoder.shrink
    return min(0.25, (sides / encoder.grid).min() ** 2 / 72)


def histograms(encoder, image):
    down, across = encoder.grid
    edges = encoder.encode(image[None])[0, : down * across * 8]
    return edges.reshape(across, down, 8)


def test_is_an_encoder_that_can_be_pickled():
    encoder = Gradients((28, 28, 1))
    assert isinstance(encoder, Encoder)
    assert pickle.loads(pickle.dumps(encoder)) == encoder
    encoder.setup()
    assert encoder.encode(random_images(encoder.shape)).shape == (5, encoder.n_features)


@pytest.mark.parametrize(
    ("shape", "shrink", "grid"),
    [
        ((8, 8, 1), 1, (4, 4)),
        ((16, 16, 3), 1, (4, 4)),
        ((28, 28, 1), 1, (7, 7)),
        ((32, 32, 3), 1, (8, 8)),
        ((48, 48, 3), 1, (8, 8)),
        ((64, 64, 3), 2, (8, 8)),
        ((200, 100, 3), 3, (16, 8)),
        ((1, 1, 1), 1, (1, 1)),
        ((2, 900, 1), 1, (2, 32)),
    ],
)
def test_cells_follow_from_the_size(shape, shrink, grid):
    encoder = Gradients(shape)
    assert (encoder.shrink, encoder.grid) == (shrink, grid)


def test_an_edge_goes_to_its_direction_and_its_cells():
    image = np.zeros((16, 16, 1), np.uint8)
    image[:, 8:] = 255
    found = histograms(Gradients((16, 16, 1)), image)
    right = found[..., 0]
    assert (found[..., 1:] == 0).all()
    np.testing.assert_allclose(right, right[::-1])  # the edge is in the middle
    assert (right[1:3] > right[0].max()).all()
    np.testing.assert_allclose((found**2).sum(), 1, rtol=0.02)
    turned = histograms(Gradients((16, 16, 1)), np.rot90(image)[..., :].copy())
    np.testing.assert_allclose(turned[..., 6], right.T, rtol=1e-6)


def test_a_slope_by_hand():
    # one cell in effect: every gradient is (3, 1) of the inner pixels, 2 parts right, √2 down right
    y, x = np.mgrid[:32, :32]
    image = (3 * x + y)[..., None].astype(np.uint8)
    inner = histograms(Gradients((32, 32, 1)), image)[3, 3] ** 2
    np.testing.assert_allclose(inner[1] / inner[0], 2**0.5 / 2, rtol=1e-5)
    np.testing.assert_allclose(inner[2:], 0, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_slow_twin(shape):
    encoder = Gradients(shape)
    images = random_images(shape, 3)
    twin = [
        slow_gradients(image, encoder.grid, encoder.shrink, smoothing(encoder)) for image in images
    ]
    np.testing.assert_allclose(encoder.encode(images), twin, atol=2e-5)


def test_colour_is_the_means_of_blocks():
    image = np.zeros((16, 16, 3), np.uint8)
    image[:4, 4:8] = [255, 0, 51]
    colours = Gradients((16, 16, 3)).encode(image[None])[0, -48:].reshape(4, 4, 3)
    np.testing.assert_allclose(colours[0, 1], [2, 0, 0.4], rtol=1e-6)
    assert colours.sum() == pytest.approx(2.4)


def test_faint_images_equal_strong_ones_but_noise_stays_small():
    image = np.zeros((28, 28), np.uint8)
    image[5:20, 8:16] = 240
    noise = np.random.default_rng(0).integers(128, 130, (28, 28), dtype=np.uint8)
    strong, faint, flat = Gradients((28, 28, 1)).encode(
        np.stack([image, image // 4, noise])[..., None]
    )
    assert np.linalg.norm(strong - faint) < 0.2
    assert np.linalg.norm(flat) < 0.2
    assert np.linalg.norm(strong) == pytest.approx(1, abs=0.1)


def test_digits_lie_beside_digits_of_their_kind():
    digits = load_digits()
    images = np.minimum(digits.images * 16, 255).astype(np.uint8)[:600, :, :, None]
    features = Gradients((8, 8, 1)).encode(images).astype(float)
    squares = ((features[:, None] - features[None]) ** 2).sum(-1) + np.diag(np.full(600, np.inf))
    nearest = digits.target[squares.argmin(axis=1)]
    assert (nearest == digits.target[:600]).mean() > 0.96


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_rows_are_finite_bounded_and_do_not_depend_on_the_batch(data):
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    shape = (height, width, data.draw(st.sampled_from([1, 3])))
    images = data.draw(arrays(np.uint8, (3, *shape)))
    encoder = Gradients(shape)
    features = encoder.encode(images)
    assert features.shape == (3, encoder.n_features)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    edges = features[:, : encoder.grid[0] * encoder.grid[1] * 8]
    assert (features >= 0).all()
    assert ((edges**2).sum(axis=1) <= 1 + 1e-4).all()
    alone = np.concatenate([encoder.encode(image[None]) for image in images])
    assert features.tobytes() == alone.tobytes()


@pytest.mark.parametrize("shape", [(16, 16, 3), (9, 21, 1), (64, 70, 3)])
def test_an_image_has_the_same_bytes_in_every_lane_and_layout(shape):
    encoder, images = Gradients(shape), random_images(shape, 35)
    images[1::3] = images[1]
    rows = encoder.encode(images)
    assert (rows[1::3] == rows[1]).all()
    alone = np.concatenate([encoder.encode(image[None]) for image in images])
    assert rows.tobytes() == alone.tobytes()
    shifted = np.zeros(images.size + 1, np.uint8)[1:].reshape(images.shape)  # an odd address
    shifted[:] = images
    assert encoder.encode(shifted).tobytes() == rows.tobytes()
    assert encoder.encode(images[::2]).tobytes() == rows[::2].tobytes()


@given(arrays(np.uint8, (1, 12, 12, 1)))
@settings(max_examples=40, deadline=None)
def test_a_mirrored_image_has_mirrored_histograms(images):
    encoder = Gradients((12, 12, 1))
    plain = histograms(encoder, images[0])
    mirrored = histograms(encoder, images[0, :, ::-1])
    np.testing.assert_allclose(mirrored, plain[::-1][..., [4, 3, 2, 1, 0, 7, 6, 5]], atol=2e-4)


@given(st.integers(1, 70), st.integers(1, 40))
def test_tents_share_every_pixel_out(n, cells):
    places, shares = tents(n, cells)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    assert (shares >= 0).all()
    assert ((places >= 0) & (places < cells)).all()


@pytest.mark.parametrize("channels", [2, 4, 5, 13, 60])
def test_other_channels_are_encoded_each_by_itself(channels):
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (3, 32, 40, channels)).astype(np.uint8)
    encoder = Gradients((32, 40, channels))
    rows = encoder.encode(images)
    assert rows.shape == (3, encoder.n_features)
    assert encoder.n_features <= 4096 + 16 * 16
    if channels <= 5:
        one = Gradients((32, 40, 1)).encode(np.ascontiguousarray(images[..., 1:2]))
        np.testing.assert_array_equal(rows[:, one.shape[1] : 2 * one.shape[1]], one)
    means = rows[:, -16 * min(channels, 16) :].reshape(3, 4, 4, -1)
    block = images[2, 8:16, 10:20].mean(axis=(0, 1))
    if channels <= 16:
        np.testing.assert_allclose(means[2, 1, 1], 2 * block / 255, rtol=1e-5)


@pytest.mark.parametrize("where", range(5))
def test_a_pattern_in_one_channel_alone_shows(where):
    images = np.full((2, 32, 32, 5), 100, np.uint8)
    stripes = np.where(np.arange(32) // 8 % 2, 230, 20)
    images[0, ..., where], images[1, ..., where] = stripes, stripes[:, None]
    rows = Gradients((32, 32, 5)).encode(images)
    assert np.linalg.norm(rows[0] - rows[1]) > 1


def test_no_images_give_no_rows():
    assert Gradients((8, 8, 1)).encode(np.zeros((0, 8, 8, 1), np.uint8)).shape == (0, 128)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 0), (0, 8, 1)])
def test_refuses_other_shapes(shape):
    with pytest.raises(InputError, match="is needed"):
        Gradients(shape)


def test_refuses_images_that_are_not_what_was_said():
    with pytest.raises(InputError, match="uint8"):
        Gradients((8, 8, 1)).encode(np.zeros((2, 8, 8, 1)))
    with pytest.raises(InputError, match="shape"):
        Gradients((8, 8, 1)).encode(np.zeros((2, 8, 9, 1), np.uint8))
    with pytest.raises(InputError, match="9 bins"):
        Gradients((8, 8, 1), bins=9)


def test_settings_tell_encoders_apart():
    assert Gradients((8, 8, 1)).settings() != Gradients((8, 8, 1), cell=2).settings()
