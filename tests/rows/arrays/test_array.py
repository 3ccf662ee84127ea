import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.errors import InputError, SourceError
from shoal.rows import ImageRequest, as_requested, memory_budget, open_source, thumbnails
from shoal.rows.store import FileStore

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.integers(0, 256, (50, 6, 5), dtype=np.uint8)


def in_memory(array, path):
    return open_source(array)


def npy(array, path):
    np.save(path / "x.npy", array)
    return open_source(path / "x.npy")


def npy_fortran(array, path):
    np.save(path / "x.npy", np.asfortranarray(array))
    return open_source(path / "x.npy")


def npz_plain(array, path):
    np.savez(path / "x.npz", labels=np.arange(len(array)), images=array)
    return open_source(path / "x.npz")


def npz_packed(array, path):
    np.savez_compressed(path / "x.npz", images=array)
    return open_source(path / "x.npz", key="images")


def shards(array, path):
    for at in range(0, len(array), 20):
        np.save(path / f"part{at}.npy", array[at : at + 20])
    return open_source(path)


WAYS = [in_memory, npy, npy_fortran, npz_plain, npz_packed, shards]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4", "f8"])
def test_every_way_gives_the_same_images(way, dtype, tmp_path):
    source = way(IMAGES.astype(dtype), tmp_path)
    source = pickle.loads(pickle.dumps(source))
    assert (source.kind, source.shape, source.n_rows) == ("images", (6, 5, 1), 50)
    for start, stop in ((0, 50), (3, 4), (15, 45), (50, 50)):
        batch = source.read(start, stop)
        assert batch.data.dtype == np.uint8
        assert batch.data.flags.c_contiguous
        assert batch.bad == {}
        np.testing.assert_array_equal(batch.data[..., 0], IMAGES[start:stop])


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_same_vectors(way, tmp_path):
    vectors = RANDOM.normal(size=(50, 7))
    vectors[4, 2], vectors[41, 0] = np.nan, -np.inf
    source = way(vectors, tmp_path)
    assert (source.kind, source.shape) == ("vectors", (7,))
    batch = source.read(2, 50)
    assert batch.data.dtype == np.float32
    assert batch.bad == {
        2: "the value at position 2 is nan, not a finite number",
        39: "the value at position 0 is -inf, not a finite number",
    }
    expected = vectors[2:].astype(np.float32)
    expected[[2, 39]] = 0
    np.testing.assert_array_equal(batch.data, expected)


def test_reading_never_writes_into_the_array_in_memory():
    vectors = np.array([[1, np.nan], [3, 4]], np.float32)
    images = np.array([[[0.5]], [[np.nan]]])
    kept = vectors.copy()
    open_source(vectors).read(0, 2)
    np.testing.assert_array_equal(vectors, kept)
    open_source(vectors).read(0, 2).data[:] = 9
    open_source(IMAGES[:3].copy()).read(0, 2).data[:] = 9
    np.testing.assert_array_equal(vectors, kept)
    batch = open_source(images).read(0, 2)
    assert batch.bad == {1: "the value at position (0, 0) is nan, not a finite number"}
    assert batch.data.ravel().tolist() == [128, 0]
    assert np.isnan(images[1])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 0.2, 1], np.float32), [0, 51, 255]),
        (np.array([0, 51.4, 255], np.float64), [0, 51, 255]),
        (np.array([0, 4, 16], np.float64), [0, 64, 255]),
        (np.array([-1, 0.2, 1], np.float16), [0, 153, 255]),
        (np.array([-3.0, 0, 7]), [0, 76, 255]),
        (np.array([False, True, True]), [0, 255, 255]),
        (np.array([0, 1, 1], np.uint8), [0, 255, 255]),
        (np.array([0, 1, 2], np.uint8), [0, 1, 2]),
        (np.array([0, 1, 255], np.int64), [0, 1, 255]),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
        (np.array([0, 1023, 4095], np.uint16), [0, 64, 255]),
        (np.array([0, 0, 0], np.float32), [0, 0, 0]),
    ],
)
def test_the_range_of_values_is_found_by_looking(values, expected):
    source = open_source(values.reshape(3, 1, 1))
    assert source.read(0, 3).data.ravel().tolist() == expected


@pytest.mark.parametrize("value", [-3.0, -1e300, 3e5, 1e300])
def test_one_value_in_all_images_is_black(value):
    assert not open_source(np.full((3, 4, 4), value)).read(0, 3).data.any()


def test_channels_first_is_recognised_and_said():
    source = open_source(np.moveaxis(np.zeros((4, 8, 9, 3), np.uint8), -1, 1))
    assert source.shape == (8, 9, 3)
    assert source.description == "4 colour images of 8×9 (array in memory), channels first"
    assert open_source(np.zeros((4, 1, 28, 28), np.uint8)).shape == (28, 28, 1)
    assert open_source(np.zeros((4, 3, 3, 3), np.uint8)).shape == (3, 3, 3)


def test_channels_first_moves_the_pixels():
    images = RANDOM.integers(0, 256, (4, 6, 7, 3), dtype=np.uint8)
    read = open_source(np.ascontiguousarray(np.moveaxis(images, -1, 1))).read(1, 4).data
    np.testing.assert_array_equal(read, images[1:])


@pytest.mark.parametrize(
    ("shape", "read", "said"),
    [
        ((6, 32, 32, 5), (32, 32, 5), "6 5-channel images of 32×32"),
        ((6, 5, 32, 32), (32, 32, 5), "6 5-channel images of 32×32"),
        ((6, 9, 9, 20), (9, 9, 20), "6 20-channel images of 9×9"),
        ((6, 20, 9, 9), (9, 9, 20), "6 20-channel images of 9×9"),
        ((6, 30, 40, 13), (30, 40, 13), "6 13-channel images of 30×40"),
        ((6, 13, 30, 40), (30, 40, 13), "6 13-channel images of 30×40"),
        ((6, 9, 8, 4), (9, 8, 4), "6 4-channel images of 9×8"),
        ((6, 9, 8, 2), (9, 8, 2), "6 2-channel images of 9×8"),
    ],
)
def test_channels_of_any_number_are_kept(shape, read, said):
    images = RANDOM.integers(1, 255, shape, dtype=np.uint8)
    source = open_source(images)
    assert source.shape == read
    assert source.description.startswith(said)
    where = np.moveaxis(images, 1, -1) if shape[-1] != read[-1] else images
    np.testing.assert_array_equal(source.read(0, 6).data, where)
    assert thumbnails(source, [0, 3], 8).shape == (2, 8, 8, 3)
    with pytest.raises(InputError, match="take grey or colour"):
        as_requested(source, ImageRequest((8, 8), channels=3))


def test_a_fourth_channel_is_opacity_where_most_of_it_is_nothing_or_all():
    images = RANDOM.integers(1, 255, (6, 9, 8, 4), dtype=np.uint8)
    images[..., 3] = np.where(np.arange(8) < 5, 255, images[..., 3])
    source = open_source(images)
    assert source.shape == (9, 8, 3)
    np.testing.assert_array_equal(source.read(0, 6).data[:, :, :5], images[:, :, :5, :3])


def test_white_drawings_on_nothing_are_laid_on_black():
    images = np.zeros((6, 9, 9, 4), np.uint8)
    for row, image in enumerate(images):
        image[row : row + 3] = 255
    source = open_source(images)
    assert source.description.endswith(", black background")
    np.testing.assert_array_equal(source.read(0, 6).data, images[..., :3])
    images[0, :3, :, :3] = 0  # one in black besides
    assert open_source(images).description.endswith(", grey background")


def test_opacity_that_is_the_same_everywhere_is_dropped():
    images = RANDOM.integers(0, 256, (4, 5, 5, 4), dtype=np.uint8)
    for opacity in (0, 128, 255):
        images[..., 3] = opacity
        np.testing.assert_array_equal(open_source(images).read(0, 4).data, images[..., :3])


def test_alpha_is_laid_on_white():
    images = np.zeros((1, 1, 2, 4), np.float32)
    images[0, 0, :] = (1, 0, 0, 1), (1, 0, 0, 0.2)
    assert open_source(images).read(0, 1).data.tolist() == [[[[255, 0, 0], [255, 204, 204]]]]
    assert open_source(np.zeros((2, 3, 3, 2), np.uint8)).read(0, 1).data.ravel()[0] == 255


def test_large_images_are_scaled_and_originals_are_not():
    images = np.full((3, 100, 200, 3), 40, np.uint8)
    source = open_source(images)
    assert (source.shape, source.mixed_sizes) == ((64, 64, 3), True)
    assert source.description.endswith("of 100×200 (array in memory)")
    np.testing.assert_array_equal(source.read(0, 2).data, np.full((2, 64, 64, 3), 40))
    assert source.read_original(2).shape == (100, 200, 3)
    assert source.read_original(2, 50).shape == (25, 50, 3)
    assert thumbnails(source, [2, 0], 20).shape == (2, 20, 20, 3)
    assert open_source(images, image_size=(100, 200)).mixed_sizes is False


def test_an_encoder_says_what_it_wants():
    source = open_source(np.full((3, 10, 20), 40, np.uint8))
    assert source.typical_size == (10, 20)
    seen = as_requested(source, ImageRequest((30, 30), channels=3, fit="pad"))
    assert (seen.shape, seen.mixed_sizes) == ((30, 30, 3), True)
    pixels = seen.read(1, 3).data
    assert pixels[0, 15, 15].tolist() == [40] * 3
    assert pixels[0, 0, 15].tolist() == [255] * 3
    assert seen.read_original(0).shape == (10, 20, 1)
    assert seen.fingerprint() != source.fingerprint()
    vectors = open_source(np.zeros((3, 4)))
    for call in (lambda: vectors.with_request(ImageRequest((8, 8))), lambda: vectors.typical_size):
        with pytest.raises(InputError, match="holds vectors"):
            call()


def test_images_can_be_taken_for_vectors_and_flat_rows_for_images():
    flat = open_source(IMAGES, as_="vectors").read(0, 50).data
    np.testing.assert_array_equal(flat, IMAGES.reshape(50, 30))
    source = open_source(IMAGES.reshape(50, 30), shape=(6, 5))
    assert source.kind == "images"
    np.testing.assert_array_equal(source.read(0, 50).data[..., 0], IMAGES)


def test_lists_of_arrays_are_stacked():
    assert open_source(list(IMAGES)).n_rows == 50
    with pytest.raises(InputError, match=r"arrays of 2 shapes \(2 and 3\): scale them to one"):
        open_source([np.zeros(2), np.zeros(3)])


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (np.zeros(5), {}, "one axis .5 numbers.: images are N×H×W"),
        (np.zeros((0, 3)), {}, "is empty: its shape is 0×3"),
        (np.zeros((3, 0)), {}, "is empty: its shape is 3×0"),
        (np.array([["a", "b"]]), {}, "holds <U1, but images and vectors are numbers"),
        (np.zeros((2, 3), complex), {}, "holds complex128"),
        (np.zeros((2, 7, 5, 7)), {}, r"can be images with 7 channels first or last"),
        (np.zeros((2, 7, 7, 7)), {}, r"can be images with 7 channels first or last"),
        (np.zeros((2, 5, 5, 3, 3)), {}, "not images: images are H×W or H×W×C"),
        (np.zeros((90, 120, 3), np.uint8), {}, "looks like one colour picture"),
        (np.zeros((32, 32, 3, 100), np.uint8), {}, r"last side .* numpy\.moveaxis"),
        (np.zeros((32, 24, 1, 100), np.uint8), {}, "last side looks like the number of images"),
        (np.zeros((3, 32, 24, 100), np.uint8), {}, "last side looks like the number of images"),
        (np.zeros((32, 32, 3, 100)), {"as_": "images"}, "last side looks like the number"),
        (np.zeros((28, 28, 60)), {}, "last side .* --as images to take it for 28 images"),
        (np.zeros((9, 30)), {"as_": "images"}, "give their shape, as in --shape 28,28"),
        (np.zeros((9, 30)), {"as_": "table"}, "one array, not a table"),
        (np.zeros((9, 30)), {"as_": "pictures"}, "--as must be .*; got pictures"),
        (np.zeros((9, 30)), {"shape": (4, 4)}, "--shape 4,4 has 16 numbers, but rows .* are 30"),
        (np.zeros((9, 30)), {"shape": (0, 4)}, "is not a shape"),
        (np.zeros((9, 30)), {"key": "x"}, "--key x does not apply to an array in memory"),
        (np.zeros((9, 30)), {"dtype": "u1"}, "--dtype u1 does not apply"),
        (np.zeros((9, 3, 3)), {"image_size": 0}, "--image-size must be .* got 0"),
        (7, {}, "7 is not an array"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(array, options, message):
    with pytest.raises(InputError, match=message):
        open_source(array, **options)


def test_an_npz_without_key_lists_what_fits(tmp_path):
    path = tmp_path / "two.npz"
    np.savez(path, a=np.zeros((3, 4)), b=np.zeros((5, 6, 7)), y=np.zeros(3))
    with pytest.raises(InputError, match=r"2 arrays .*give --key a.*a \(3×4 float64\), b \(5×6×7"):
        open_source(path)
    with pytest.raises(InputError, match=r"has no key c: it holds a \(3×4"):
        open_source(path, key="c")
    assert open_source(path, as_="images").description == "5 grey images of 6×7 (two.npz, key b)"
    np.savez(path, y=np.zeros(3), words=np.array(["a"]))
    with pytest.raises(InputError, match="holds nothing that can be images or vectors"):
        open_source(path)
    with pytest.raises(InputError, match="has one axis"):
        open_source(path, key="y")


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, IMAGES)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(
        SourceError, match=r"is cut off: its header promises 1,628 bytes, but .* 1,627"
    ):
        open_source(path)
    path.write_bytes(whole[:40])
    with pytest.raises(SourceError, match=r"cannot be read as \.npy"):
        open_source(path)
    np.save(path, np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(InputError, match="holds object"):
        open_source(path)
    packed = tmp_path / "x.npz"
    packed.write_bytes(b"PK\3\4 no zip file")
    with pytest.raises(SourceError, match=r"cannot be read as \.npz"):
        open_source(packed)


def test_an_npz_damaged_inside_gives_rows_with_a_reason(tmp_path):
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=RANDOM.integers(0, 256, (500, 6, 5), dtype=np.uint8))
    data = bytearray(path.read_bytes())
    source = open_source(path)
    data[len(data) // 2 :][:200] = bytes(200)
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    path.write_bytes(bytes(data))
    batch = pickle.loads(pickle.dumps(source)).read(0, 2)
    assert list(batch.bad) == [0, 1]
    assert "x.npz cannot be unpacked" in batch.bad[0]


def test_files_that_change_later_give_rows_with_a_reason(tmp_path):
    source = shards(IMAGES, tmp_path)
    (tmp_path / "part20.npy").unlink()
    np.save(tmp_path / "part40.npy", IMAGES[:3])
    batch = source.read(10, 50)
    assert set(batch.bad) == set(range(10, 40))
    assert batch.bad[10] == "part20.npy cannot be read: No such file or directory"
    assert batch.bad[39] == "part40.npy changed its size since it was opened"
    np.testing.assert_array_equal(batch.data[:10, ..., 0], IMAGES[10:20])


def test_shards_are_named_and_must_be_alike(tmp_path):
    source = shards(IMAGES, tmp_path)
    assert source.names(18, 22) == ["part0.npy:18", "part0.npy:19", "part20.npy:0", "part20.npy:1"]
    assert npy(IMAGES, tmp_path).names(0, 50) is None
    (tmp_path / "x.npy").unlink()
    np.save(tmp_path / "part5.npy", np.zeros((2, 9)))
    with pytest.raises(
        SourceError, match=r"part5\.npy has rows of 9 float64, but part0\.npy of 6×5"
    ):
        open_source(tmp_path)


def test_fingerprint_follows_the_content_in_memory():
    before = open_source(IMAGES).fingerprint()
    assert before == open_source(IMAGES.copy()).fingerprint()
    changed = IMAGES.copy()
    changed[49, 5, 4] ^= 1
    assert open_source(changed).fingerprint() != before
    assert open_source(IMAGES, as_="vectors").fingerprint() != before


@given(hnp.arrays(np.uint8, (13, 3, 4)), st.lists(st.integers(0, 13), max_size=5))
def test_ranges_join_to_the_whole(array, cuts):
    source = open_source(array)
    edges = sorted({0, 13, *cuts})
    parts = [source.read(a, b).data for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(parts), source.read(0, 13).data)


def test_pictures_that_take_more_than_there_is_are_refused_before_any_is_read(
    tmp_path, monkeypatch
):
    path = tmp_path / "x.npy"
    np.lib.format.open_memmap(path, "w+", np.float64, (3, 4000, 4000, 3))  # 366 MiB a row, sparse
    monkeypatch.setattr(FileStore, "read", lambda *_: pytest.fail("was read"))
    said = r"reading a row of x\.npy takes 1,098 MiB .* --memory 1GiB .* give --memory 1\.5GiB"
    with memory_budget.memory_limit(1 << 30), pytest.raises(SourceError, match=said):
        open_source(path)


def test_a_shape_may_be_a_text():
    flat = np.arange(9 * 30, dtype=np.float32).reshape(9, 30)
    assert open_source(flat, shape="5x6", as_="images").shape == (5, 6, 1)
