import pickle

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.cli.truth import read_truth
from shoal.errors import InputError, SourceError
from shoal.rows import draw_sample, open_source
from shoal.rows.arrays.raw import fitting_shapes

IMAGES = np.random.default_rng(5).integers(0, 256, (30, 4, 5, 3), dtype=np.uint8)


def test_one_file(tmp_path):
    IMAGES.tofile(tmp_path / "x.bin")
    source = pickle.loads(pickle.dumps(open_source(tmp_path / "x.bin", shape=(4, 5, 3))))
    assert source.description == "30 colour images of 4×5 (x.bin)"
    np.testing.assert_array_equal(source.read(7, 30).data, IMAGES[7:])
    assert source.names(7, 9) == ["x.bin:7", "x.bin:8"]


def test_many_shards_in_natural_order_one_of_them_empty(tmp_path):
    for number in range(15):
        IMAGES[2 * number : 2 * number + 2].tofile(tmp_path / f"s{number}.raw")
    (tmp_path / "s7a.raw").touch()
    (tmp_path / "readme.txt").write_text("not raw")
    source = open_source(tmp_path, shape=(4, 5, 3), dtype="uint8")
    np.testing.assert_array_equal(source.read(0, 30).data, IMAGES)
    np.testing.assert_array_equal(source.read(3, 28).data, IMAGES[3:28])
    assert source.names(3, 5) == ["s1.raw:1", "s2.raw:0"]
    assert source.fingerprint()["files"] == 16


def test_raw_vectors_of_any_byte_order(tmp_path):
    values = np.arange(12, dtype=">f4").reshape(4, 3)
    values.tofile(tmp_path / "v.dat")
    source = open_source(tmp_path / "v.dat", shape=(3,), dtype=">f4")
    assert source.kind == "vectors"
    np.testing.assert_array_equal(source.read(0, 4).data, values)


def test_a_wrong_shape_names_shapes_that_fit(tmp_path):
    (tmp_path / "x.bin").write_bytes(bytes(28 * 28 * 10))
    message = r"7,840 bytes, not a multiple of 16×16×3 uint8 .*: 10 rows and 160 bytes left.*28,28"
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / "x.bin", shape=(16, 16, 3), dtype="uint8")
    (tmp_path / "x.bin").write_bytes(bytes(7))
    with pytest.raises(SourceError, match="no usual shape fits"):
        open_source(tmp_path / "x.bin", shape=(16, 16, 3))


def test_what_is_not_said_or_wrong_is_asked_for(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"\1" * 768)
    with pytest.raises(SourceError, match=r"give --shape and --dtype, as in --shape 16,16,3"):
        open_source(path)
    with pytest.raises(InputError, match="--dtype complex64 is not a number"):
        open_source(path, shape=(16, 16, 3), dtype="complex64")
    with pytest.raises(InputError, match="--dtype nonsense is not a number type"):
        open_source(path, shape=(16, 16, 3), dtype="nonsense")
    path.write_bytes(b"")
    with pytest.raises(SourceError, match=r"x.bin is empty"):
        open_source(path, shape=(16, 16, 3))


@given(st.integers(1, 10**7), st.sampled_from([1, 2, 4]))
def test_suggested_shapes_do_fit(size, itemsize):
    for shape in fitting_shapes(size, (16, 16, 3), itemsize):
        assert size % (np.prod(shape) * itemsize) == 0


COUNT = 60


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (COUNT, 32, 32, 3), np.uint8)


def records(images, *labels):
    flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([*(np.uint8(label)[:, None] for label in labels), flat], 1)


def test_cifar_10_is_known_by_its_records(tmp_path, images):
    labels = np.random.default_rng(1).integers(0, 10, COUNT)
    stored = records(images, labels)
    stored[:40].tofile(tmp_path / "data_batch_2.bin")
    stored[40:].tofile(tmp_path / "data_batch_10.bin")
    one = open_source(tmp_path / "data_batch_2.bin")
    assert np.array_equal(one.read(0, 40).data, images[:40])
    assert np.array_equal(one.labels(), labels[:40])
    every = open_source(f"{tmp_path}/data_batch_*.bin")
    assert np.array_equal(every.read(35, COUNT).data, images[35:])
    names = ["airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (tmp_path / "batches.meta.txt").write_text("\n".join([*names, "", ""]))
    truth = read_truth("labels", open_source(f"{tmp_path}/data_batch_*.bin"))
    assert [truth.names[c] for c in truth.classes] == [names[label] for label in labels]


def test_cifar_100_has_two_labels(tmp_path, images):
    coarse, fine = np.arange(COUNT) % 20, np.arange(COUNT) % 100
    records(images, coarse, fine).tofile(tmp_path / "train.bin")
    source = open_source(tmp_path / "train.bin")
    assert np.array_equal(source.read(0, COUNT).data, images)
    assert np.array_equal(source.labels(), fine)
    assert np.array_equal(source.labels("coarse"), coarse)
    with pytest.raises(InputError, match="give coarse or fine"):
        source.labels("nope")


def test_stl_10_is_stored_by_columns_with_labels_beside(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 96, 96, 3), np.uint8)
    images.transpose(0, 3, 2, 1).tofile(tmp_path / "train_X.bin")
    images[:2].transpose(0, 3, 2, 1).tofile(tmp_path / "unlabeled_X.bin")
    np.array([1, 10, 2, 1, 3], np.uint8).tofile(tmp_path / "train_y.bin")
    source = open_source(f"{tmp_path}/*_X.bin")
    assert source.typical_size == (96, 96)
    assert np.array_equal(source.read_original(4), images[4])
    assert source.labels() == ["1", "10", "2", "1", "3", None, None]
    (tmp_path / "class_names.txt").write_text("\n".join("abcdefghij"))
    assert source.labels()[:3] == ["a", "j", "b"]
    (tmp_path / "train_y.bin").write_bytes(b"\1")
    with pytest.raises(InputError, match="has 1 labels, but there are 5 images"):
        source.labels()


@pytest.mark.parametrize(
    "stored",
    [
        np.random.default_rng(2).integers(0, 256, 3073 * 30, np.uint8),
        np.zeros(3073 * 30, np.uint8),
        np.zeros(3073, np.uint8),
        np.zeros(3074 * 30 - 1, np.uint8),
    ],
)
def test_other_bytes_are_not_taken_for_records(tmp_path, stored):
    stored.tofile(tmp_path / "x.bin")
    with pytest.raises(SourceError, match="--shape"):
        open_source(tmp_path / "x.bin")


def test_a_shape_that_is_asked_for_goes_before(tmp_path, images):
    records(images, np.arange(COUNT) % 10).tofile(tmp_path / "x.bin")
    assert open_source(tmp_path / "x.bin", shape=(3073,)).kind == "vectors"


SHAPE, PLAIN = (6, 4, 3), 'format = 1\nfiles = "x-*.bin"\nshape = [6, 4, 3]\n'


@pytest.fixture
def rows():
    return np.random.default_rng(0).integers(0, 256, (30, *SHAPE), np.uint8)


@pytest.fixture
def folder(tmp_path, rows):
    """Two raw files, a truth of one label a row, and something else."""
    root = tmp_path / "set"
    root.mkdir()
    rows[:20].tofile(root / "x-2.bin")
    rows[20:].tofile(root / "x-10.bin")
    pq.write_table(pa.table({"kind": np.arange(30) % 3, "size": np.arange(30)}), root / "y.parquet")
    (root / "notes.md").write_text("notes")
    return root


def describe(folder, text):
    (folder / "shoal.toml").write_text(text, encoding="utf-8")


def test_a_folder_that_describes_itself_needs_no_options(folder, rows):
    describe(folder, PLAIN + 'rows = 30\ntruth = "y.parquet"\ntruth_key = "kind"\n')
    source = open_source(folder)
    assert source.kind == "images"
    assert np.array_equal(source.read(0, 30).data, rows)
    assert "2 raw files" in source.description
    assert source.left_out == {".md": 1}
    assert source.label_origin == "y.parquet, kind"
    assert np.array_equal(source.labels(), np.arange(30) % 3)
    assert np.array_equal(read_truth("labels", source).classes, np.arange(30) % 3)
    assert len(read_truth("labels", source, "size").names) == 30


def test_a_sample_has_the_truth_of_its_own_rows(folder):
    describe(folder, PLAIN + 'truth = "y.parquet"\ntruth_key = "size"\n')
    source = draw_sample(open_source(folder), 7, 0)
    places = [name.split(":") for name in source.names(0, 7)]
    drawn = [int(row) + 20 * (file == "x-10.bin") for file, row in places]
    assert [int(name) for name in read_truth("labels", source).names] == sorted(drawn)


def test_files_and_patterns_are_read_by_it_too(folder, rows):
    describe(folder, PLAIN + 'rows = 30\ntruth = "y.parquet"\n')
    one = open_source(folder / "x-10.bin")
    assert np.array_equal(one.read(0, 10).data, rows[20:])
    assert one.label_origin is None  # the truth has a label for each row of all files
    assert open_source(str(folder / "x-*.bin")).n_rows == 30
    rows.tofile(folder / "other.bin")
    with pytest.raises(SourceError, match="--shape"):
        open_source(folder / "other.bin")


def test_what_is_asked_for_goes_before_it(folder, rows):
    describe(folder, PLAIN)
    source = open_source(folder, shape=(72,))
    assert source.kind == "vectors"
    assert np.array_equal(source.read(0, 30).data, rows.reshape(30, 72))
    assert open_source(folder, dtype="int8").store.dtype == np.int8


@pytest.mark.parametrize(("order", "axes"), [("CHW", (0, 3, 1, 2)), ("CWH", (0, 3, 2, 1))])
def test_axes_may_be_stored_in_any_order(tmp_path, rows, order, axes):
    stored = np.ascontiguousarray(rows.transpose(axes))
    (tmp_path / "a.raw").write_bytes(b"header!!" + stored.tobytes())
    side = ",".join(map(str, stored.shape[1:]))
    describe(
        tmp_path,
        f'format = 1\nfiles = "a.raw"\nshape = [{side}]\norder = "{order}"\noffset = 8\n',
    )
    source = open_source(tmp_path)
    assert source.shape == SHAPE
    assert np.array_equal(source.read(3, 9).data, rows[3:9])
    assert np.array_equal(source.read_original(29), rows[29])


def test_grey_images_and_vectors_of_other_types(tmp_path):
    values = np.random.default_rng(1).normal(size=(12, 20)).astype(">f4")
    values.tofile(tmp_path / "v.dat")
    describe(tmp_path, 'format = 1\nfiles = ["v.dat"]\nshape = 20\ndtype = ">f4"\n')
    assert np.array_equal(open_source(tmp_path).read(0, 12).data, values.astype("f4"))
    describe(
        tmp_path,
        'format = 1\nfiles = ["v.dat"]\nshape = [4, 5]\ndtype = ">f4"\norder = "WH"\n',
    )
    assert open_source(tmp_path).shape == (5, 4, 1)


def test_rows_that_are_missing_are_noticed(folder):
    describe(folder, PLAIN + "rows = 30\n")
    (folder / "x-10.bin").unlink()
    with pytest.raises(SourceError, match="promises 30 rows, but its files hold 20"):
        open_source(folder)
    (folder / "x-2.bin").unlink()
    with pytest.raises(SourceError, match="none of its files"):
        open_source(folder)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = ", "cannot be read"),
        ("format = 2\n", "format must be 1; got 2"),
        ("format = 1\n", "files and shape are needed"),
        (PLAIN + "shpae = 1\n", "shpae is not one of its keys"),
        (PLAIN + 'truth = "/etc/passwd"\n', "must be a name within the folder"),
        (PLAIN.replace("x-*", "../x-*"), "must be a name within the folder"),
        (PLAIN.replace("[6, 4, 3]", "[6, -4, 3]"), "shape must be a whole number"),
        (PLAIN.replace("[6, 4, 3]", "[1, 2, 3, 4]"), "one to three sides"),
        (PLAIN.replace("[6, 4, 3]", "[6, true]"), "shape must be a whole number"),
        (PLAIN + 'dtype = "complex64"\n', "is not a number type"),
        (PLAIN + 'order = "HW"\n', "must name the 3 axes"),
        (PLAIN + "offset = -1\n", "offset must be"),
        (PLAIN + "rows = 1e3\n", "rows must be"),
        (PLAIN + "truth = 7\n", "truth must be a text"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_one_sentence(folder, text, said):
    (folder / "shoal.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=said) as caught:
        open_source(folder)
    assert "\n" not in str(caught.value)


def test_a_truth_that_is_not_there_is_not_offered(folder):
    describe(folder, PLAIN + 'truth = "later.parquet"\n')
    source = open_source(folder)
    assert source.label_origin is None
    assert source.labels() is None
    with pytest.raises(InputError, match="no labels of its own"):
        read_truth("labels", source)


def test_a_manifest_written_on_windows(folder, rows):
    (folder / "shoal.toml").write_bytes(b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode())
    assert np.array_equal(open_source(folder).read(0, 30).data, rows)


def test_a_folder_in_a_store(rows):
    store = fsspec.filesystem("memory")
    store.pipe("/raw-set/x-0.bin", rows.tobytes())
    store.pipe("/raw-set/shoal.toml", (PLAIN + 'truth = "y.csv"\n').encode())
    store.pipe("/raw-set/y.csv", ("kind\n" + "a\nb\n" * 15).encode())
    source = open_source("memory://raw-set")
    assert np.array_equal(source.read(0, 30).data, rows)
    assert read_truth("labels", source).names == ("a", "b")
