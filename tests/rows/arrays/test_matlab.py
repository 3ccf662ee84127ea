import h5py
import numpy as np
import pytest
from scipy import io

from shoal.cli.truth import read_truth
from shoal.errors import InputError, SourceError
from shoal.rows import draw_sample, open_source

COUNT = 40


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 8, 6, 3), np.uint8)


@pytest.fixture
def labels():
    return (np.arange(COUNT) % 10 + 1).astype(np.uint8)


def save_73(path, **arrays):
    """Write as MATLAB does from version 7.3 on: HDF5 behind a header of text, sides in reverse."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for key, array in arrays.items():
            dataset = file.create_dataset(key, data=array.T, chunks=True, compression="gzip")
            dataset.attrs["MATLAB_class"] = np.bytes_(str(array.dtype))
        file.create_group("#refs#")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan 5 2026".ljust(128))


def save_5(path, **arrays):
    io.savemat(path, {**arrays, "about": {"by": "us"}}, do_compression=True)


@pytest.mark.parametrize("save", [save_5, save_73])
def test_images_stacked_along_the_last_side_with_their_labels(tmp_path, save, images, labels):
    path = tmp_path / "train_32x32.mat"
    save(path, X=np.moveaxis(images, 0, -1), y=labels[:, None])
    source = open_source(path)
    assert (source.kind, source.n_rows, source.shape) == ("images", COUNT, (8, 6, 3))
    assert np.array_equal(source.read(0, COUNT).data, images)
    assert np.array_equal(source.read_original(7), images[7])
    truth = read_truth("labels", source)
    assert [truth.names[c] for c in truth.classes] == [str(label) for label in labels]
    sample = draw_sample(source, 9, 0)
    rows = [int(name) for name in sample.names(0, 9)]
    assert np.array_equal(sample.read(0, 9).data, images[rows])
    assert read_truth(str(path), source, "y").names == truth.names


@pytest.mark.parametrize("save", [save_5, save_73])
@pytest.mark.parametrize(
    ("sides", "shape"),
    [
        ((1, 2, 3, 0), (8, 6, 3)),  # H×W×C×N
        ((0, 1, 2, 3), (8, 6, 3)),  # N×H×W×C
        ((0, 3, 1, 2), (8, 6, 3)),  # N×C×H×W
    ],
)
def test_the_side_that_counts_is_found_without_labels(tmp_path, save, images, sides, shape):
    save(tmp_path / "x.mat", data=images.transpose(sides))
    source = open_source(tmp_path / "x.mat")
    assert source.shape == shape
    assert np.array_equal(source.read(0, COUNT).data, images)


def test_grey_images_and_vectors(tmp_path):
    grey = np.random.default_rng(1).integers(0, 256, (50, 20, 20), np.uint8)
    save_5(tmp_path / "last.mat", faces=np.moveaxis(grey, 0, -1))
    save_5(tmp_path / "first.mat", faces=grey)
    for name in ("last.mat", "first.mat"):
        assert np.array_equal(open_source(tmp_path / name).read(0, 50).data[..., 0], grey)
    flat = grey.reshape(50, 400)
    save_5(tmp_path / "rows.mat", fea=flat.astype(float), gnd=np.arange(50.0)[:, None])
    save_5(tmp_path / "columns.mat", data=flat.T, label=np.arange(50.0)[None])
    for name in ("rows.mat", "columns.mat"):
        source = open_source(tmp_path / name)
        assert np.array_equal(source.read(0, 50).data, flat)
        assert np.array_equal(read_truth("labels", source).classes, np.arange(50))
    save_5(tmp_path / "bare.mat", data=flat.T)
    assert open_source(tmp_path / "bare.mat").n_rows == 400
    source = open_source(tmp_path / "bare.mat", shape=(20, 20))
    assert np.array_equal(source.read(0, 50).data[..., 0], grey)


def test_labels_of_text(tmp_path, images):
    names = np.array(["cat", "dog"] * (COUNT // 2), object)
    save_5(tmp_path / "x.mat", X=images, labels=names[:, None])
    assert read_truth("labels", open_source(tmp_path / "x.mat")).names == ("cat", "dog")


def test_what_cannot_be_told_is_said(tmp_path, images):
    path = tmp_path / "x.mat"
    save_5(path, x_train=images, x_test=images[:9], y_train=np.ones((COUNT, 1)))
    with pytest.raises(InputError, match="give --key x_train"):
        open_source(path)
    assert open_source(path, key="x_train").label_origin == "x.mat, y_train"
    with pytest.raises(InputError, match="has no variable nope"):
        open_source(path, key="nope")
    with pytest.raises(InputError, match="cannot be rows"):
        open_source(path, key="y_train")
    save_5(path, cube=np.zeros((12, 20, 7)))
    with pytest.raises(InputError, match=r"numpy\.moveaxis"):
        open_source(path)
    save_5(path, y=np.zeros((12, 1)))
    with pytest.raises(InputError, match="holds nothing that can be images or vectors"):
        open_source(path)


@pytest.mark.parametrize("save", [save_5, save_73])
def test_damage_is_one_sentence(tmp_path, save, images):
    path = tmp_path / "x.mat"
    save(path, X=images)
    whole = path.read_bytes()
    for count in (200, 600, len(whole) // 2):
        path.write_bytes(whole[:count])
        with pytest.raises(SourceError) as caught:
            open_source(path)
        assert "\n" not in str(caught.value)
    path.write_bytes(b"no MATLAB file at all")
    with pytest.raises(SourceError, match="cannot be read as a MATLAB file"):
        open_source(path)
