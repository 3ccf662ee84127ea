import io
import tarfile

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from shoal.rows import ImageRequest, open_source, some_images, thumbnails
from shoal.rows.images.decode import decode


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
