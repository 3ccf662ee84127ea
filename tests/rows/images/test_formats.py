import base64
import contextlib
import io
import struct

import numpy as np
import pytest
from PIL import Image, features

from shoal.errors import SourceError
from shoal.rows import kinds, open_source
from shoal.rows.images.decode import decode, measure
from shoal.rows.images.formats import extension_of
from shoal.rows.images.jpeg_xl import read_size

TOP, BOTTOM = (200, 30, 40), (20, 60, 220)
# 48 × 32, the upper half red, the lower one blue; encoded once, as no free encoder comes with
# what reads it
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAb5tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAA"
    "AAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB4gABAAAAAAAAACcAAgAAAAACCQABAAAAAAAAACQAAAA4aWluZgAAAAAA"
    "AgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAAA/WlwcnAAAADd"
    "aXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAq"
    "QgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQAN"
    "AAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADAAAAABAAAAIAAAAAH////wAAAAAv///+AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAABppcmVmAAAAAAAAAA5jZHNjAAIAAQABAAAAU21kYXQA"
    "AAAjKAGvWPkTkl//ycr/8ypIeSvrnPf8fn58LZ7+yIaNqlHuFXgAAAAGRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAEA"
    "AAAAAAA="
)


def picture():
    pixels = np.full((32, 48, 3), BOTTOM, np.uint8)
    pixels[:16] = TOP
    return pixels


def encoded(form):
    if form == "HEIF":
        pytest.importorskip("pi_heif")
        return HEIC
    if form == "JXL":
        return pytest.importorskip("imagecodecs").jpegxl_encode(picture(), lossless=True)
    if not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}[form]):
        pytest.skip(f"this Pillow has no {form}")
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, form)
    return file.getvalue()


FORMS = {"AVIF": ".avif", "JPEG2000": ".jp2", "HEIF": ".heic", "JXL": ".jxl"}


@pytest.mark.parametrize("form", FORMS)
def test_newer_formats_are_read(form, tmp_path):
    data = encoded(form)
    assert measure(data) == (32, 48)
    image = decode(data)
    assert image.shape == (32, 48, 3)
    assert np.abs(image.astype(int) - picture())[[4, -4]].max() < 30
    assert extension_of(data) == FORMS[form]
    for number in range(3):
        (tmp_path / f"{number}{FORMS[form].upper()}").write_bytes(data)
    assert open_source(tmp_path).read(0, 3).bad == {}


@pytest.mark.parametrize("form", FORMS)
def test_any_damage_of_newer_formats_gives_an_image_or_a_reason(form):
    random, whole = np.random.default_rng(0), encoded(form)
    for _ in range(40):
        data = bytearray(whole)
        for at in random.integers(0, len(data), 5):
            data[at] = random.integers(256)
        for call in (decode, measure):
            with contextlib.suppress(SourceError):
                call(bytes(data))
    for kept in (0.9, 0.3):
        with pytest.raises(SourceError):
            decode(whole[: int(len(whole) * kept)])


def test_a_heic_picture_under_another_brand_is_known_by_it():
    data = HEIC.replace(b"ftypheic", b"ftypmif1")
    assert extension_of(data) == (".heic" if kinds.has_module("pi_heif") else "")
    avif = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"
    assert extension_of(avif) == (".avif" if features.check("avif") else "")


@pytest.mark.parametrize(
    ("bits", "size"),
    [
        # small: eighths of the height less one, ratio 1:1
        ([(1, 1), (3, 5), (1, 3), (1, 1)], (32, 32)),
        # small, its own width
        ([(1, 1), (0, 5), (0, 3), (4, 5), (1, 1)], (40, 8)),
        # 13 bits of height, ratio 16:9
        ([(0, 1), (1, 2), (1079, 13), (5, 3), (1, 1)], (1920, 1080)),
        # turned by a quarter: orientation 6
        ([(0, 1), (0, 2), (99, 9), (7, 3), (0, 1), (1, 1), (5, 3)], (100, 200)),
    ],
)
def test_the_size_of_jpeg_xl_is_read_from_its_header(bits, size):
    value, at = 0, 0
    for number, count in bits:
        value, at = value | number << at, at + count
    stream = b"\xff\x0a" + value.to_bytes(16, "little")
    assert read_size(stream) == size
    boxes = struct.pack(">I", 12) + b"JXL \r\n\x87\n" + struct.pack(">I", 8 + len(stream)) + b"jxlc"
    assert read_size(boxes + stream) == size
    with pytest.raises(SyntaxError):
        read_size(stream[:2])


def test_a_bomb_of_a_newer_format_is_refused_by_its_header():
    pytest.importorskip("imagecodecs")
    value = (2 << 1) | ((1 << 18) - 1 << 3) | (1 << 21) | (1 << 24)  # 2^18 squared
    with pytest.raises(SourceError, match="262,144×262,144 pixels, more than"):
        decode(b"\xff\x0a" + value.to_bytes(60, "little"))
