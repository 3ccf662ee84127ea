import contextlib
import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import simplejpeg
import tifffile
from PIL import Image

from shoal.core.image_request import ImageRequest
from shoal.errors import SourceError
from shoal.rows.arrays.pixels import shaped
from shoal.rows.images import raster
from shoal.rows.images.decode import decode, measure
from shoal.rows.images.formats import MAX_PIXELS
from shoal.rows.images.raster import upright

CORNERS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0, 0, 0], [9, 9, 9], [255] * 3]])
CORNERS = CORNERS.astype(np.uint8)


def saved(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "PPM"])
def test_lossless_formats_give_the_pixels_back(form):
    options = {"lossless": True, "exact": True} if form == "WEBP" else {}
    data = saved(Image.fromarray(CORNERS), form, **options)
    np.testing.assert_array_equal(decode(data), CORNERS)
    assert measure(data) == (2, 3)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits"])
def test_compressed_tiff(compression):
    data = saved(Image.fromarray(CORNERS), "TIFF", compression=compression)
    np.testing.assert_array_equal(decode(data), CORNERS)


def test_gif_gives_its_first_frame():
    first, second = (Image.fromarray(np.full((4, 5), v, np.uint8)) for v in (10, 200))
    data = saved(first, "GIF", save_all=True, append_images=[second])
    image = decode(data, ImageRequest(channels=1))
    np.testing.assert_array_equal(image, np.full((4, 5, 1), 10))


def test_jpeg_in_grey_and_colour():
    colour = np.full((16, 24, 3), (200, 100, 50), np.uint8)
    data = simplejpeg.encode_jpeg(colour, quality=95)
    image = decode(data)
    assert image.shape == (16, 24, 3)
    assert np.abs(image.astype(int) - colour).max() <= 3
    grey = decode(data, ImageRequest(channels=1))
    luminance = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    assert np.abs(grey - luminance).max() <= 3
    only = simplejpeg.encode_jpeg(np.full((8, 8, 1), 77, np.uint8), colorspace="GRAY")
    assert decode(only).shape == (8, 8, 1)
    assert decode(only, ImageRequest(channels=3)).shape == (8, 8, 3)


@pytest.mark.parametrize("form", ["JPEG", "TIFF"])
def test_cmyk(form):
    # no cyan, all magenta, all yellow, no black: red
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    image = decode(saved(picture, form))
    assert np.abs(image.astype(int) - (255, 0, 0)).max() <= 3


def test_cmyk_jpeg_can_be_scaled():
    data = saved(Image.new("CMYK", (640, 480), (0, 255, 255, 0)), "JPEG")
    assert decode(data, ImageRequest(size=(64, 64))).shape == (64, 64, 3)


def test_palette_and_two_colours():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    expected = np.array([[[10, 20, 30], [40, 50, 60]]])
    np.testing.assert_array_equal(decode(saved(picture, "PNG")), expected)
    two = Image.fromarray(np.array([[True, False]]))
    np.testing.assert_array_equal(decode(saved(two, "PNG")), [[[255], [0]]])


def test_alpha_is_laid_on_white():
    rgba = np.array([[[100, 0, 200, 255], [100, 0, 200, 0], [100, 0, 200, 51]]], np.uint8)
    # 51/255 = 1/5: 100/5 + 4*255/5 = 224, 204, 244
    expected = [[[100, 0, 200], [255, 255, 255], [224, 204, 244]]]
    np.testing.assert_array_equal(decode(saved(Image.fromarray(rgba), "PNG")), expected)
    picture = Image.new("LA", (2, 1), (100, 255))
    picture.putpixel((1, 0), (100, 0))
    np.testing.assert_array_equal(decode(saved(picture, "PNG")), [[[100], [255]]])


def test_transparent_colour_of_a_palette_is_laid_on_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    image = decode(saved(picture, "PNG", transparency=1))
    np.testing.assert_array_equal(image, [[[10, 20, 30], [255, 255, 255]]])


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bits_become_8(order):
    wide = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, wide, byteorder=order)
    np.testing.assert_array_equal(decode(file.getvalue())[0, :, 0], [0, 1, 128, 255])
    png = saved(Image.fromarray(wide), "PNG")
    np.testing.assert_array_equal(decode(png)[0, :, 0], [0, 1, 128, 255])


def test_16_bit_colour_tiff():
    wide = np.array([[[0, 128 * 257, 65535]] * 4] * 4, np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, wide, photometric="rgb")
    np.testing.assert_array_equal(decode(file.getvalue())[0, 0], [0, 128, 255])


def test_float_tiff_is_stretched():
    file = io.BytesIO()
    tifffile.imwrite(file, np.array([[0.0, 0.2, 1.0]], np.float32))
    np.testing.assert_array_equal(decode(file.getvalue())[0, :, 0], [0, 51, 255])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_every_orientation_is_turned_upright(orientation, form):
    seen = np.zeros((48, 64), np.uint8)
    seen[:16, :16], seen[:16, -16:], seen[-16:, :16] = 250, 170, 90
    # stored so that turning by the orientation gives `seen`: 6 and 8 undo each other
    stored = upright(seen[..., None], {6: 8, 8: 6}.get(orientation, orientation))[..., 0]
    picture = Image.fromarray(np.ascontiguousarray(stored))
    exif = picture.getexif()
    exif[0x0112] = orientation
    data = saved(picture, form, exif=exif)
    image = decode(data, ImageRequest(channels=1))[..., 0]
    assert np.abs(image.astype(int) - seen).max() <= 12
    assert measure(data) == (48, 64)
    small = decode(data, ImageRequest(size=(24, 32), channels=1))[..., 0]
    corners = small[4, 4], small[4, -4], small[-4, 4], small[-4, -4]
    assert np.abs(np.subtract(corners, (250.0, 170, 90, 0))).max() <= 12


def test_upright_by_hand():
    image = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)[..., None]
    assert upright(image, 6)[..., 0].tolist() == [[4, 1], [5, 2], [6, 3]]
    assert upright(image, 8)[..., 0].tolist() == [[3, 6], [2, 5], [1, 4]]
    assert upright(image, 5)[..., 0].tolist() == [[1, 4], [2, 5], [3, 6]]


def test_scaling_keeps_proportions_and_cuts_evenly():
    # left and right quarters black, the middle half white: only the middle is left
    wide = np.zeros((64, 128, 1), np.uint8)
    wide[:, 32:96] = 255
    for data in (
        saved(Image.fromarray(wide[..., 0]), "PNG"),
        simplejpeg.encode_jpeg(wide, colorspace="GRAY", quality=100),
    ):
        image = decode(data, ImageRequest(size=(32, 32)))
        assert image.shape == (32, 32, 1)
        assert image[:, 2:-2].min() > 250


def test_max_side_scales_down_but_never_up():
    data = saved(Image.new("RGB", (200, 100)), "JPEG")
    assert decode(data, ImageRequest(max_side=50)).shape == (25, 50, 3)
    assert decode(data, ImageRequest(max_side=500)).shape == (100, 200, 3)


def test_empty_text_and_unknown_files_say_what_they_are():
    for call in (decode, measure):
        with pytest.raises(SourceError, match=r"^the file is empty$"):
            call(b"")
        with pytest.raises(
            SourceError, match=r"not an image of a known format: it begins with 'hello'"
        ):
            call(b"hello")
        with pytest.raises(SourceError, match="begins with 00 01 ff"):
            call(b"\0\1\xff")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.05])
def test_cut_off_files_have_a_reason(form, kept):
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    data = saved(Image.fromarray(noise), form)
    with pytest.raises(SourceError, match=r"damaged or cut off|begins with"):
        decode(data[: int(len(data) * kept)], ImageRequest(size=(16, 16)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM"])
def test_any_damage_gives_an_image_or_a_reason(form):
    random = np.random.default_rng(7)
    picture = Image.fromarray(random.integers(0, 256, (20, 30, 3)).astype(np.uint8))
    data = np.frombuffer(saved(picture, form), np.uint8)
    for _ in range(150):
        hurt = data.copy()
        hurt[random.integers(0, len(hurt), 4)] = random.integers(0, 256, 4)
        with contextlib.suppress(SourceError):
            assert decode(hurt.tobytes(), ImageRequest(size=(8, 8), channels=3)).shape == (8, 8, 3)


def bomb(width, height, kind=0):
    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b"")


def test_decompression_bombs_are_refused_by_their_header():
    assert MAX_PIXELS < 20_000 * 20_000
    for call in (decode, measure):
        with pytest.raises(SourceError, match="20,000×20,000 pixels, more than the 250,000,000"):
            call(bomb(20_000, 20_000))
    jpeg = bytearray(simplejpeg.encode_jpeg(np.zeros((16, 16, 3), np.uint8)))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    with pytest.raises(SourceError, match="60,000×60,000 pixels"):
        decode(bytes(jpeg))


def test_large_but_allowed_images_bring_no_warning_of_pillow():
    assert measure(bomb(12_000, 12_000)) == (12_000, 12_000)


def smooth(height, width):
    """A colourful image without fine detail, nothing of it symmetric."""
    y, x = np.mgrid[:height, :width] / (height, width, 1)[0]
    planes = [np.sin(7 * x + 3 * y), np.cos(5 * y * y + x), np.sin(4 * x * y + 1)]
    return np.rint(127.5 + 127 * np.stack(planes, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("size", [(341, 513), (683, 1024), (1366, 2051), (1003, 1501)])
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_a_lower_scale_leaves_everything_in_its_place(size, form, fit):
    image = smooth(*size)
    wanted = ImageRequest((48, 48), channels=3, fit=fit, sampling="bicubic")
    expected = shaped(image, wanted).astype(int)
    options = {"quality": 95} if form == "JPEG" else {}
    found = decode(saved(Image.fromarray(image), form, **options), wanted)
    inner = np.abs(found - expected)[1:-1, 1:-1]
    assert inner.mean() < 1
    assert (inner > 6).mean() < 0.01 if fit != "pad" else (inner > 6).mean() < 0.08


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "F"])
def test_bands_and_blocks_are_those_of_the_whole(mode, monkeypatch):
    rgba = np.dstack([smooth(90, 70), np.linspace(0, 255, 70 * 90).reshape(90, 70)])
    picture = Image.fromarray(rgba.astype(np.uint8))
    if mode in ("I", "F", "I;16"):
        kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
        picture = Image.fromarray((rgba[..., 0] * 200).astype(kind))
    else:
        picture = picture.convert(mode) if mode in ("RGBA", "LA") else picture.convert("RGB")
        picture = picture.convert(mode)
    assert picture.mode == mode
    whole = raster.pixels_of(picture, 1)
    monkeypatch.setattr(raster, "_BAND_PIXELS", 700)
    np.testing.assert_array_equal(raster.pixels_of(picture, 1), whole)
    flat = whole[..., 0] if whole.shape[2] == 1 else whole
    blocks = np.asarray(Image.fromarray(flat).reduce(4)).reshape(23, 18, -1)
    np.testing.assert_array_equal(raster.pixels_of(picture, 4), blocks)


def test_large_images_take_little_more_than_themselves(tmp_path):
    picture = Image.new("RGBA", (6000, 4000), (10, 200, 30, 128))
    picture.putpixel((5999, 3999), (0, 0, 0, 0))  # an even opacity would be dropped
    picture.save(tmp_path / "x.png", compress_level=1)
    code = """
import resource, sys
from shoal.core.image_request import ImageRequest
from shoal.rows.images.decode import decode
data = open(sys.argv[1], "rb").read()
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
image = decode(data, ImageRequest((224, 224), channels=3))
assert image[0, 0].tolist() == [132, 227, 142]
print((peak() - before) / 1024)
"""
    command = [sys.executable, "-c", code, tmp_path / "x.png"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5 * 4 * 6000 * 4000 / 2**20


def test_images_that_take_too_much_memory_are_refused():
    flat = saved(Image.new("RGB", (6_000, 6_000)), "WEBP", method=0)
    for data in (flat, bomb(12_000, 12_000, kind=2)):
        with pytest.raises(SourceError, match=r"decoding it takes \S+ MiB, more than the 512"):
            decode(data, ImageRequest((64, 64)))


def test_jpeg_with_too_many_passes_is_refused():
    data = saved(Image.new("RGB", (4000, 4000)), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    endless = data[:-2] + data[at:-2] * 100 + b"\xff\xd9"
    with pytest.raises(SourceError, match=r"4,000×4,000 pixels in 1\d\d passes, which would take"):
        decode(endless, ImageRequest((64, 64)))
    assert decode(data, ImageRequest((64, 64))).shape == (64, 64, 3)


def test_slow_formats_have_a_limit_of_their_own():
    with pytest.raises(SourceError, match="5,000×5,000 pixels in a form that is decoded slowly"):
        decode(b"P3\n5000 5000\n255\n" + b"1 " * 100)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_turned_images_fill_a_size_that_is_no_square(form):
    seen = np.zeros((400, 200), np.uint8)
    seen[:100, :100] = 250
    stored = np.ascontiguousarray(upright(seen[..., None], 8)[..., 0])
    picture = Image.fromarray(stored)
    exif = picture.getexif()
    exif[0x0112] = 6
    data = saved(picture, form, exif=exif)
    small = decode(data, ImageRequest((40, 20), channels=1))[..., 0].astype(int)
    assert small[:9, :9].min() > 240
    assert max(small[:, 11:].max(), small[11:].max()) < 10


def test_jpeg_that_ends_before_its_pixels_do_is_damaged_and_one_with_bytes_between_is_not():
    data = simplejpeg.encode_jpeg(smooth(64, 80), quality=95)
    at = data.index(b"\xff\xc0")
    longer = data[: at + 5] + struct.pack(">HH", 640, 80) + data[at + 9 :]
    with pytest.raises(SourceError, match=r"damaged or cut off: .*premature end of data"):
        decode(longer)
    between = decode(data[:-2] + b"abcd" + data[-2:])
    np.testing.assert_allclose(between, smooth(64, 80), atol=12)


def test_damaged_notes_of_a_camera_cost_neither_the_image_nor_a_word(tmp_path):
    picture = Image.fromarray(smooth(64, 80))
    exif = picture.getexif()
    exif[0x0112], exif[0x010E] = 6, "a long description" * 9
    data = bytearray(saved(picture, "JPEG", exif=exif))
    at = data.index(b"Exif\0\0") + 14
    data[at + 6 : at + 9] = b"\0\2\1"  # the first note is longer than the file
    (tmp_path / "x.jpg").write_bytes(data)
    code = """
import sys
from shoal.rows.images.decode import decode, measure
data = open(sys.argv[1], "rb").read()
print(measure(data), decode(data).shape)
"""
    command = [sys.executable, "-c", code, tmp_path / "x.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout in ("(64, 80) (64, 80, 3)\n", "(80, 64) (80, 64, 3)\n")
    command[2] = "import PIL.Image, sys; PIL.Image.open(sys.argv[1])._getexif()"
    loud = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Warning" in loud.stderr  # else this file proves nothing
