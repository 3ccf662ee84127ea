import numpy as np
import pytest

from shoal.errors import InputError
from shoal.features.learned import METHODS, Learned
from shoal.features.learned.network import CONVOLUTIONS, initial, onnx_graph, shapes


def convolved(image, weight, bias, stride):
    """One image, by the definition."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    windows = windows[:, ::stride, ::stride]
    found = np.einsum("chwij,ocij->ohw", windows, weight) + bias[:, None, None]
    return np.maximum(found, 0)


@pytest.mark.parametrize(("method", "channels"), [("autoencoder", 1), ("contrastive", 3)])
def test_the_graph_computes_what_the_layers_say(tmp_path, method, channels):
    generator = np.random.default_rng(0)
    weights = initial(shapes(channels, METHODS[method]), generator)
    weights |= {
        name: generator.normal(0, 0.1, w.shape).astype("f4")
        for name, w in weights.items()
        if name.endswith("bias")
    }
    path = tmp_path / "network.npy"
    np.save(path, np.frombuffer(onnx_graph(weights), np.uint8))
    images = generator.integers(0, 256, (70, 32, 32, channels), np.uint8)
    encoder = Learned(method, channels).at(path)
    encoder.setup()
    at = images[66].transpose(2, 0, 1) / 255
    for number, (_, stride) in enumerate(CONVOLUTIONS):
        at = convolved(at, weights[f"conv{number}.weight"], weights[f"conv{number}.bias"], stride)
    expected = weights["linear.weight"] @ at.ravel() + weights["linear.bias"]
    if method == "contrastive":
        expected /= np.linalg.norm(expected)
    found = encoder.encode(images)
    assert found.shape == (70, encoder.n_features)
    assert found[66] == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert encoder.encode(images[:0]).shape == (0, encoder.n_features)


def test_images_of_another_shape_are_refused():
    with pytest.raises(InputError):
        Learned("autoencoder", 1).encode(np.zeros((1, 28, 28, 1), np.uint8))
