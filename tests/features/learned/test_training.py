import sys

import numpy as np
import pytest

from shoal.errors import MissingExtraError
from shoal.features.learned import METHODS, training
from shoal.features.learned.augmentation import altered
from shoal.features.learned.training import State, train

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(training, "HALF", 8)
    monkeypatch.setattr(training, "EVERY", 2)
    for method in METHODS:
        monkeypatch.setitem(training.STEPS, method, 6)


def some_images(channels=1, n=40):
    return np.random.default_rng(3).integers(0, 256, (n, 32, 32, channels), np.uint8)


def trained(method, images, *, threads=1, look=lambda state: None, state=None):
    state = state or State.new(method, images.shape[3], 5)
    return train(method, images, 5, threads, state, look)


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("channels", [1, 3])
def test_weights_do_not_depend_on_threads_or_interruptions(method, channels):
    images, kept = some_images(channels), []
    whole = trained(method, images, look=lambda state: kept.append(state.packed()))
    assert same(whole, trained(method, images, threads=2))
    middle = State.new(method, channels, 5)
    middle.unpack(kept[0])
    assert middle.step == 2
    assert same(whole, trained(method, images, state=middle))
    assert not same(whole, train(method, images, 6, 1, State.new(method, channels, 6), len_of))


def len_of(state):
    return state.step


def test_an_autoencoder_learns(monkeypatch):
    monkeypatch.setitem(training.STEPS, "autoencoder", 60)
    monkeypatch.setattr(training, "EVERY", 20)
    images = np.full((60, 32, 32, 1), 40, np.uint8)
    images[::2, 8:24] = 200
    losses = []
    train(
        "autoencoder",
        images,
        0,
        1,
        State.new("autoencoder", 1, 0),
        lambda state: losses.append(state.best),
    )
    assert losses[-1] < losses[0] / 2


def test_an_autoencoder_stops_when_it_learns_no_more(monkeypatch):
    monkeypatch.setattr(training, "_loss_of", lambda weights, images: 1.0)
    monkeypatch.setitem(training.STEPS, "autoencoder", 50)
    state = State.new("autoencoder", 1, 0)
    train("autoencoder", some_images(), 0, 1, state, len_of)
    assert (state.step, state.waited) == (8, 3)  # three looks, two steps apart, after the first


def test_a_contrastive_network_tells_views_of_an_image_from_others(monkeypatch):
    monkeypatch.setitem(training.STEPS, "contrastive", 30)
    monkeypatch.setattr(training, "HALF", 32)
    patterns = np.random.default_rng(1).integers(0, 2, (64, 4, 4, 1)) * np.uint8(255)
    images = patterns.repeat(8, axis=1).repeat(8, axis=2)
    generator = torch.Generator().manual_seed(0)
    numbers = training._numbers(images)
    views = torch.cat([altered(numbers, generator), altered(numbers, generator)])

    def loss(weights):
        tensors = {name: torch.from_numpy(w) for name, w in weights.items()}
        return float(training._contrast(tensors, views))

    state = State.new("contrastive", 1, 0)
    before = loss(state.weights)
    train("contrastive", images, 0, 1, state, len_of)
    assert loss(state.weights) < before - 1


@pytest.mark.parametrize("channels", [1, 3])
def test_views_are_images_and_grey_ones_are_not_mirrored(channels):
    half = np.zeros((200, 32, 32, channels), np.uint8)
    half[:, :, :12] = 255
    seen = altered(training._numbers(half), torch.Generator().manual_seed(0)).numpy()
    assert seen.shape == (200, channels, 32, 32)
    assert seen.min() >= 0
    assert len(np.unique(seen.mean(axis=(1, 2, 3)))) > 150
    mirrored = seen[..., :16].mean(axis=(1, 2, 3)) < seen[..., 16:].mean(axis=(1, 2, 3))
    assert (mirrored.mean() > 0.2) == (channels == 3)


def test_torch_keeps_its_threads(monkeypatch):
    before = torch.get_num_threads()
    trained("autoencoder", some_images())
    assert torch.get_num_threads() == before


def test_without_torch_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'shoal\[torch\]'"):
        trained("autoencoder", some_images())
