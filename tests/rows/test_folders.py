"""Folders of mixed files: which are the data, what labels them, and what is said of the rest."""

import gzip
import tarfile

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from shoal.cli.truth import read_truth
from shoal.errors import InputError, SourceError, UnlikeError
from shoal.rows import open_source

COUNT = 30
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 6), np.uint8)
LABELS = np.arange(COUNT) % 3


def classes(source, key=None):
    truth = read_truth("labels", source, key)
    return [truth.names[c] for c in truth.classes]


def as_text(labels):
    return [str(label) for label in labels]


def idx(array):
    shape = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + shape + array.astype(np.uint8).tobytes()


def save_images(folder, count=COUNT, form="img{}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for at in range(count):
        Image.fromarray(IMAGES[at]).save(folder / form.format(at))


def test_an_array_and_its_labels(tmp_path):
    np.save(tmp_path / "X.npy", IMAGES)
    np.save(tmp_path / "y.npy", LABELS)
    (tmp_path / "notes.md").write_text("notes")
    source = open_source(tmp_path)
    assert np.array_equal(source.read(0, COUNT).data[..., 0], IMAGES)
    assert classes(source) == as_text(LABELS)
    assert "labels in y.npy" in source.description
    assert source.left_out == {".md": 1}
    assert open_source(tmp_path / "X.npy").label_origin == "y.npy"


def test_arrays_in_parts_each_with_its_labels(tmp_path):
    for part, rows in (("test", slice(20, None)), ("train", slice(0, 20))):
        np.save(tmp_path / f"x_{part}.npy", IMAGES[rows])
        np.save(tmp_path / f"y_{part}.npy", LABELS[rows][:, None])
    source = open_source(tmp_path)
    assert np.array_equal(source.read(0, COUNT).data[..., 0], np.roll(IMAGES, 10, 0))
    assert classes(source) == as_text(np.roll(LABELS, 10))


def test_parts_with_one_array_of_labels_for_all(tmp_path):
    for at in range(3):
        np.save(tmp_path / f"part-{at}.npy", IMAGES[10 * at : 10 * at + 10])
    np.save(tmp_path / "labels.npy", LABELS)
    np.save(tmp_path / "ids.npy", np.arange(COUNT))
    source = open_source(tmp_path)
    assert source.n_rows == COUNT
    assert classes(source) == as_text(LABELS)
    assert source.left_out == {".npy": 1}


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_mnist_as_it_is_downloaded(tmp_path, ending):
    pack = gzip.compress if ending else bytes
    for part, rows in (("t10k", slice(20, None)), ("train", slice(0, 20))):
        for what, array in (("images-idx3", IMAGES[rows]), ("labels-idx1", LABELS[rows])):
            (tmp_path / f"{part}-{what}-ubyte{ending}").write_bytes(pack(idx(array)))
    (tmp_path / "LICENSE").write_text("free")
    source = open_source(tmp_path)
    assert source.left_out == {"": 1}
    assert np.array_equal(source.read(0, COUNT).data[..., 0], np.roll(IMAGES, 10, 0))
    assert classes(source) == as_text(np.roll(LABELS, 10))
    assert "2 IDX files" in source.description
    one = open_source(tmp_path / f"train-images-idx3-ubyte{ending}")
    assert classes(one) == as_text(LABELS[:20])


def test_mnist_with_each_file_twice(tmp_path):
    for part, rows in (("t10k", slice(20, None)), ("train", slice(0, 20))):
        for what, array in (("images-idx3", IMAGES[rows]), ("labels-idx1", LABELS[rows])):
            (tmp_path / f"{part}-{what}-ubyte").mkdir()
            (tmp_path / f"{part}-{what}-ubyte" / f"{part}-{what}-ubyte").write_bytes(idx(array))
            (tmp_path / f"{part}-{what.replace('-', '.')}-ubyte").write_bytes(idx(array))
    source = open_source(tmp_path)
    assert source.n_rows == COUNT
    assert "2 copies left out" in source.description
    assert classes(source) == as_text(np.roll(LABELS, 10))


def test_one_hdf5_dataset_of_several_with_its_labels(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.update({"train/X": IMAGES, "train/y": LABELS, "train/id": np.arange(COUNT)})
    assert classes(open_source(tmp_path)) == as_text(LABELS)
    with h5py.File(tmp_path / "labels.h5", "w") as file:
        file["label"] = LABELS
    assert open_source(tmp_path).n_rows == COUNT


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("file_name,label,width", "img{}.png,{},6"),
        ("id,breed", "img{},{}"),
        ("class;path", "{1};photos/img{0}.png"),
    ],
)
def test_images_and_a_table_of_their_labels(tmp_path, header, form):
    save_images(tmp_path / "photos")
    rows = [form.format(at, LABELS[at]) for at in range(COUNT)]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows[::-1]]))
    (tmp_path / "prices.csv").write_text("item,price\nimg1.png,3\nimg2.png,4\n")
    source = open_source(tmp_path)
    order = [int(name.removeprefix("photos/img")[:-4]) for name in source.names(0, COUNT)]
    assert classes(source) == as_text(LABELS[order])
    assert source.left_out == {".csv": 1}


def test_a_table_that_names_no_row_labels_none(tmp_path):
    save_images(tmp_path)
    (tmp_path / "labels.csv").write_text("id,label\n1,a\n2,b\n")
    assert open_source(tmp_path).label_origin is None


def test_parquet_shards_beside_their_truth(tmp_path):
    rows = np.random.default_rng(1).normal(size=(400, 40))
    for at in range(2):
        part = rows[200 * at : 200 * at + 200]
        columns = {f"e{column}": part[:, column] for column in range(40)}
        pq.write_table(pa.table(columns), tmp_path / f"part-{at}.parquet")
    pq.write_table(pa.table({"label": np.arange(400) % 3}), tmp_path / "truth.parquet")
    (tmp_path / "metadata.csv").write_text("id,label\n0,1\n")
    source = open_source(tmp_path)
    assert source.read(0, 400).data == pytest.approx(rows.astype(np.float32))
    assert ".csv" in source.description
    assert ".parquet" in source.description


def test_archives_beside_a_large_index(tmp_path):
    save_images(tmp_path / "photos", 4)
    (tmp_path / "set").mkdir()
    with tarfile.open(tmp_path / "set" / "a.tar", "w") as archive:
        archive.add(tmp_path / "photos", "photos")
    (tmp_path / "set" / "index.json").write_text("{}" * 100_000)
    source = open_source(tmp_path / "set")
    assert source.n_rows == 4
    assert ".json" in source.description


@pytest.fixture
def raw_beside_truth(tmp_path):
    """What make-tiles wrote before it described itself: raw files, and their truth in Parquet."""
    rows = np.random.default_rng(2).integers(0, 256, (2_000, 8, 8, 3), np.uint8)
    rows.tofile(tmp_path / "rows.bin")
    truth = pa.table({"source": np.arange(2_000) % 9, "digit": np.arange(2_000) % 10})
    pq.write_table(truth, tmp_path / "truth.parquet")
    return tmp_path


def test_a_small_table_beside_much_larger_raw_files_is_not_the_data(raw_beside_truth):
    with pytest.raises(SourceError, match=r"1 \.bin and 1 \.parquet.*--shape.*truth\.parquet"):
        open_source(raw_beside_truth)
    (raw_beside_truth / "truth.parquet").rename(raw_beside_truth / "other.parquet")
    with pytest.raises(SourceError, match="--shape"):
        open_source(raw_beside_truth)
    assert open_source(raw_beside_truth, shape=(8, 8, 3)).n_rows == 2_000


def test_a_preview_beside_much_larger_data_is_not_the_data(tmp_path):
    save_images(tmp_path, 2)
    np.save(tmp_path / "data.npy", np.repeat(IMAGES, 20, 0))
    source = open_source(tmp_path)
    assert source.n_rows == 20 * COUNT
    assert "by far the most of its bytes" in source.description
    assert source.left_out == {".png": 2}
    (tmp_path / "data.npy").unlink()
    np.savez(tmp_path / "data.npz", x=np.repeat(IMAGES, 20, 0))
    with pytest.raises(SourceError, match=r"1 \.npz.*data\.npz: give that file"):
        open_source(tmp_path)


def test_raw_files_of_unknown_shape_beside_a_few_images(tmp_path):
    save_images(tmp_path, 3)
    (tmp_path / "cache.dat").write_bytes(np.random.default_rng(0).bytes(99_999))
    with pytest.raises(SourceError, match=r"to take its images, give .*\*\.png"):
        open_source(tmp_path)
    assert open_source(f"{tmp_path}/*.png").n_rows == 3


def test_images_are_the_data_beside_what_belongs_to_them(tmp_path):
    save_images(tmp_path)
    for at in range(COUNT):
        (tmp_path / f"img{at}.raw").write_bytes(bytes(5_000))  # a camera's own
    np.save(tmp_path / "features.npy", np.zeros((COUNT, 500)))
    source = open_source(tmp_path)
    assert (source.kind, source.n_rows) == ("images", COUNT)
    assert source.left_out == {".raw": COUNT, ".npy": 1}
    for at in range(25):
        (tmp_path / f"img{at}.png").unlink()
        (tmp_path / f"img{at}.raw").unlink()
    (tmp_path / "features.npy").unlink()
    assert open_source(tmp_path).n_rows == 5


def test_two_sets_of_one_size_are_not_mixed_up(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((40, 5)))
    np.save(tmp_path / "b.npy", np.zeros((40, 6)))
    with pytest.raises(InputError, match=r"several sets, such as b\.npy and a\.npy"):
        open_source(tmp_path)
    np.save(tmp_path / "a.npy", np.zeros((4_000, 5)))
    assert open_source(tmp_path).n_rows == 4_000


def test_a_shard_of_another_shape_is_not_left_out(tmp_path):
    for at in range(30):
        np.save(tmp_path / f"part-{at}.npy", np.zeros((40, 6 - (at == 7))))
    with pytest.raises(
        UnlikeError, match=r"part-7\.npy has rows of 5 float64, but part-0\.npy of 6"
    ):
        open_source(tmp_path)


def test_vectors_that_are_asked_for_beside_images(tmp_path):
    save_images(tmp_path)
    np.save(tmp_path / "features.npy", np.zeros((COUNT, 5)))
    assert open_source(tmp_path, as_="vectors").kind == "vectors"
    (tmp_path / "features.npy").unlink()
    with pytest.raises(InputError, match="cannot be read --as vectors"):
        open_source(tmp_path, as_="vectors")


def test_cifar_in_both_of_its_versions(tmp_path):
    import pickle

    images = np.random.default_rng(0).integers(0, 256, (COUNT, 3, 32, 32), np.uint8)
    (tmp_path / "bin").mkdir()
    (tmp_path / "py").mkdir()
    stored = np.concatenate([LABELS.astype(np.uint8)[:, None], images.reshape(COUNT, -1)], 1)
    for at in range(2):
        rows = slice(15 * at, 15 * at + 15)
        stored[rows].tofile(tmp_path / "bin" / f"data_batch_{at}.bin")
        batch = {"data": stored[rows, 1:], "labels": LABELS[rows].tolist()}
        (tmp_path / "py" / f"data_batch_{at}").write_bytes(pickle.dumps(batch, 2))
    (tmp_path / "bin" / "readme.html").write_text("<html>")
    source = open_source(tmp_path / "bin")
    assert np.array_equal(source.read(0, COUNT).data, images.transpose(0, 2, 3, 1))
    assert classes(source) == as_text(LABELS)
    with pytest.raises(SourceError, match=r"is a pickle: .*\['data_batch_0', 'data_batch_1'\]"):
        open_source(tmp_path / "py")


def test_a_folder_of_nothing_but_labels_says_so(tmp_path):
    np.save(tmp_path / "y.npy", LABELS)
    with pytest.raises(InputError, match="has one axis"):
        open_source(tmp_path)
    (tmp_path / "y.npy").unlink()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    with pytest.raises(SourceError, match="is a file of 30 labels"):
        open_source(tmp_path)
