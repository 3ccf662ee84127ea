import numpy as np
from PIL import Image

from shoal.rows import open_source, some_images


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
