import sys

import numpy as np
import pytest

import shoal
from shoal.errors import MissingExtraError, SourceError
from shoal.features.learned import training


@pytest.fixture
def images():
    generator = np.random.default_rng(0)
    images = generator.integers(0, 60, (60, 12, 12), np.uint8)
    images[:30, 3:9] += 150
    return images


def test_a_network_is_trained_in_the_fit_and_predicts(tmp_path, monkeypatch, images):
    pytest.importorskip("torch")
    monkeypatch.setitem(training.STEPS, "autoencoder", 5)
    monkeypatch.setattr(training, "HALF", 8)
    runs = [
        shoal.fit(images, tmp_path / f"{workers}.shoal", features="autoencoder", workers=workers)
        for workers in (1, 2)
    ]
    labels = runs[0].labels()
    assert np.array_equal(labels, runs[1].labels())
    networks = [run.path / "features" / "network" / "whole.npy" for run in runs]
    assert networks[0].read_bytes() == networks[1].read_bytes()
    assert np.array_equal(runs[0].predict(images).cluster, labels)


def test_learning_needs_torch(tmp_path, monkeypatch, images):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="need torch"):
        shoal.fit(images, tmp_path / "a.shoal", features="contrastive")


def test_a_network_does_not_learn_from_a_handful_of_images(tmp_path, images):
    pytest.importorskip("torch")
    with pytest.raises(SourceError, match="6 images can be read"):
        shoal.fit(images[:6], tmp_path / "a.shoal", features="autoencoder")
