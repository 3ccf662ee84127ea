"""The network: four convolutions and a linear layer, its weights, and its ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shoal.features.sessions import image_network

SIDE = 32
"""Images are brought to 32 × 32: digits, garments, thumbnails and tiles lose nothing."""

# Channels and stride of the 3 × 3 convolutions. 17 million products an image: 60,000 images a
# hundred times over take minutes on two cores.
CONVOLUTIONS = ((32, 2), (64, 2), (128, 1), (128, 2))
_SIDE_AFTER = SIDE // 8
FLAT = CONVOLUTIONS[-1][0] * _SIDE_AFTER**2

Weights = dict[str, NDArray[np.float32]]


def shapes(channels: int, n_features: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    inside = channels
    for number, (out, _) in enumerate(CONVOLUTIONS):
        found[f"conv{number}.weight"], found[f"conv{number}.bias"] = (out, inside, 3, 3), (out,)
        inside = out
    found["linear.weight"], found["linear.bias"] = (n_features, FLAT), (n_features,)
    return found


def initial(of: Mapping[str, tuple[int, ...]], generator: np.random.Generator) -> Weights:
    """Draw weights: normal with variance 2 / inputs (He et al. 2015), biases zero."""
    return {
        name: np.zeros(shape, np.float32)
        if len(shape) == 1
        else generator.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        for name, shape in of.items()
    }


def onnx_graph(weights: Weights) -> bytes:
    """Write the network as an ONNX file: uint8 ``(n, 32, 32, C)`` in, float32 features out."""
    from onnx import TensorProto, helper

    channels, n_features = weights["conv0.weight"].shape[1], len(weights["linear.bias"])
    values = {**weights, "most": np.array(255, np.float32)}
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "most"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["input"], perm=[0, 3, 1, 2]),
    ]
    at = "input"
    for number, (_, stride) in enumerate(CONVOLUTIONS):
        name = f"conv{number}"
        sides = {"kernel_shape": [3, 3], "strides": [stride] * 2, "pads": [1] * 4}
        inputs = [at, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [name], **sides))
        nodes.append(helper.make_node("Relu", [name], [at := f"{name}.relu"]))
    nodes.append(helper.make_node("Flatten", [at], ["flat"]))
    inputs = ["flat", "linear.weight", "linear.bias"]
    nodes.append(helper.make_node("Gemm", inputs, ["features"], transB=1))
    return image_network("learned", nodes, values, (SIDE, SIDE, channels), n_features)
