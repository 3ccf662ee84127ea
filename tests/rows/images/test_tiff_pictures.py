import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from shoal.errors import SourceError
from shoal.rows.images import tiff
from shoal.rows.images.tiff_pages import read_samples
from shoal.rows.images.tiff_pictures import find_pictures


def written(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="minisblack", **options)
    return file.getvalue()


def found(data, pages="auto"):
    return find_pictures(tiff.open_tiff(tiff.reader(data)), pages)


def numbered(*shape):
    """An array whose planes hold their number."""
    planes = np.arange(np.prod(shape), dtype=np.uint8).reshape(*shape, 1, 1)
    return np.broadcast_to(planes, (*shape, 8, 9)).copy()


def planes(pictures):
    """The number that each page of each picture holds."""
    return [read_samples(pictures.picture(n))[0, 0].tolist() for n in range(len(pictures))]


def test_pages_are_pictures_where_nothing_is_said():
    first, *others = (Image.fromarray(plane) for plane in numbered(4))
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=others)
    pictures = found(file.getvalue())
    assert (len(pictures), pictures.each, pictures.is_array) == (4, 1, False)
    assert planes(pictures) == [[0], [1], [2], [3]]
    assert planes(found(file.getvalue(), "channels")) == [[0, 1, 2, 3]]


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("CYX", (3,), [[0, 1, 2]]),
        ("ZCYX", (2, 3), [[0, 1, 2], [3, 4, 5]]),
        ("CZYX", (3, 2), [[0, 2, 4], [1, 3, 5]]),
        ("TZCYX", (2, 1, 2), [[0, 1], [2, 3]]),
        ("ZYX", (3,), [[0], [1], [2]]),
    ],
)
def test_ome_says_which_pages_are_channels(axes, shape, expected):
    data = written(numbered(*shape), metadata={"axes": axes}, ome=True)
    assert planes(found(data)) == expected
    assert planes(found(data, "rows")) == [[n] for n in range(int(np.prod(shape)))]


@pytest.mark.parametrize(
    ("axes", "shape", "expected"),
    [
        ("CYX", (3,), [[0, 1, 2]]),
        ("ZCYX", (2, 3), [[0, 1, 2], [3, 4, 5]]),
        ("TZCYX", (2, 2, 2), [[0, 1], [2, 3], [4, 5], [6, 7]]),
        ("ZYX", (3,), [[0], [1], [2]]),
    ],
)
def test_imagej_says_which_pages_are_channels(axes, shape, expected):
    assert (
        planes(found(written(numbered(*shape), imagej=True, metadata={"axes": axes}))) == expected
    )


def test_a_stack_of_imagej_with_one_directory_has_all_its_pages():
    data = written(numbered(5), imagej=True, metadata={"axes": "ZYX"}, truncate=True)
    assert len(tiff.open_tiff(tiff.reader(data)).pages()) == 1
    assert planes(found(data)) == [[0], [1], [2], [3], [4]]
    packed = data.replace(b"\x03\x01\x03\0\1\0\0\0\1\0", b"\x03\x01\x03\0\1\0\0\0\5\0")
    if packed == data:  # the order of bytes is that of ImageJ
        packed = data.replace(b"\1\3\0\3\0\0\0\1\0\1", b"\1\3\0\3\0\0\0\1\0\5")
    with pytest.raises(SourceError, match="notes 5 images in the file, but only the first"):
        found(packed)


def test_axes_of_tifffile_say_it_and_a_shape_alone_says_one_array():
    assert planes(found(written(numbered(3), metadata={"axes": "CYX"}))) == [[0, 1, 2]]
    timed = found(written(numbered(3), metadata={"axes": "TYX"}))
    assert (planes(timed), timed.is_array) == ([[0], [1], [2]], False)
    plain = found(written(numbered(3)))
    assert (planes(plain), plain.is_array) == ([[0], [1], [2]], True)


def test_pages_that_are_another_made_smaller_are_left_out():
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(numbered(1)[0], photometric="minisblack", metadata=None)
        writer.write(numbered(1)[0][::2, ::2], subfiletype=1, metadata=None)
        writer.write(numbered(2)[1], photometric="minisblack", metadata=None)
    assert planes(found(file.getvalue())) == [[0], [1]]


@pytest.mark.parametrize(
    "text",
    [
        "ImageJ=1\nimages=99\nchannels=7\n",
        "ImageJ=1\nchannels=99999999999999999999999\n",
        '<OME><Pixels SizeC="x"/></OME>',
        '<OME><Pixels SizeC="3" SizeZ="0" SizeT="1"/></OME>',
        '<OME><Pixels SizeC="99999999999" SizeZ="99999999999" SizeT="1"/></OME>',
        '{"shape": [3, 8, 9',
        '{"shape": "abc"}',
        '{"shape": [1e999]}',
        '{"shape": 5}',
    ],
)
def test_metadata_that_do_not_add_up_say_nothing(text):
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for number, plane in enumerate(numbered(3)):
            note = text if number == 0 else None
            writer.write(plane, description=note, metadata=None, photometric="minisblack")
    assert planes(found(file.getvalue())) == [[0], [1], [2]]
