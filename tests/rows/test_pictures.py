import io
import pickle
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import simplejpeg
from PIL import Image

from shoal.duplicates import find_duplicates
from shoal.errors import InputError
from shoal.rows import (
    ImageRequest,
    ImageSource,
    Taken,
    draw_sample,
    open_source,
    some_images,
    thumbnails,
)
from shoal.rows.images.decode import decode
from shoal.rows.pictures import pictures_of, rows_of, with_pictures


@pytest.fixture
def archive(tmp_path):
    """40 photos of many sizes in a tar archive, one of them no image."""
    rng = np.random.default_rng(0)
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        for at in range(40):
            small = rng.integers(0, 256, (6, 9, 3), np.uint8)
            picture = Image.fromarray(small).resize((300 + 10 * at, 400), Image.Resampling.BICUBIC)
            data = simplejpeg.encode_jpeg(np.asarray(picture)) if at != 7 else b"none"
            info = tarfile.TarInfo(f"{at}.jpg")
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return open_source(tmp_path / "x.tar")


@pytest.mark.parametrize(("keep", "fit"), [("centre", "crop"), ("all", "pad")])
def test_they_are_the_images_at_their_rows_in_any_order(archive, keep, fit):
    rows = [39, 0, 7, 3, 39, 4, 5]
    found = thumbnails(archive, rows, 32, keep=keep)
    assert found.shape == (7, 32, 32, 3)
    for row, picture in zip(rows, found, strict=True):
        if row == 7:
            assert (picture == 128).all()
            continue
        expected = decode(archive.encoded(row), ImageRequest((32, 32), channels=3, fit=fit))
        np.testing.assert_array_equal(picture, expected)


def test_none_of_them(archive):
    assert thumbnails(archive, [], 32).shape == (0, 32, 32, 3)


def test_every_row_at_once(archive):
    whole = thumbnails(archive, np.arange(40), 16)
    backwards = thumbnails(archive, np.arange(40)[::-1], 16)
    np.testing.assert_array_equal(whole, backwards[::-1])


def test_some_images_from_all_over_scaled_down_and_the_same_each_time(tmp_path):
    for number in range(9):
        Image.new("L", (40 + number, 20), number).save(tmp_path / f"{number}.png")
    (tmp_path / "4.png").write_bytes(b"no picture")
    source = open_source(tmp_path)
    found = some_images(source, 3, 40)
    assert [image.shape for image in found] == [(20, 40, 1), (17, 40, 1)]
    assert [image.mean() for image in found] == [0, 8]  # the one in the middle cannot be read
    again = some_images(source, 3, 40)
    assert all(map(np.array_equal, found, again))


def test_images_of_an_array_come_in_their_own_size():
    images = np.arange(10, dtype=np.uint8).repeat(80 * 90).reshape(10, 80, 90)
    found = some_images(open_source(images), 4, 200)
    assert [(image.shape, image[0, 0, 0]) for image in found] == [
        ((80, 90, 1), number) for number in (0, 3, 6, 9)
    ]


def test_vectors_have_no_images():
    assert some_images(open_source(np.zeros((5, 4))), 3, 40) == []


N = 12
VECTORS = np.random.default_rng(0).normal(size=(N, 5)).astype(np.float32)
NAMES = [f"{'ab'[at % 2]}/{at}.png" for at in range(N)]


def picture(at):
    """An image whose colour is its number."""
    return np.full((20, 24, 3), 10 * at, np.uint8)


def png(at):
    """The same as a file."""
    buffer = io.BytesIO()
    Image.fromarray(picture(at)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Twelve images in two folders, and an array of vectors beside them."""
    for at, name in enumerate(NAMES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(at))
    np.save(tmp_path / "vectors.npy", VECTORS)
    (tmp_path / "list.txt").write_text("".join(f"photos/{name}\n" for name in NAMES))
    return tmp_path


def pictured(folder):
    """The vectors, shown by the images in the order of the list."""
    return with_pictures(
        open_source(folder / "vectors.npy"), open_source(folder / "list.txt", as_="images")
    )


def shown(source):
    """The numbers of the images that a source shows."""
    pictures = pictures_of(source)
    assert isinstance(pictures, ImageSource)
    return [int(pictures.read_original(row)[0, 0, 0]) // 10 for row in range(pictures.n_rows)]


def test_vectors_are_read_and_images_name_them(folder):
    source = pickle.loads(pickle.dumps(pictured(folder)))
    assert (source.kind, source.n_rows, source.shape) == ("vectors", N, (5,))
    assert np.array_equal(source.read(3, 7).data, VECTORS[3:7])
    assert source.names(0, 2) == ["photos/a/0.png", "photos/b/1.png"]
    assert shown(source) == list(range(N))
    assert "5 numbers (vectors.npy), shown by 12 grey images of 20×24" in source.description
    assert rows_of(source).fingerprint().items() <= source.fingerprint().items()


def test_an_image_that_changed_changes_the_facts(folder):
    before = pictured(folder).fingerprint()
    assert pictured(folder).fingerprint() == before
    (folder / "photos" / NAMES[3]).write_bytes(b"no image")
    assert pictured(folder).fingerprint() != before


def test_rows_and_images_are_taken_together(folder):
    rows = np.array([7, 2, 9])
    source = pictured(folder).take(Taken(rows, N))
    assert np.array_equal(source.read(0, 3).data, VECTORS[rows])
    assert shown(source) == rows.tolist()
    assert source.taken.rows.tolist() == rows.tolist()
    sample = draw_sample(pictured(folder), 5, 0)
    assert sample.pictures is not None
    assert shown(sample) == sample.taken.rows.tolist()


def test_counts_must_match(folder):
    (folder / "photos" / NAMES[3]).unlink()
    vectors = open_source(folder / "vectors.npy")
    with pytest.raises(InputError, match=r"^12 vectors .*, but 11 grey images .* the 12 rows"):
        with_pictures(vectors, open_source(folder / "photos"))


@pytest.mark.parametrize("which", ["photos", "table"])
def test_only_vectors_are_shown_by_images(folder, which):
    (folder / "table.csv").write_text("plan,age\n" + "pro,31\nfree,44\n" * 6)
    source = open_source(folder / ("photos" if which == "photos" else "table.csv"))
    with pytest.raises(InputError, match="images are shown beside vectors, but"):
        with_pictures(source, open_source(folder / "photos"))
    vectors = open_source(folder / "vectors.npy")
    with pytest.raises(InputError, match=r"--images .*vectors.npy\): give images"):
        with_pictures(vectors, vectors)


def test_an_order_that_may_surprise_is_said(folder):
    vectors, photos = open_source(folder / "vectors.npy"), open_source(folder / "photos")
    assert photos.names(0, 2) == ["a/0.png", "a/2.png"]  # then 4, 6, 8, 10: no plain sort
    assert any("natural order" in said for said in with_pictures(vectors, photos, True).remarks)
    assert not with_pictures(vectors, photos).remarks


def test_labels_of_the_vectors_come_before_those_of_the_images(folder):
    np.save(folder / "x_train.npy", VECTORS)
    np.save(folder / "y_train.npy", np.arange(N) % 3)
    photos = open_source(folder / "list.txt", as_="images")
    source = with_pictures(open_source(folder / "x_train.npy"), photos)
    assert source.label_origin == "y_train.npy"
    assert np.array_equal(source.labels(), np.arange(N) % 3)
    assert np.array_equal(pictures_of(source).labels(), np.arange(N) % 3)


def table(kind, column="embedding"):
    """A table of vectors and of images: by path, by bytes, or as Hugging Face's datasets have."""
    cells = {
        "paths": pa.array([f"photos/{name}" for name in NAMES]),
        "bytes": pa.array([png(at) for at in range(N)]),
        "nested": pa.array([{"bytes": png(at), "path": NAMES[at]} for at in range(N)]),
    }
    vectors = pa.array(VECTORS.tolist(), pa.list_(pa.float32()))
    return pa.table({"image": cells[kind], column: vectors, "label": pa.array(range(N))})


@pytest.mark.parametrize("kind", ["paths", "bytes", "nested"])
@pytest.mark.parametrize("by", ["default", "as_", "key"])
def test_a_file_with_both_gives_vectors_shown_by_images(folder, kind, by):
    pq.write_table(table(kind), folder / "both.parquet")
    given = {"default": {}, "as_": {"as_": "vectors"}, "key": {"key": "embedding"}}[by]
    source = open_source(folder / "both.parquet", **given)
    assert source.pictures is not None
    assert np.array_equal(source.read(0, N).data, VECTORS)
    assert shown(source) == list(range(N))
    for asked in ({"as_": "images"}, {"key": "image"}):
        assert open_source(folder / "both.parquet", **asked).kind == "images"


def test_lists_that_are_called_otherwise_are_no_vectors_unless_asked_for(folder):
    pq.write_table(table("bytes", "bbox"), folder / "both.parquet")
    assert open_source(folder / "both.parquet").kind == "images"
    assert shown(open_source(folder / "both.parquet", key="bbox")) == list(range(N))


@pytest.mark.parametrize("kind", ["paths", "bytes", "nested"])
def test_a_table_in_memory_with_both(folder, monkeypatch, kind):
    monkeypatch.chdir(folder)
    given = table(kind)
    for where in (given, given.to_pandas(), given.to_pylist()):
        source = open_source(where)
        assert source.pictures is not None
        assert np.array_equal(source.read(0, N).data, VECTORS)
        assert shown(source) == list(range(N))
        assert pickle.loads(pickle.dumps(source)).fingerprint() == source.fingerprint()
    assert source.names(0, 1) == (["0"] if kind == "bytes" else source.pictures.names(0, 1))


def test_cells_without_an_image_are_shown_as_such(folder):
    cells = table("bytes").to_pylist()
    cells[4]["image"] = None
    source = open_source(cells)
    assert np.array_equal(source.read(4, 5).data[0], VECTORS[4])
    assert pictures_of(source).read(4, 5).bad == {0: "the cell is empty"}


def test_copies_are_looked_for_among_the_images(folder):
    pq.write_table(table("bytes"), folder / "both.parquet")
    assert find_duplicates(folder / "both.parquet", workers=1).n_rows == N
