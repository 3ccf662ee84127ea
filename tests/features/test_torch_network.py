"""Networks of torch, where it is installed; what is said where it is not, everywhere."""

import importlib
import pickle

import numpy as np
import pytest

from shoal.core.spec import parse_spec
from shoal.errors import InputError, MissingExtraError, SettingError
from shoal.features import (
    WORDED,
    Encoder,
    Worded,
    choose_encoder,
    torch_libraries,
    torch_network,
)
from shoal.features.torch_network import open_torch
from shoal.pipeline import run_pipeline
from shoal.rows import open_source
from shoal.settings import fit_settings

IMAGES = np.random.default_rng(0).integers(0, 256, (11, 64, 64, 3), np.uint8)


def opened(text):
    torch_network._loaded.cache_clear()
    return open_torch(parse_spec(text))


def without(monkeypatch, *names):
    real = importlib.import_module

    def fake(name, *words):
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *words)

    monkeypatch.setattr(torch_libraries.importlib, "import_module", fake)


@pytest.mark.parametrize("text", ["timm:resnet18", "torchvision:vgg16", "open_clip:ViT-B-32"])
def test_a_missing_extra_gives_the_command(monkeypatch, text):
    without(monkeypatch, "torch", "timm", "torchvision", "open_clip")
    with pytest.raises(MissingExtraError, match=r"needs torch: pip install 'shoal\[torch\]'"):
        opened(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "timm:resnet18?pretrained=x",
            "pretrained is not an option of timm: there are weights, size",
        ),
        ("timm:resnet18?device=tpu", "device=tpu: give one of cpu, cuda"),
    ],
)
def test_wrong_options_are_said_before_anything_is_loaded(text, said):
    with pytest.raises(SettingError, match=said):
        opened(text)


def test_vectors_have_no_network():
    with pytest.raises(SettingError, match="but the rows are vectors"):
        choose_encoder("timm:resnet18", open_source(np.zeros((3, 4))))


@pytest.fixture
def timm():
    return pytest.importorskip("timm")


@pytest.fixture
def weights(timm, tmp_path):
    """Weights of a small network, drawn at random, in a file."""
    import torch

    torch.manual_seed(0)
    module = timm.create_model("resnet10t", pretrained=False)
    torch.save(module.state_dict(), tmp_path / "own.pth")
    return tmp_path / "own.pth"


def slow(module, images, mean, std):
    """Rows of length 1 of a module, image by image."""
    import torch

    rows = []
    for image in images:
        numbers = (image / 255 - np.array(mean)) / np.array(std)
        given = torch.tensor(np.moveaxis(numbers, 2, 0)[None], dtype=torch.float32)
        with torch.inference_mode():
            rows.append(module.eval()(given)[0].numpy())
    return np.array(rows) / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_network_of_timm_with_weights_from_a_file(timm, weights):
    encoder, said = opened(f"timm:resnet10t?weights={weights}&size=64&device=cpu")
    assert isinstance(encoder, Encoder)
    assert said == "512 numbers of timm:resnet10t on the CPU"
    assert encoder.needs.wanted.size == (64, 64)
    import torch

    module = timm.create_model("resnet10t", pretrained=False)
    module.load_state_dict(torch.load(weights, weights_only=True))
    module.reset_classifier(0)
    facts = timm.data.resolve_model_data_config(module)
    found = encoder.encode(IMAGES)
    expected = slow(module, IMAGES, facts["mean"], facts["std"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    again = pickle.loads(pickle.dumps(encoder))
    again.setup()
    assert np.array_equal(again.encode(IMAGES), found)


def test_other_weights_are_another_encoder(timm, weights, tmp_path):
    import torch

    one, _ = opened(f"timm:resnet10t?weights={weights}&size=64")
    state = torch.load(weights, weights_only=True)
    state["conv1.0.weight"] += 1
    torch.save(state, tmp_path / "other.pth")
    other, _ = opened(f"timm:resnet10t?weights={tmp_path / 'other.pth'}&size=64")
    assert one.settings() != other.settings()
    torch.save(state, weights)
    torch_network._loaded.cache_clear()
    with pytest.raises(InputError, match="have changed since the run was fitted"):
        one.setup()


def test_photos_by_torch_give_the_same_bytes_for_one_or_two_workers(weights, photos, tmp_path):
    asked = f"timm:resnet10t?weights={weights}&size=64"
    found = []
    for workers in (1, 2):
        settings = fit_settings(features=asked, workers=workers, layers="2")
        run = run_pipeline(tmp_path / str(workers), open_source(photos), settings)
        parts = run.stage("features").parts("features")
        found.append([part.read_bytes() for part in parts])
    assert found[0] == found[1]


def test_a_network_of_torchvision_without_its_top(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    import torch

    torch.manual_seed(0)
    module = torchvision.models.mobilenet_v3_small(weights=None)
    torch.save(module.state_dict(), tmp_path / "own.pth")
    spec = f"torchvision:mobilenet_v3_small?weights={tmp_path / 'own.pth'}&size=64&device=cpu"
    encoder, _ = opened(spec)
    assert encoder.n_features == 576
    assert encoder.given.kept == 0.875
    module.classifier = torch.nn.Identity()
    expected = slow(module, IMAGES, encoder.given.mean, encoder.given.std)
    np.testing.assert_allclose(encoder.encode(IMAGES), expected, atol=1e-4)


def test_vgg_averages_its_last_map():
    torchvision = pytest.importorskip("torchvision")
    import torch

    small = torchvision.models.VGG(torch.nn.Conv2d(3, 512, 1), num_classes=10)
    image = torch.randn(1, 3, 9, 9)
    expected = small.features(image).mean(dim=(2, 3))
    torch_libraries._take_top_off(small)
    torch.testing.assert_close(small(image), expected)


@pytest.mark.slow
def test_the_classic_vgg16(tmp_path):
    torchvision = pytest.importorskip("torchvision")
    import torch

    torch.save(torchvision.models.vgg16(weights=None).state_dict(), tmp_path / "own.pth")
    encoder, _ = opened(f"torchvision:vgg16?weights={tmp_path / 'own.pth'}&size=64&device=cpu")
    assert encoder.n_features == 512
    assert encoder.encode(IMAGES[:2]).shape == (2, 512)


def test_the_image_side_of_open_clip(tmp_path):
    open_clip = pytest.importorskip("open_clip")
    import torch

    torch.manual_seed(0)
    module = open_clip.create_model("ViT-S-32-alt")
    torch.save(module.state_dict(), tmp_path / "own.pth")
    encoder, _ = opened(f"open_clip:ViT-S-32-alt?weights={tmp_path / 'own.pth'}")
    images = IMAGES.repeat(4, axis=1).repeat(4, axis=2)[:3, :224, :224]
    module.forward = module.encode_image
    expected = slow(module, images, encoder.given.mean, encoder.given.std)
    np.testing.assert_allclose(encoder.encode(images), expected, atol=1e-4)


def test_the_words_of_open_clip(tmp_path):
    open_clip = pytest.importorskip("open_clip")
    import torch

    torch.manual_seed(0)
    module = open_clip.create_model("ViT-S-32-alt").eval()
    torch.save(module.state_dict(), tmp_path / "own.pth")
    encoder, _ = opened(f"open_clip:ViT-S-32-alt?weights={tmp_path / 'own.pth'}")
    assert encoder.name in WORDED
    assert isinstance(encoder, Worded)
    texts = ["a red kite", "two tench"]
    found = encoder.encode_words(texts)
    with torch.no_grad():
        expected = module.encode_text(open_clip.get_tokenizer("ViT-S-32-alt")(texts)).numpy()
    assert found.shape == (2, encoder.n_features)
    np.testing.assert_allclose(
        found, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-4
    )


def test_other_networks_know_no_words(timm, weights):
    encoder, _ = opened(f"timm:resnet10t?weights={weights}&size=64")
    assert encoder.name not in WORDED
    with pytest.raises(InputError, match="knows no words: open_clip has networks that do"):
        encoder.encode_words(["a kite"])


def test_weights_that_cannot_be_fetched(timm, monkeypatch):
    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        InputError,
        match=r"the weights of timm:resnet18 cannot be fetched .*: give "
        r"a file of them, as in timm:resnet18\?weights=FILE",
    ):
        opened("timm:resnet18")


def test_weights_that_do_not_fit_and_names_that_are_none(timm, weights, tmp_path):
    with pytest.raises(InputError, match=r"own\.pth cannot be loaded into timm:resnet26"):
        opened(f"timm:resnet26?weights={weights}")
    with pytest.raises(InputError, match=r"none\.pth cannot be loaded into timm:resnet10t"):
        opened(f"timm:resnet10t?weights={tmp_path / 'none.pth'}")
    with pytest.raises(
        InputError, match="timm has no network 'resnet10': did you mean timm:resnet"
    ):
        opened("timm:resnet10")


def test_a_file_that_would_run_code_is_refused(timm, tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(InputError, match=r"evil\.pth cannot be loaded"):
        opened(f"timm:resnet10t?weights={path}")


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_a_gpu_gives_what_the_cpu_gives(name, tmp_path):
    torchvision = pytest.importorskip("torchvision")
    import torch

    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    torch.manual_seed(0)
    module = torchvision.models.get_model(name, weights=None)  # random: mobilenet's underflow
    torch.save(module.state_dict(), tmp_path / "own.pth")
    spec = f"torchvision:{name}?weights={tmp_path / 'own.pth'}&size=64"
    on_cpu, on_gpu = (opened(f"{spec}&device={d}")[0].encode(IMAGES) for d in ("cpu", "cuda"))
    assert ((on_cpu * on_gpu).sum(axis=1) > 0.98).all()
