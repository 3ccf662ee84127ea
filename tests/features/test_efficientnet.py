import numpy as np
import pytest

from shoal.errors import InputError
from shoal.features.efficientnet import layers, onnx_graph, padding
from shoal.features.photo import weights_file
from shoal.features.torch_file import read_torch_file


@pytest.fixture(scope="module")
def weights():
    return read_torch_file(weights_file())


def test_the_network_has_its_published_size(weights):
    made = layers(weights)
    assert len(made) == 1 + 16 * 3 - 1 + 1  # the first block does not widen
    assert sum(layer.groups > 1 for layer in made) == 16
    assert sum(layer.adds for layer in made) == 9
    numbers = sum(array.size for name, array in weights.items() if "running" not in name)
    numbers -= sum("num_batches" in name for name in weights)
    assert numbers == 4_652_008  # 4.65 million, as the authors' table says
    side = 224
    for layer in made:
        side = -(-side // layer.stride)
    assert side == 7


def test_a_folded_norm_is_the_norm_behind_the_convolution(weights):
    first = layers(weights)[0]
    numbers = np.random.default_rng(0).normal(size=27)
    straight = weights["_conv_stem.weight"].reshape(32, 27) @ numbers
    normed = (straight - weights["_bn0.running_mean"]) / np.sqrt(
        weights["_bn0.running_var"] + 1e-3
    ) * weights["_bn0.weight"] + weights["_bn0.bias"]
    folded = first.weight.reshape(32, 27) @ numbers + first.bias
    np.testing.assert_allclose(folded, normed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side", [7, 14, 15, 224])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_gives_the_side_divided_and_rounded_up(side, kernel, stride):
    before, behind = padding(side, kernel, stride)
    assert (side + before + behind - kernel) // stride + 1 == -(-side // stride)
    assert 0 <= behind - before <= 1


def test_missing_and_misshapen_weights_are_refused(weights):
    with pytest.raises(InputError, match=r"_conv_head.weight is missing, .* \(1280, 320, 1, 1\)"):
        layers({name: a for name, a in weights.items() if name != "_conv_head.weight"})
    other = {**weights, "_bn0.bias": np.zeros(31, np.float32)}
    with pytest.raises(InputError, match=r"_bn0.bias has shape \(31,\), .* \(32,\)"):
        layers(other)


def test_the_same_weights_give_the_same_graph(weights):
    assert onnx_graph(weights) == onnx_graph(weights)
