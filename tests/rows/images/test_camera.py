import contextlib
import io
import struct

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError
from shoal.rows import open_source
from shoal.rows.images.camera import find_preview, is_raw
from shoal.rows.images.decode import decode, measure

TOP, BOTTOM = (200, 30, 40), (20, 60, 220)


def jpeg(height, width, exif=None):
    pixels = np.full((height, width, 3), BOTTOM, np.uint8)
    pixels[: height // 2] = TOP
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, **({"exif": exif} if exif else {}))
    return file.getvalue()


def tiff(entries, behind=b"", order="<"):
    """A TIFF directory of numbers, and what lies behind it."""
    sign = b"II*\0" if order == "<" else b"MM\0*"
    body = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in entries)
    head = sign + struct.pack(f"{order}IH", 8, len(entries))
    return head + body + bytes(4) + behind


LOSSLESS = b"\xff\xd8\xff\xc3\x00\x0b\x0e\x10\x00\x10\x00\x01\x01\x11\x00" + b"\xff\xda" + bytes(99)
SMALL, LARGE = jpeg(12, 16), jpeg(120, 160)
KINDS = {
    "dng": tiff([(274, 1), (50706, 1)], SMALL + LOSSLESS + LARGE),
    "nef": tiff([(330, 26), (274, 1)], struct.pack("<H", 1) + bytes(4)),
    "orf": b"IIRO" + tiff([(274, 1)], bytes(50) + LARGE + SMALL)[4:],
    "raf": b"FUJIFILMCCD-RAW 0201" + bytes(80) + LARGE,
    "cr2": b"II*\0\x10\0\0\0CR\2\0" + bytes(4) + LARGE + LOSSLESS,
    "cr3": b"\0\0\0\x18ftypcrx " + bytes(12) + b"\0\0\0\x40CMT1" + tiff([(274, 1)]) + LARGE,
}
# the sub-directory of a NEF, which says that it holds what a sensor saw
KINDS["nef"] = tiff([(330, 8 + 2 + 24 + 4), (274, 1)], tiff([(262, 32803)])[8:] + SMALL + LARGE)


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_preview_is_the_picture(kind):
    data = KINDS[kind]
    assert is_raw(data)
    assert measure(data) == (120, 160)
    image = decode(data)
    assert image.shape == (120, 160, 3)
    assert np.abs(image[5, 5].astype(int) - TOP).max() < 6
    assert np.abs(image[-5, 5].astype(int) - BOTTOM).max() < 6
    assert decode(data, ImageRequest((24, 24))).shape == (24, 24, 3)


@pytest.mark.parametrize("order", "<>")
def test_the_raw_file_says_how_to_turn_it(order):
    data = tiff([(274, 6), (50706, 1)], LARGE, order)
    assert measure(data) == (160, 120)
    image = decode(data)
    assert image.shape == (160, 120, 3)  # turned by a quarter, the top to the right
    assert np.abs(image[5, -5].astype(int) - TOP).max() < 6
    exif = Image.Exif()
    exif[274] = 1
    own = tiff([(274, 6), (50706, 1)], jpeg(120, 160, exif), order)
    assert measure(own) == (120, 160)  # what the picture says of itself counts more


def test_without_a_picture_it_is_refused_by_name():
    for data in (tiff([(50706, 1)]), b"II*\0\x10\0\0\0CR\2\0" + bytes(500)):
        with pytest.raises(SourceError, match="has no JPEG of its picture in it: develop it"):
            decode(data)
        with pytest.raises(SourceError, match="has no JPEG"):
            measure(data)
    with pytest.raises(SourceError, match="has no JPEG"):
        find_preview(tiff([(50706, 1)], LOSSLESS + LARGE[:-40]))


def test_a_tiff_of_a_picture_is_none():
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "TIFF")
    assert not is_raw(file.getvalue())
    assert not is_raw(b"II*\0\xff\xff\xff\xff")
    assert not is_raw(b"II*\0")


def test_any_damage_gives_a_picture_or_a_reason():
    random = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(KINDS["dng"])
        for at in random.integers(0, len(data), 20):
            data[at] = random.integers(256)
        with contextlib.suppress(SourceError):
            assert decode(bytes(data)).dtype == np.uint8


def test_signs_of_pictures_without_end_take_no_time():
    # each looks like the beginning of a JPEG with a thousand empty segments behind it
    data = tiff([(50706, 1)]) + (b"\xff\xd8" + b"\xff\xe0\0\2" * 30) * 30_000
    with pytest.raises(SourceError, match="has no JPEG"):
        find_preview(data)


def test_raw_files_are_rows(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.CR2").write_bytes(KINDS["cr2"])
        (tmp_path / f"{number}.jpg").write_bytes(simplejpeg.encode_jpeg(np.zeros((9, 9, 3), "u1")))
    source = open_source(tmp_path)
    batch = source.read(0, 6)
    assert (source.n_rows, batch.bad) == (6, {})
    assert source.description.endswith(f"({tmp_path.name}: 3 .cr2 and 3 .jpg)")
    assert source.encoded(0) == KINDS["cr2"]
