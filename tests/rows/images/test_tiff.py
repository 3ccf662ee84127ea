import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from shoal.errors import SourceError
from shoal.rows.images import tiff


def written(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def opened(data):
    return tiff.open_tiff(tiff.reader(data))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
def test_directories_tell_what_pages_are(order, big):
    stack = np.zeros((3, 9, 8), np.uint16)
    data = written(stack, byteorder=order, bigtiff=big, photometric="minisblack")
    pages = opened(data).pages()
    assert [(page.layout.height, page.layout.width) for page in pages] == [(9, 8)] * 3
    assert {(page.layout.bits, page.layout.format, page.layout.samples) for page in pages} == {
        (16, 1, 1)
    }
    assert all(page.layout.is_usual for page in pages)


@pytest.mark.parametrize(
    ("array", "options", "usual", "colours", "opacity"),
    [
        (np.zeros((8, 8, 3), "u1"), {"photometric": "rgb"}, True, 3, None),
        (np.zeros((8, 8, 4), "u1"), {"photometric": "rgb", "extrasamples": [2]}, True, 3, 3),
        (np.zeros((8, 8, 4), "u1"), {"photometric": "rgb", "extrasamples": [0]}, False, 3, None),
        (np.zeros((8, 8, 2), "u1"), {"photometric": "minisblack"}, False, 1, None),
        (np.zeros((8, 8, 5), "u1"), {"photometric": "minisblack"}, False, 1, None),
        (np.zeros((8, 8, 4), "u1"), {"photometric": "separated"}, True, 4, None),
        (np.zeros((8, 8, 3), "u2"), {"photometric": "rgb"}, False, 3, None),
        (np.zeros((8, 8), "u2"), {"photometric": "minisblack"}, True, 1, None),
        (np.zeros((8, 8), "u2"), {"photometric": "miniswhite"}, False, 1, None),
        (np.zeros((8, 8), "f8"), {"photometric": "minisblack"}, False, 1, None),
    ],
)
def test_what_pillow_reads_whole_is_left_to_it(array, options, usual, colours, opacity):
    layout = opened(written(array, planarconfig="contig" if array.ndim > 2 else None, **options))
    layout = layout.pages()[0].layout
    assert (layout.is_usual, layout.colours, layout.opacity) == (usual, colours, opacity)


def test_other_files_are_none():
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "PNG")
    assert opened(file.getvalue()) is None
    assert opened(b"") is None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"II*\0", "cut off within its first bytes"),
        (b"II*\0\x08\0\0\0", "a directory of its pages is missing"),
        (b"II*\0\0\0\0\0" + bytes(20), "is missing"),
        (b"II*\0\x08\0\0\0\xff\xff", "claims 65,535 tags"),
        (b"II*\0\x08\0\0\0\x02\0" + bytes(10), "cut off within a directory"),
        # one page whose next page is itself
        (
            b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 3, 1, 1) + struct.pack("<I", 8),
            "lead in a circle",
        ),
    ],
)
def test_damaged_directories_have_a_reason(data, message):
    with pytest.raises(SourceError, match=message):
        opened(data).pages()[0].layout  # noqa: B018


def test_values_that_cannot_be_have_a_reason():
    head = b"II*\0\x08\0\0\0\x01\0"
    for count, message in ((1 << 28, "claims"), (99, "values of its tag 258 are missing")):
        data = head + struct.pack("<HHII", 258, 3, count, 500) + bytes(4)
        with pytest.raises(SourceError, match=message):
            opened(data).pages()[0].numbers(258)
