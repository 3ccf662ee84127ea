import hashlib
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.features.test_choose import LARGE, SHADES, STROKE, TABLE, VECTORS
from tests.web import serving

from shoal.core.known_encoders import KNOWN_ENCODERS
from shoal.errors import InputError, SettingError
from shoal.features import Photo, choose_encoder, encoder_files
from shoal.features.encoder_files import encoder_folder, encoders, find_encoder, get_encoder

WEIGHT = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
SIZE = 8


def network():
    """Write a network with a text input beside, whose words are the picture's rows of pixels."""
    nodes = [
        helper.make_node("Transpose", ["pixel_values"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "shape"], ["words"]),
        helper.make_node("MatMul", ["words", "weight"], ["last_hidden_state"]),
        helper.make_node("Cast", ["input_ids"], ["text"], to=TensorProto.FLOAT),
    ]
    shape = np.array([0, SIZE * SIZE, 3], np.int64)
    sides = ["n", "c", "h", "w"]
    graph = helper.make_graph(
        nodes,
        "net",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "t"]),
            helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, sides),
        ],
        [
            helper.make_tensor_value_info("text", TensorProto.FLOAT, ["n", "t"]),
            helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, None),
        ],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(shape, "shape")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A table with one made encoder, ``net-small``, and a folder that could be its server's."""
    monkeypatch.setenv("SHOAL_ENCODERS", str(tmp_path / "encoders"))
    data = network()
    one = replace(
        KNOWN_ENCODERS["dinov2-small"],
        name="net-small",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        options={**KNOWN_ENCODERS["dinov2-small"].options, "size": str(SIZE)},
    )
    other = replace(one, name="net-plain", sha256="0" * 64, auto=False)
    table = MappingProxyType({"net-plain": other, "net-small": one})
    for module in ("features.encoder_files", "features.choose", "settings"):
        monkeypatch.setattr(f"shoal.{module}.KNOWN_ENCODERS", table)
    path = tmp_path / "server" / one.path
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    return tmp_path / "server"


@pytest.fixture
def here(made):
    """The made encoder, on this machine."""
    return get_encoder("net-small", next(made.rglob("*.onnx")))


def test_the_folder_is_the_users_cache_or_the_one_that_is_set(tmp_path, monkeypatch):
    monkeypatch.delenv("SHOAL_ENCODERS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert encoder_folder() == tmp_path / "shoal" / "encoders"
    monkeypatch.setenv("SHOAL_ENCODERS", str(tmp_path / "mine"))
    assert encoder_folder() == tmp_path / "mine"
    assert not any(one.is_here for one in encoders())
    monkeypatch.delenv("SHOAL_ENCODERS")
    monkeypatch.setattr(encoder_files, "cache_folder", lambda: None)
    with pytest.raises(InputError, match="SHOAL_ENCODERS"):
        encoder_folder()
    assert encoder_files.encoder_for_photos() is None


def test_an_encoder_comes_from_a_mirror_and_is_not_asked_for_again(made, monkeypatch):
    monkeypatch.delenv("http_proxy", raising=False)
    with serving(made) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/")
        path = get_encoder("net-small")
        assert get_encoder("net-small") == path
        assert [asked for asked, _ in server.asked] == [f"/{KNOWN_ENCODERS['dinov2-small'].path}"]
    assert find_encoder("net-small").is_here
    assert path.read_bytes() == network()
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(SettingError, match="HF_ENDPOINT is 'file:///etc'"):
        get_encoder("net-plain")


def test_a_name_that_is_not_known():
    with pytest.raises(SettingError, match="'nope' is not known: there are dinov2-base"):
        get_encoder("nope")


def test_images_are_put_to_it_as_the_table_says(here):
    encoder, said = choose_encoder("net-small", LARGE)
    assert said == "Features: net-small (DINOv2 ViT-S/14, self-supervised), as requested."
    assert (encoder.name, encoder.n_features) == ("net-small", 5)
    wanted = encoder.needs.wanted
    assert (wanted.size, wanted.kept, wanted.sampling) == ((8, 8), 0.875, "bicubic")
    images = np.random.default_rng(1).integers(0, 256, (6, 8, 8, 3), np.uint8)
    first = (images[:, 0, 0] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225] @ WEIGHT
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(images), first, atol=1e-5)
    assert encoder.settings()["pool"] == "cls"


def test_auto_takes_it_for_photos_alone_and_says_so(made):
    assert choose_encoder("auto", LARGE, lambda: [SHADES])[0] == Photo()
    path = get_encoder("net-small", next(made.rglob("*.onnx")))
    encoder, said = choose_encoder("auto", LARGE, lambda: [SHADES])
    assert encoder.name == "net-small"
    assert "net-small (DINOv2 ViT-S/14, self-supervised), which is on this machine" in said
    assert choose_encoder("auto", LARGE, lambda: [STROKE])[0].name == "gradients"
    path.rename(path.with_name(find_encoder("net-plain").path.name))
    assert choose_encoder("auto", LARGE, lambda: [SHADES])[0] == Photo()  # not one for auto


def test_one_that_is_not_here_is_not_fetched(made):
    with pytest.raises(InputError, match="run shoal encoder get net-small"):
        choose_encoder("net-small", LARGE)


def test_a_damaged_file_is_told_and_fetched_again(here, made):
    choose_encoder("net-small", LARGE)
    data = bytearray(here.read_bytes())
    data[-1] ^= 1
    here.write_bytes(data)
    with pytest.raises(InputError, match=r"is damaged .* shoal encoder get net-small again"):
        choose_encoder("net-small", LARGE)
    get_encoder("net-small", next(made.rglob("*.onnx")))
    choose_encoder("net-small", LARGE)


@pytest.mark.parametrize("rows", [TABLE, VECTORS, replace(LARGE, shape=(64, 64, 5))])
def test_rows_that_are_no_pictures(here, rows):
    with pytest.raises(SettingError, match="features 'net-small', but"):
        choose_encoder("net-small", rows)


def test_the_network_of_words_is_left_out(here):
    from shoal.features.onnx_graph import read_graph, with_output

    model = onnx.load_from_string(with_output(read_graph(here), "last_hidden_state"))
    assert [value.name for value in model.graph.input] == ["pixel_values"]
    assert len(model.graph.node) == 3
