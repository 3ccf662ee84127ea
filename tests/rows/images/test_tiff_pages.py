import io
import tracemalloc
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from shoal.errors import SourceError
from shoal.rows.images import tiff
from shoal.rows.images.decode import decode, measure
from shoal.rows.images.tiff_pages import _unpack_bits, extract, read_samples

RANDOM = np.random.default_rng(0)
BANDS = {"photometric": "minisblack", "planarconfig": "contig"}


def written(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, metadata=None, **options)
    return file.getvalue()


def pages(data):
    return tiff.open_tiff(tiff.reader(data)).pages()


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "f2", "f4", "f8"])
@pytest.mark.parametrize("compression", [None, "lzw", "deflate", "packbits"])
def test_numbers_of_any_kind_come_back(dtype, compression):
    predicted = compression in ("lzw", "deflate") and dtype != "f2"
    for samples, planar, tile, order in product(
        (1, 3, 5), ("contig", "separate"), (None, (16, 32)), "<>"
    ):
        numbers = (RANDOM.normal(size=(21, 37, samples)) * 50 + 100).astype(dtype)
        stored = np.moveaxis(numbers, -1, 0).copy() if planar == "separate" else numbers
        data = written(
            numbers[..., 0] if samples == 1 else stored,
            photometric="minisblack",
            planarconfig=None if samples == 1 else planar,
            compression=compression,
            predictor=predicted and order == "<",
            tile=tile,
            rowsperstrip=None if tile else 8,
            byteorder=order,
        )
        np.testing.assert_array_equal(read_samples(pages(data)), numbers)
        alone = tifffile.imread(io.BytesIO(extract(pages(data))))
        np.testing.assert_array_equal(alone, tifffile.imread(io.BytesIO(data)))


@pytest.mark.parametrize(("bits", "dtype"), [(1, "u1"), (2, "u1"), (4, "u1"), (12, "u2")])
def test_packed_numbers_are_unpacked(bits, dtype):
    numbers = RANDOM.integers(0, 1 << bits, (9, 21)).astype(dtype)
    data = written(numbers, bitspersample=bits, photometric="minisblack")
    stretched = numbers * (255 // ((1 << bits) - 1)) if bits < 8 else numbers
    np.testing.assert_array_equal(read_samples(pages(data))[..., 0], stretched)


def test_pages_are_channels_one_after_the_other():
    stack = RANDOM.integers(0, 256, (4, 9, 8)).astype(np.uint8)
    found = read_samples(pages(written(stack, photometric="minisblack")))
    np.testing.assert_array_equal(np.moveaxis(found, -1, 0), stack)


def test_what_is_not_read_is_called_by_its_name_and_not_damaged():
    complex_ = written(np.zeros((8, 8), "c8"), photometric="minisblack")
    with pytest.raises(SourceError, match=r"type \(64 bits, sample format 6\)") as caught:
        decode(complex_)
    assert "damaged" not in str(caught.value)


def test_bands_of_a_codec_of_pictures_are_refused_by_name():
    data = bytearray(written(np.zeros((16, 16, 5), "u1"), **BANDS))
    entry = pages(bytes(data))[0].entries[tiff.COMPRESSION]
    data[entry.at : entry.at + 2] = (50001).to_bytes(2, "little")  # WebP
    with pytest.raises(SourceError, match=r"5 bands of 8 bits in a compression .*number 50001"):
        decode(bytes(data))


def test_any_damage_gives_an_image_or_a_reason():
    bands = RANDOM.integers(0, 256, (24, 20, 5)).astype(np.uint8)
    for options in ({}, {"compression": "lzw", "predictor": True}, {"tile": (16, 16)}):
        whole = written(bands, photometric="minisblack", planarconfig="contig", **options)
        for _ in range(150):
            data = bytearray(whole)
            for at in RANDOM.integers(0, min(len(data), 400), 3):
                data[at] = RANDOM.integers(256)
            for call in (decode, measure):
                try:
                    found = call(bytes(data))
                except SourceError:
                    continue
                assert len(found) > 0


def test_a_bomb_of_bands_is_refused_by_its_header():
    data = bytearray(written(np.zeros((16, 16, 5), "u1"), **BANDS))
    page = pages(bytes(data))[0]
    for tag in (tiff.WIDTH, tiff.HEIGHT):
        entry = page.entries[tag]
        data[entry.at : entry.at + entry.size] = (15_000).to_bytes(entry.size, "little")
    with pytest.raises(SourceError, match=r"decoding it takes \S+ MiB, more than the 512"):
        decode(bytes(data))


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_packed_numbers_are_taken_apart_some_rows_at_a_time(bits):
    rows = RANDOM.integers(0, 256, (1500, 200 * bits), np.uint8)
    tracemalloc.start()
    found = _unpack_bits(rows, SimpleNamespace(bits=bits, stored_width=1600), 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * found.nbytes + (4 << 20)  # a bit took three bytes, of all rows at once
    whole = np.unpackbits(rows, axis=1).reshape(1500, 1600, bits) @ (1 << np.arange(bits)[::-1])
    stretch = 255 // ((1 << bits) - 1) if bits < 8 else 1
    np.testing.assert_array_equal(found, whole * stretch)
