import pickle

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from shoal.core.spec import parse_spec
from shoal.errors import InputError, SettingError
from shoal.features import Encoder, onnx_file
from shoal.features.efficientnet import onnx_graph
from shoal.features.network_input import IMAGENET_MEAN, IMAGENET_STD, pooled
from shoal.features.onnx_file import open_onnx
from shoal.features.photo import Photo, weights_file
from shoal.features.torch_file import read_torch_file

DRAW = np.random.default_rng(0)
IMAGES = DRAW.integers(0, 256, (7, 6, 8, 3), np.uint8)
WEIGHT = DRAW.normal(size=(5, 3, 1, 1)).astype(np.float32)
LAST = DRAW.normal(size=(5, 4)).astype(np.float32)


def network(
    path,
    dims=("n", 3, 6, 8),
    *,
    dtype=TensorProto.FLOAT,
    end=("Flatten", "MatMul", "Softmax"),
    metadata=None,
    external=False,
):
    """Write a network: a convolution, the mean of its map, and what follows in `end`."""
    nodes, at = [], "images"
    if dtype != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [at], [at := "cast"], to=TensorProto.FLOAT))
    if 3 not in dims[:2]:
        nodes.append(helper.make_node("Transpose", [at], [at := "turned"], perm=[0, 3, 1, 2]))
    nodes.append(helper.make_node("Conv", [at, "weight"], [at := "map"]))
    if end is not None:
        nodes.append(helper.make_node("GlobalAveragePool", [at], [at := "mean"]))
        for op in end:
            given = [at, "last"] if op == "MatMul" else [at]
            nodes.append(helper.make_node(op, given, [at := op.lower()]))
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", dtype, list(dims))],
        [helper.make_tensor_value_info(at, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(LAST, "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    if external:
        onnx.save(model, path, save_as_external_data=True, location="numbers", size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def slow(images, mean=IMAGENET_MEAN, std=IMAGENET_STD):
    """Mean over the picture of the 1×1 convolution, of length 1."""
    numbers = (images / 255 - np.array(mean)) / np.array(std)
    rows = numbers.mean(axis=(1, 2)) @ WEIGHT[:, :, 0, 0].T
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def opened(path, options=""):
    return open_onnx(parse_spec(f"onnx:{path}{options}"))


def test_what_goes_into_the_classifier_is_taken(tmp_path):
    encoder, said = opened(network(tmp_path / "a.onnx"))
    assert isinstance(encoder, Encoder)
    assert encoder.n_features == 5
    assert said == "5 numbers of 'flatten' in a.onnx"
    assert encoder.needs.wanted.size == (6, 8)
    np.testing.assert_allclose(encoder.encode(IMAGES), slow(IMAGES), atol=1e-5)
    again = pickle.loads(pickle.dumps(encoder))
    assert again == encoder
    again.setup()
    assert np.array_equal(again.encode(IMAGES), encoder.encode(IMAGES))


@pytest.mark.parametrize("end", [("Flatten",), ("Flatten", "Relu"), (), None])
def test_an_output_that_is_no_classifier_is_taken_as_it_is(tmp_path, end):
    encoder, _ = opened(network(tmp_path / "a.onnx", end=end))
    found = encoder.encode(IMAGES)
    assert found.shape == (7, 5)
    if end != ("Flatten", "Relu"):
        np.testing.assert_allclose(found, slow(IMAGES), atol=1e-5)


def test_an_output_by_name(tmp_path):
    path = network(tmp_path / "a.onnx")
    assert opened(path, "?output=matmul")[0].n_features == 4
    assert opened(path, "?output=map")[0].n_features == 5
    with pytest.raises(InputError, match="has no tensor 'maps': its outputs are softmax"):
        opened(path, "?output=maps")


@pytest.mark.parametrize(
    ("dims", "dtype"),
    [
        (("n", 6, 8, 3), TensorProto.FLOAT),
        ((1, 3, 6, 8), TensorProto.FLOAT),
        ((4, 3, 6, 8), TensorProto.FLOAT16),
        ((None, 3, None, None), TensorProto.FLOAT),
    ],
)
def test_layouts_batches_and_types_are_found(tmp_path, dims, dtype):
    path = network(tmp_path / "a.onnx", dims, dtype=dtype)
    encoder, _ = opened(path, "?size=6x8")
    np.testing.assert_allclose(encoder.encode(IMAGES), slow(IMAGES), atol=2e-3)


def test_a_network_of_bytes_gets_bytes(tmp_path):
    path = network(tmp_path / "a.onnx", ("n", 6, 8, 3), dtype=TensorProto.UINT8)
    found = opened(path)[0].encode(IMAGES)
    np.testing.assert_allclose(found, slow(IMAGES, (0, 0, 0), (1, 1, 1)), atol=1e-5)
    with pytest.raises(SettingError, match="mean: the network takes bytes"):
        opened(path, "?mean=0.5")


def test_mean_and_std_are_asked_for_or_in_the_file(tmp_path):
    held = {"mean": "0.5,0.4,0.3", "std": "0.2"}
    path = network(tmp_path / "a.onnx", metadata=held)
    expected = slow(IMAGES, (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
    np.testing.assert_allclose(opened(path)[0].encode(IMAGES), expected, atol=1e-5)
    given, _ = opened(path, "?mean=0&std=1")
    np.testing.assert_allclose(given.encode(IMAGES), slow(IMAGES, (0, 0, 0), (1, 1, 1)), atol=1e-5)


def test_numbers_in_a_file_beside_it_count_for_the_hash(tmp_path):
    inside, _ = opened(network(tmp_path / "a.onnx"))
    (tmp_path / "b").mkdir()
    outside, _ = opened(network(tmp_path / "b" / "a.onnx", external=True))
    assert np.array_equal(inside.encode(IMAGES), outside.encode(IMAGES))
    assert outside.settings()["file"] != inside.settings()["file"]
    numbers = tmp_path / "b" / "numbers"
    data = bytearray(numbers.read_bytes())
    data[:4] = np.float32(7).tobytes()
    numbers.write_bytes(data)
    changed, _ = opened(tmp_path / "b" / "a.onnx")
    assert changed.settings() != outside.settings()
    numbers.unlink()
    with pytest.raises(InputError, match="numbers cannot be read: No such file"):
        opened(tmp_path / "b" / "a.onnx")


def test_a_file_that_changes_while_it_is_used_is_refused(tmp_path):
    encoder, _ = opened(network(tmp_path / "a.onnx"))
    network(tmp_path / "a.onnx", end=("Flatten",))
    other = pickle.loads(pickle.dumps(encoder))
    onnx_file._session.cache_clear()
    with pytest.raises(InputError, match="has changed since it was opened"):
        other.encode(IMAGES)


def test_rows_do_not_depend_on_their_neighbours(tmp_path):
    encoder, _ = opened(network(tmp_path / "a.onnx"))
    together = encoder.encode(IMAGES)
    alone = [encoder.encode(image[None])[0] for image in IMAGES]
    assert np.array_equal(together, alone)


def in_8_bits(path, dims):
    """Write a network that brings all images at once to 8 bits by their common range."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["images"], ["bytes", "scale", "zero"]),
        helper.make_node("DequantizeLinear", ["bytes", "scale", "zero"], ["rough"]),
        helper.make_node("GlobalAveragePool", ["rough"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["rows"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, list(dims))],
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, None)],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize("count", ["n", 4])
def test_rows_of_a_network_in_8_bits_do_not_depend_on_their_neighbours(tmp_path, count):
    encoder, _ = opened(in_8_bits(tmp_path / "a.onnx", (count, 3, 6, 8)))
    images = IMAGES // np.arange(1, 8, dtype=np.uint8)[:, None, None, None]
    together = encoder.encode(images)
    assert np.array_equal(together, [encoder.encode(image[None])[0] for image in images])
    assert np.array_equal(together, encoder.encode(images[::-1])[::-1])


def test_exports_with_open_sides_are_of_three_channels(tmp_path):
    path = network(tmp_path / "a.onnx")
    model = onnx.load(path)
    for side in model.graph.input[0].type.tensor_type.shape.dim:
        side.Clear()
    onnx.save(model, path)
    encoder, _ = opened(path, "?layout=nchw&size=6x8&output=flatten")
    np.testing.assert_allclose(encoder.encode(IMAGES), slow(IMAGES), atol=1e-5)


def test_how_images_fill_the_size_can_be_said(tmp_path):
    path = network(tmp_path / "a.onnx")
    wanted = opened(path, "?fit=stretch&sampling=bilinear")[0].needs.wanted
    assert (wanted.fit, wanted.sampling) == ("stretch", "bilinear")
    usual = opened(path)[0]
    assert (usual.needs.wanted.fit, usual.needs.wanted.sampling) == ("crop", "bicubic")
    assert "pool" not in usual.settings()  # so that runs of earlier versions can be predicted with


@pytest.mark.parametrize(
    ("dims", "options", "said"),
    [
        ((None, 3, None, None), "", r"any size: .* as in onnx:.*a\.onnx\?size=224"),
        (("n", 3, 6, 8), "?size=7", "size=7: it takes 6×8"),
        (("n", 3, 6, 8), "?size=a", "size=a: give a number of pixels"),
        (("n", 3, 6, 8), "?mean=1,2", "mean=1,2: give 1 or 3 numbers"),
        (("n", 3, 6, 8), "?std=0", "std=0: give 1 or 3 numbers above 0"),
        (("n", 3, 6, 8), "?kept=2", "kept=2: give a share"),
        (("n", 3, 6, 8), "?pool=max", "pool=max: give one of mean, cls"),
        (("n", 3, 6, 8), "?fit=tile", "fit=tile: give one of crop, stretch, pad"),
        (("n", 3, 6, 8), "?sampling=nearest", "sampling=nearest: give one of bilinear, bicubic"),
        (("n", 2, 6, 8), "?layout=nchw", "takes 2 channels"),
        (("n", 3, 6, 8), "?layout=hwc", "layout=hwc: give one of nchw, nhwc"),
        (("n", 3, 6, 8), "?sise=7", "sise is not an option of onnx: there are input, output, pool"),
        (("n", 3, 6, 8), "?input=x", "has no input 'x': there are images"),
        (("n", 3, 6, 3), "", r"channels cannot be told: give \?layout"),
        (("n", 3, 6), "", "0 inputs for images"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, dims, options, said):
    path = network(tmp_path / "a.onnx", dims, end=None)
    with pytest.raises(InputError, match=said):
        opened(path, options)


@pytest.mark.parametrize("data", [b"", b"no network", b"\x08\x08"])
def test_files_that_are_none_are_refused(tmp_path, data):
    path = tmp_path / "a.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read as an ONNX file"):
        opened(path)
    with pytest.raises(InputError, match="does not exist"):
        opened(tmp_path / "none.onnx")


def test_a_network_that_cannot_be_run_is_refused(tmp_path):
    path = network(tmp_path / "a.onnx")
    model = onnx.load(path)
    model.graph.node[0].op_type = "Nonsense"
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"a\.onnx cannot be run on an image: .*Nonsense"):
        opened(path)


def test_numbers_outside_the_folder_are_refused(tmp_path):
    (tmp_path / "b").mkdir()
    path = network(tmp_path / "b" / "a.onnx", external=True)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = "../numbers"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="outside its folder"):
        opened(path)


def test_outputs_are_averaged_by_hand():
    maps = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    assert pooled(maps, "nchw").tolist() == [[1.5, 5.5, 9.5], [13.5, 17.5, 21.5]]
    assert pooled(maps, "nhwc").shape == (2, 2)
    assert pooled(maps[..., 0], "nchw").tolist() == [[4, 6], [16, 18]]
    assert pooled(maps[..., 0], "nchw", "cls").tolist() == [[0, 2], [12, 14]]
    with pytest.raises(InputError, match=r"shape \(2,\)"):
        pooled(maps[:, 0, 0, 0], "nchw")


def test_the_photo_network_as_a_file_gives_the_same_rows(tmp_path):
    path = tmp_path / "lite.onnx"
    path.write_bytes(onnx_graph(read_torch_file(weights_file())))
    encoder, said = opened(path)
    assert "1,280 numbers of 'features'" in said
    images = DRAW.integers(0, 256, (2, 224, 224, 3), np.uint8)
    np.testing.assert_allclose(encoder.encode(images), Photo().encode(images), atol=1e-6)
