"""EfficientNet-Lite0: its layers, batch norms folded into them, and its ONNX graph.

Tan, Le: EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML 2019;
Lite: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite
(no squeeze and excitation, ReLU6 for swish).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.errors import InputError
from shoal.features.sessions import image_network

Weights = Mapping[str, NDArray]
"""By their names in the file: ``_blocks.0._bn1.weight`` …"""

SIDE = 224
FEATURES = 1280
_MEAN, _SCALE = 127.0, 128.0
_EPSILON = 1e-3
_STEM, _LAST = 32, 320
# repeats, kernel, stride of the first, expansion, channels out
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, _LAST),
)


@dataclass(frozen=True)
class Layer:
    """A convolution with its batch norm folded in."""

    name: str  # Of the weights in the file
    weight: NDArray  # With `groups` equal to out, in is 1: a depthwise convolution
    bias: NDArray  # Added behind it
    stride: int  # Along both sides. Padding is TensorFlow's SAME: what is odd goes below and right.
    groups: int = 1  # Or as many as there are channels
    clip: bool = True  # Whether ReLU6 follows
    keeps: bool = False  # Whether the block's input is kept before this layer …
    adds: bool = False  # … and added behind this one


def layers(weights: Weights) -> list[Layer]:
    """Return all convolutions in order; the mean over the picture follows the last."""
    made = [_folded(weights, "_conv_stem", "_bn0", (_STEM, 3, 3, 3), 2)]
    channels, number = _STEM, 0
    for repeats, kernel, stride, expansion, out in _STAGES:
        for repeat in range(repeats):
            step = stride if repeat == 0 else 1
            block = f"_blocks.{number}."
            made += _block(weights, block, channels, out, kernel, step, expansion)
            channels, number = out, number + 1
    made.append(_folded(weights, "_conv_head", "_bn1", (FEATURES, _LAST, 1, 1), 1))
    return made


def _block(
    weights: Weights, block: str, channels: int, out: int, kernel: int, stride: int, expansion: int
) -> Iterator[Layer]:
    """Return the layers of one block: widen, convolve each channel, narrow; add if it fits."""
    wide = channels * expansion
    adds = stride == 1 and channels == out
    if expansion != 1:
        shape = (wide, channels, 1, 1)
        yield _folded(weights, f"{block}_expand_conv", f"{block}_bn0", shape, 1, keeps=adds)
    shape = (wide, 1, kernel, kernel)
    yield _folded(weights, f"{block}_depthwise_conv", f"{block}_bn1", shape, stride, groups=wide)
    shape = (out, wide, 1, 1)
    name = f"{block}_project_conv"
    yield _folded(weights, name, f"{block}_bn2", shape, 1, clip=False, adds=adds)


def _folded(
    weights: Weights, name: str, norm: str, shape: tuple[int, ...], stride: int, **more: Any
) -> Layer:
    """Fold a batch norm into the convolution before it, in float64."""
    weight = _of(weights, f"{name}.weight", shape).astype(np.float64)
    gain, shift, mean, variance = (
        _of(weights, f"{norm}.{part}", shape[:1]).astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gain / np.sqrt(variance + _EPSILON)
    folded = (weight * factor[:, None, None, None]).astype(np.float32)
    return Layer(name, folded, (shift - mean * factor).astype(np.float32), stride, **more)


def _of(weights: Weights, name: str, shape: tuple[int, ...]) -> NDArray:
    found = weights.get(name)
    if found is None or found.shape != shape:
        has = "is missing" if found is None else f"has shape {found.shape}"
        raise InputError(f"{name} {has}, but EfficientNet-Lite0 needs it of shape {shape}")
    return found


def padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and behind a side, as TensorFlow's SAME has them.

    >>> padding(224, 3, 2), padding(112, 3, 1), padding(56, 5, 2)
    ((0, 1), (1, 1), (1, 2))
    """
    total = max(0, (-(-side // stride) - 1) * stride + kernel - side)
    return total // 2, total - total // 2


def onnx_graph(weights: Weights) -> bytes:
    """Write the network as an ONNX file: uint8 ``(n, 224, 224, 3)`` in, float32 ``(n, 1280)`` out.

    The first convolution takes (x − 127) / 128; the last is followed by the mean over the picture.
    """
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["numbers", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["input"], perm=[0, 3, 1, 2]),
    ]
    constants = {"mean": _MEAN, "scale": _SCALE, "zero": 0, "six": 6}
    values = {name: np.array(value, np.float32) for name, value in constants.items()}
    at, kept, side = "input", "", SIDE
    for layer in layers(weights):
        kept = at if layer.keeps else kept
        kernel = layer.weight.shape[2]
        before, behind = padding(side, kernel, layer.stride)
        values |= {f"{layer.name}.weight": layer.weight, f"{layer.name}.bias": layer.bias}
        nodes.append(
            helper.make_node(
                "Conv",
                [at, f"{layer.name}.weight", f"{layer.name}.bias"],
                [at := layer.name],
                kernel_shape=[kernel, kernel],
                strides=[layer.stride, layer.stride],
                pads=[before, before, behind, behind],
                group=layer.groups,
            )
        )
        side = -(-side // layer.stride)
        if layer.clip:
            nodes.append(helper.make_node("Clip", [at, "zero", "six"], [at := f"{at}.clip"]))
        if layer.adds:
            nodes.append(helper.make_node("Add", [kept, at], [at := f"{at}.sum"]))
    nodes.append(helper.make_node("GlobalAveragePool", [at], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["features"]))
    return image_network("efficientnet-lite0", nodes, values, (SIDE, SIDE, 3), FEATURES)
