import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from tests.hostile import png

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError
from shoal.rows.images.decode import decode, measure
from shoal.rows.images.formats import check_sums


def test_one_changed_byte_among_the_pixels_is_found():
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    data = bytearray(file.getvalue())
    check_sums(bytes(data))
    data[500] ^= 4
    for call in (check_sums, decode):
        with pytest.raises(SourceError, match=r"damaged: the checksum at byte [\d,]+ is wrong"):
            call(bytes(data))
    data[500] ^= 4
    np.testing.assert_array_equal(decode(bytes(data)), noise)
    check_sums(bytes(data[:300]))
    check_sums(b"")


def with_chunk(data, kind, body, at):
    """Put a chunk into a PNG file."""
    whole = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return data[:at] + whole + data[at:]


@pytest.mark.parametrize("behind", [False, True])
def test_the_orientation_is_found_before_and_behind_the_pixels(behind, monkeypatch):
    file, exif = io.BytesIO(), Image.Exif()
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(file, "PNG")
    data, exif[0x0112] = file.getvalue(), 6
    at = len(data) - 12 if behind else 33
    data = with_chunk(data, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"), at)
    assert decode(data).shape == (60, 40, 3)
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)
    assert measure(data) == (60, 40)


def test_an_image_without_notes_of_a_camera_is_measured_and_refused_by_its_header(monkeypatch):
    loaded = []  # Pillow looks for them by decoding
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: loaded.append(self.size))
    assert measure(png(15_000, 12_000)) == (12_000, 15_000)
    with pytest.raises(SourceError, match=r"decoding it takes 1,\d\d\d MiB"):
        decode(png(15_000, 15_000), ImageRequest((64, 64)))
    assert not loaded
