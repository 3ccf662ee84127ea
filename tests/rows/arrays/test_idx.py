import gzip
import pickle
import struct

import numpy as np
import pytest

from shoal.errors import SourceError
from shoal.rows import open_source

TYPES = {"u1": 8, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx(array, dtype):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, TYPES[dtype], array.ndim, *array.shape)
    return head + array.astype(dtype).tobytes()


@pytest.fixture(params=["images-idx3-ubyte", "images-idx3-ubyte.gz", "plain"])
def write(request, tmp_path):
    def write(data, name=None):
        path = tmp_path / (name or request.param)
        path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
        return path

    return write


@pytest.mark.parametrize("dtype", TYPES)
def test_images_of_every_type(write, dtype):
    images = np.random.default_rng(1).integers(0, 256, (20, 4, 3))
    source = pickle.loads(pickle.dumps(open_source(write(idx(images, dtype)))))
    assert (source.kind, source.shape, source.n_rows) == ("images", (4, 3, 1), 20)
    np.testing.assert_array_equal(source.read(5, 20).data[..., 0], images[5:])


def test_two_axes_are_vectors(write):
    vectors = np.array([[1.5, -2], [3, 4]])
    source = open_source(write(idx(vectors, ">f4")))
    assert source.kind == "vectors"
    np.testing.assert_array_equal(source.read(0, 2).data, vectors)


def test_labels_are_refused_and_the_images_named(write):
    labels = write(idx(np.arange(9), "u1"), "train-labels-idx1-ubyte")
    with pytest.raises(SourceError, match="a file of 9 labels, not of images: give the images"):
        open_source(labels)
    write(idx(np.zeros((9, 2, 2)), "u1"), "train-images-idx3-ubyte")
    with pytest.raises(SourceError, match=r"give .*train-images-idx3-ubyte$"):
        open_source(labels)


def test_cut_off_files_are_refused_or_have_a_reason(tmp_path):
    data = idx(np.ones((9, 2, 2)), "u1")
    plain, packed = tmp_path / "a-idx3-ubyte", tmp_path / "b-idx3-ubyte.gz"
    plain.write_bytes(data[:-5])
    with pytest.raises(SourceError, match="its header promises 52 bytes, but it has 47"):
        open_source(plain)
    packed.write_bytes(gzip.compress(data[:-5]))
    with pytest.raises(SourceError, match="cannot be unpacked: 5 bytes are missing"):
        open_source(packed)
    packed.write_bytes(gzip.compress(data)[:6])
    with pytest.raises(SourceError):
        open_source(packed)
