import io

import numpy as np
import pytest
from PIL import Image

from shoal.rows import memory_budget
from shoal.rows.images.decode import decode
from shoal.rows.images.jpeg import coefficient_bytes

NOISE = np.random.default_rng(0).integers(0, 256, (50, 100, 4), np.uint8)


def jpeg(mode="RGB", **how):
    data = io.BytesIO()
    count = {"L": 1, "RGB": 3, "CMYK": 4}[mode]
    pixels = NOISE[..., 0] if count == 1 else np.ascontiguousarray(NOISE[..., :count])
    Image.fromarray(pixels, mode=None if mode != "CMYK" else "CMYK").save(data, "JPEG", **how)
    return data.getvalue()


@pytest.mark.parametrize(
    ("mode", "subsampling", "blocks"),
    [
        ("L", 0, 13 * 7),
        ("RGB", 0, 13 * 7 * 3),
        ("RGB", 2, 7 * 4 * (4 + 1 + 1)),  # 4:2:0: units of 16×16 pixels
        ("CMYK", 0, 13 * 7 * 4),
    ],
)
def test_progressive_images_keep_two_bytes_a_coefficient_in_whole_blocks(mode, subsampling, blocks):
    how = {} if mode == "L" else {"subsampling": subsampling}
    assert coefficient_bytes(jpeg(mode, progressive=True, **how)) == 2 * 64 * blocks
    assert coefficient_bytes(jpeg(mode, **how)) == 0


def test_colours_in_passes_of_their_own_keep_them_too():
    def segment(marker, body):
        return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body

    frame = segment(0xC0, b"\x08\x00\x32\x00\x64\x03" + b"\1\x11\0\2\x11\1\3\x11\1")
    thumbnail = segment(0xE1, b"Exif\0\0" + jpeg(progressive=True))  # is not the image's
    for colours, kept in ((1, 2 * 64 * 13 * 7 * 3), (3, 0)):
        scan = segment(0xDA, bytes([colours]) + b"\1\0" * colours + b"\0\x3f\0")
        assert coefficient_bytes(b"\xff\xd8" + thumbnail + frame + scan + b"\0" * 9) == kept
    assert coefficient_bytes(b"\xff\xd8" + segment(0xDA, b"\1")) == 0


def test_coefficients_count_where_pillow_decodes(monkeypatch):
    taken = []
    real = memory_budget.MemoryBudget.take
    monkeypatch.setattr(
        memory_budget.MemoryBudget,
        "take",
        lambda self, size, what: taken.append(size) or real(self, size, what),
    )
    for progressive in (False, True):
        decode(jpeg("CMYK", progressive=progressive))
    assert taken[1] - taken[0] == coefficient_bytes(jpeg("CMYK", progressive=True)) > 0
