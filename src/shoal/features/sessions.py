"""Networks on onnxruntime: opened with one thread, run in small batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoal.features.shapes import check_images

COMPONENTS = 128
"""What the projection keeps of a network's features: 64 lose some of the classes."""

OPSET, IR_VERSION = 17, 8
"""Of the networks that are written; onnxruntime reads them since 1.12."""

BATCH = 4
"""Images at a time: more do not stay in a core's cache and go no faster."""


def open_session(model: bytes | str, folder: Path | None = None) -> Any:
    """Open a network, its bytes or its file, on the CPU, one thread for each call of ``run``.

    The engine runs as many calls at once as there are workers, so that all cores are busy, no
    more than were allowed, and a sum's order is the same for any number of workers.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: its warnings are about its own optimisations
    if folder is not None:  # where numbers lie that are not in the model
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, str(folder))
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def image_network(
    name: str,
    nodes: Sequence[Any],
    values: Mapping[str, NDArray],
    shape: tuple[int, int, int],
    width: int,
) -> bytes:
    """Write a network as an ONNX file: uint8 ``(n, *shape)`` images in, float32 features out."""
    from onnx import TensorProto, checker, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", *shape])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def encode_blocks(
    data: NDArray[np.uint8],
    shape: tuple[int, int, int],
    width: int,
    batch: int,
    run: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Encode images some at a time, each row of length 1, float32 ``(n, width)``."""
    check_images(data, shape)
    out = np.empty((len(data), width), np.float32)
    for a in range(0, len(data), batch):
        out[a : a + batch] = run(np.ascontiguousarray(data[a : a + batch]))
    return unit_rows(out)


def unit_rows(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide each row by its length; rows of zeros stay."""
    lengths = np.sqrt((features * features).sum(axis=1, keepdims=True))
    return features / np.maximum(lengths, np.finfo(np.float32).tiny)
