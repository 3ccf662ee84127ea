import gzip
import lzma
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from shoal.errors import SourceError
from shoal.rows import open_source

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 32, 32), np.uint8)
FRAME = pd.DataFrame({"a": IMAGES.ravel()[:30], "b": ["x", "y"] * 15})
CIFAR = {"batch_label": "x", "labels": [0, 1, 2, 3, 4, 5], "data": IMAGES.reshape(6, -1)}
CIFAR_100 = {"fine_labels": [7] * 6, "coarse_labels": [1] * 6, "data": IMAGES.reshape(6, -1)}


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["data_batch_1", "x.pkl", "x.dat"])
def test_a_pickle_is_never_opened(tmp_path, protocol, name):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    for content in (CIFAR, [Harm()], np.zeros(3), {"harm": Harm()}):
        (tmp_path / name).write_bytes(pickle.dumps(content, protocol))
        with pytest.raises(SourceError, match="is a pickle: opening one runs the code in it"):
            open_source(tmp_path / name)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("content", "name", "converted", "key", "n_rows"),
    [
        (CIFAR, "data_batch_1", "data_batch_1.npz", "images", 6),
        (CIFAR_100, "train", "train.npz", "images", 6),
        (IMAGES, "x.pickle", "x.npy", None, 6),
        ({"a": IMAGES[:4], "names": ["x"]}, "x.pkl", "x.npz", "a", 4),
        (
            pd.DataFrame({"a": IMAGES.ravel()[:30], "b": ["x", "y"] * 15}),
            "f.pkl",
            "f.parquet",
            None,
            30,
        ),
    ],
)
def test_the_conversion_that_is_said_works(tmp_path, content, name, converted, key, n_rows):
    (tmp_path / name).write_bytes(pickle.dumps(content, 2))
    with pytest.raises(SourceError) as caught:
        open_source(tmp_path / name)
    code = str(caught.value).partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    source = open_source(tmp_path / converted, key=key)
    assert source.n_rows == n_rows
    if key == "images":
        assert np.array_equal(source.read(0, 6).data, IMAGES.transpose(0, 2, 3, 1))
        assert source.label_origin == f"{converted}, labels"


@pytest.mark.parametrize(
    ("name", "pack"), [("mnist.pkl.gz", gzip.compress), ("mnist.pkl", bytes), ("a.pkl.xz", None)]
)
def test_pickles_that_are_packed(tmp_path, name, pack):
    images = np.random.default_rng(0).random((6, 784), np.float32)
    content = [(images[:2], np.arange(2)), (images[2:3], [2]), (images[3:], [3, 4, 5])]
    if pack is None:
        content, pack = images, lzma.compress
    (tmp_path / name).write_bytes(pack(pickle.dumps(content, 2)))
    with pytest.raises(SourceError, match="is a pickle") as caught:
        open_source(tmp_path / name)
    code = str(caught.value).partition('python -c "')[2].removesuffix('"')
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    converted = tmp_path / ("a.npy" if name.startswith("a") else "mnist.npz")
    source = open_source(converted, as_="vectors")
    assert source.read(0, 6).data == pytest.approx(images)


def test_a_name_is_no_command_for_the_shell(tmp_path):
    for name in ("$(touch harm).pkl", "`touch harm`.pkl", "a';b.pkl"):
        (tmp_path / name).write_bytes(pickle.dumps([1], 2))
        with pytest.raises(SourceError) as caught:
            open_source(tmp_path / name)
        code = str(caught.value).partition("python -c")[2]
        assert "FILE" in code
        assert "harm" not in code


def test_raw_numbers_that_begin_like_one_are_read_by_their_shape(tmp_path):
    (tmp_path / "x.bin").write_bytes(b"\x80\x03" + bytes(62))
    assert open_source(tmp_path / "x.bin", shape=(4, 4)).n_rows == 4
