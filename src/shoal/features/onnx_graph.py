"""The graph of an ONNX file: its input, the output to use, and the hash of its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.errors import InputError
from shoal.features.network_input import first_line

_PASSED = frozenset({"Softmax", "LogSoftmax", "Identity", "Cast", "Sigmoid"})
_SMALL = 4096  # bytes of numbers, such as shapes
_TYPES = {1: "float32", 2: "uint8", 10: "float16"}


@dataclass(frozen=True)
class GraphInput:
    name: str
    dtype: str  # ``float32``, ``float16`` or ``uint8``
    dims: tuple[int | None, ...]  # Its four sides, None where any will do


def read_graph(path: Path) -> Any:
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give an ONNX file") from None
    except Exception as error:  # protobuf and the system raise a dozen kinds
        raise InputError(f"{path} cannot be read as an ONNX file: {first_line(error)}") from None
    if not model.graph.node or not model.graph.output:
        raise InputError(f"{path} cannot be read as an ONNX file: there is no network in it")
    return model


def graph_files(path: Path, model: Any) -> tuple[Path, ...]:
    beside = set()
    for tensor in model.graph.initializer:
        beside |= {entry.value for entry in tensor.external_data if entry.key == "location"}
    files = (path, *(path.parent / name for name in sorted(beside)))
    for place in files:
        if path.parent.resolve() not in place.resolve().parents:
            raise InputError(f"{path} takes numbers from {place}, outside its folder")
    return files


def files_digest(files: Iterable[Path]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for place in files:
        try:
            with place.open("rb") as file:
                digest.update(hashlib.file_digest(file, "blake2b").digest())
        except OSError as error:
            raise InputError(f"{place} cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def find_input(path: Path, model: Any, chosen: str | None) -> GraphInput:
    """Return the input for images: the chosen one, or the only one of four dimensions."""
    given = {value.name: value for value in _inputs(model)}
    if chosen is not None and chosen not in given:
        raise InputError(f"{path} has no input {chosen!r}: there are {', '.join(given)}")
    likely = [n for n, v in given.items() if len(v.type.tensor_type.shape.dim) == 4]
    if chosen is None and len(likely) != 1:
        found = ", ".join(given) or "none"
        raise InputError(f"{path} has {len(likely)} inputs for images ({found}): give ?input=NAME")
    tensor = given[chosen or likely[0]].type.tensor_type
    name = chosen or likely[0]
    if tensor.elem_type not in _TYPES or len(tensor.shape.dim) != 4:
        raise InputError(
            f"{path}: its input {name!r} is not one of images: batches of float32, float16 or "
            "uint8 with four sides"
        )
    dims = tuple(d.dim_value if d.dim_value > 0 else None for d in tensor.shape.dim)
    return GraphInput(name, _TYPES[tensor.elem_type], dims)


def _inputs(model: Any) -> list[Any]:
    numbers = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in numbers]


def find_output(path: Path, model: Any, chosen: str | None) -> str:
    """Return the tensor of features: the chosen one, or the input of the final classifier.

    Of several outputs, the first of two dimensions is used. If it comes from a last linear layer
    (and softmax), the input of that layer replaces it: features say more than class scores.
    """
    nodes = {name: node for node in model.graph.node for name in node.output if name}
    if chosen is not None:
        if chosen in nodes:
            return chosen
        ends = [value.name for value in model.graph.output]
        raise InputError(f"{path} has no tensor {chosen!r}: its outputs are {', '.join(ends)}")
    ranks = _ranks(model)
    ends = [value.name for value in model.graph.output]
    end = next((name for name in ends if ranks.get(name) == 2), ends[0])
    return _before_classifier(model, nodes, end)


def _before_classifier(model: Any, nodes: dict[str, Any], end: str) -> str:
    """Return the input of the last linear layer before scores, or the tensor itself."""
    numbers = {tensor.name for tensor in model.graph.initializer}
    at = end
    while at in nodes:
        node = nodes[at]
        own = [name for name in node.input if name not in numbers]
        if node.op_type in ("Gemm", "MatMul") and len(own) == 1:
            return str(own[0]) if own[0] in nodes else end
        added = node.op_type == "Add" and len(own) == 1
        if not (added or node.op_type in _PASSED):
            return end
        at = own[0]
    return end


def _ranks(model: Any) -> dict[str, int]:
    """Return the number of dimensions of tensors, where known."""
    from onnx import shape_inference

    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _SMALL:  # weights: all is copied twice
            tensor.ClearField("raw_data")
    try:
        known = shape_inference.infer_shapes(model).graph
    except Exception:  # a network may be good without this: then its outputs stand as they are
        known = model.graph
    values = [*known.value_info, *known.output]
    return {
        value.name: len(value.type.tensor_type.shape.dim)
        for value in values
        if value.type.tensor_type.HasField("shape")
    }


def runs_as_it_is(model: Any, output: str) -> bool:
    """Return whether a tensor is an output of the unchanged file."""
    return len(_inputs(model)) == 1 and any(value.name == output for value in model.graph.output)


def scales_by_batch(model: Any) -> bool:
    """Return whether numbers are quantised by the range of the whole batch."""
    return any(node.op_type == "DynamicQuantizeLinear" for node in model.graph.node)


def with_output(model: Any, name: str) -> bytes:
    """Return the network with one output, possibly an inner tensor, without unused parts."""
    from onnx import helper

    graph = model.graph
    kind = next((v for v in graph.output if v.name == name), None)
    del graph.output[:]
    # the runtime finds out the type by itself
    graph.output.append(kind or helper.ValueInfoProto(name=name))
    if len(_inputs(model)) > 1:
        _prune(graph, name)
    return bytes(model.SerializeToString())


def _prune(graph: Any, output: str) -> None:
    needed = {output}
    for at in reversed(range(len(graph.node))):  # they are in the order in which they are run
        if needed.isdisjoint(graph.node[at].output):
            del graph.node[at]
        else:
            needed.update(_read_by(graph.node[at]))
    for part in (graph.input, graph.initializer):
        for at in reversed(range(len(part))):
            if part[at].name not in needed:
                del part[at]


def _read_by(node: Any) -> Iterator[str]:
    """Yield the tensors that a node reads, including its branches and loops."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _read_by(inner)
            yield from (value.name for value in graph.output)


def metadata_numbers(model: Any, name: str) -> str | None:
    return next((entry.value for entry in model.metadata_props if entry.key == name), None)
