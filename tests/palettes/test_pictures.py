import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from shoal.errors import SourceError
from shoal.palettes.pictures import normalise_opacity, read_rgba


def encoded(image, form="PNG", **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def swapped_profile():
    """The profile of sRGB with its red and blue primaries exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert data.count(b"rXYZ") == data.count(b"bXYZ") == 1
    return data.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_modes_are_read_as_pillow_converts_them(photo, mode):
    image = Image.fromarray(photo).convert(mode)
    assert np.array_equal(read_rgba(encoded(image)), np.asarray(image.convert("RGBA")))


def test_a_clear_index_is_clear():
    image = Image.fromarray(np.array([[0, 1]], np.uint8))
    image.putpalette([255, 0, 0, 0, 0, 255])
    pixels = read_rgba(encoded(image, transparency=b"\x00\x80"))
    assert pixels.tolist() == [[[0, 0, 0, 0], [0, 0, 255, 128]]]
    assert read_rgba(encoded(image, transparency=b"\x00\x80"), False)[0, 1, 3] == 255


@pytest.mark.parametrize("form", ["PNG", "TIFF", "JPEG"])
def test_images_are_turned_upright(photo, form):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(photo), form, exif=exif)
    upright = np.asarray(Image.fromarray(photo).transpose(Image.Transpose.ROTATE_270))
    found = read_rgba(data)
    assert found.shape == (80, 60, 4)
    assert np.abs(found[..., :3].astype(int) - upright).mean() < (20 if form == "JPEG" else 0.1)


def test_colours_of_another_profile_become_srgb(swapped_profile):
    image = Image.fromarray(np.full((4, 4, 3), (250, 10, 10), np.uint8))
    found = read_rgba(encoded(image, icc_profile=swapped_profile))
    assert found[0, 0, 2] > 200 > 50 > found[0, 0, 0]


def test_srgb_itself_and_damaged_profiles_change_nothing(photo):
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (own, b"no profile"):
        data = encoded(Image.fromarray(photo), icc_profile=profile)
        assert np.array_equal(read_rgba(data)[..., :3], photo)


def test_opacity_of_a_picture_with_a_profile_is_kept(swapped_profile):
    image = Image.fromarray(np.full((2, 2, 4), (250, 10, 10, 99), np.uint8))
    assert (read_rgba(encoded(image, icc_profile=swapped_profile))[..., 3] == 99).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_wide_greys_are_read_as_a_fit_reads_them(dtype):
    image = Image.fromarray(np.arange(0, 60000, 10000, dtype=dtype)[None])
    found = read_rgba(encoded(image, "TIFF"))
    assert (np.diff(found[0, :, 0].astype(int)) > 30).all()
    assert (found[..., 3] == 255).all()


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_is_no_image_is_one_sentence(data):
    with pytest.raises(SourceError):
        read_rgba(data)


def test_hidden_colours_are_forgotten():
    pixels = np.array([[[9, 9, 9, 0], [1, 2, 3, 0], [5, 5, 5, 200]]], np.uint8)
    assert normalise_opacity(pixels, True).tolist() == [
        [[0, 0, 0, 0], [0, 0, 0, 0], [5, 5, 5, 200]]
    ]
