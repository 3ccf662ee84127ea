import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

import shoal
from shoal.errors import SettingError, SourceError
from shoal.rows import open_source, remarks_of
from shoal.rows.images.decode import decode, what_is_wrong
from shoal.rows.images.raster import Reading

RANDOM = np.random.default_rng(0)


def fill(root, pictures, ending, **options):
    """Save pictures in a folder; arrays as TIFF."""
    for number, picture in enumerate(pictures):
        path = root / f"{number:03}.{ending}"
        if isinstance(picture, np.ndarray):
            tifffile.imwrite(path, picture, metadata=None, **options)
        else:
            picture.save(path, **options)
    return root


def stripes(number, band, bands=4, low=20, high=230, dtype="u1"):
    """Noise in all bands but one, which has stripes down or across."""
    pixels = RANDOM.integers(90, 110, (16, 16, bands))
    wave = np.arange(16) // 4 % 2
    down = np.broadcast_to(wave, (16, 16))
    pixels[..., band] = np.where(down.T if number % 2 else down, high, low)
    return pixels.astype(dtype)


@pytest.mark.parametrize("extra", [0, 2])
@pytest.mark.parametrize("band", [0, 3])
def test_a_fourth_band_counts_whatever_it_is_called(tmp_path, extra, band):
    # GDAL notes opacity for any fourth band of bytes
    options = {"photometric": "rgb", "extrasamples": [extra], "planarconfig": "contig"}
    source = open_source(fill(tmp_path, [stripes(n, band) for n in range(6)], "tif", **options))
    assert source.description.startswith("6 4-channel images of 16×16")
    said = "What TIFF files here declare as opacity does not look like it"
    assert any(text.startswith(said) for text in remarks_of(source)) == (extra == 2)
    first, second = source.read(0, 2).data[..., band].astype(int)
    assert np.ptp(first, axis=0).max() == 0
    assert np.ptp(second, axis=1).max() == 0


def test_opacity_in_tiff_files_that_looks_like_it_is_laid_on_white(tmp_path):
    pixels = np.full((16, 16, 4), 90, np.uint8)
    pixels[..., 3] = np.where(np.arange(16) < 8, 255, 0)
    options = {"photometric": "rgb", "extrasamples": [2]}
    source = open_source(fill(tmp_path, [pixels] * 4, "tif", **options))
    assert source.shape == (16, 16, 1)
    assert source.read(0, 1).data[0, 0, [0, 15], 0].tolist() == [90, 255]


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_the_depth_that_is_used_is_the_depth_that_counts(tmp_path, ending):
    # 12 bits in 16, as cameras of microscopes write them
    pictures = [RANDOM.integers(0, 4096, (16, 16)).astype(np.uint16) for _ in range(8)]
    pictures[5][0, 0], pictures[6][0, 0] = 4095, 0
    images = pictures if ending == "tif" else [Image.fromarray(one) for one in pictures]
    source = open_source(fill(tmp_path, images, ending))
    assert source.read(5, 7).data[:, 0, 0, 0].tolist() == [255, 0]
    assert any("0 is read as black and 4095 as white" in said for said in remarks_of(source))
    read = source.read(0, 8).data[..., 0]
    np.testing.assert_allclose(read, np.stack(pictures) / 4095 * 255, atol=0.51)


def test_16_bit_bands_and_floats_have_one_range_for_all(tmp_path):
    bands = [stripes(n, 2, 5, 100, 900, "u2") * 10 for n in range(4)]
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    source = open_source(fill(tmp_path, bands, "tif", **options))
    assert source.shape == (16, 16, 5)
    assert source.read(0, 1).data[..., 2].max() == round(9000 / 16383 * 255)
    other = tmp_path / "floats"
    other.mkdir()
    floats = [np.full((9, 9), level, np.float32) for level in (-2.0, 0.0, 2.0)]
    read = open_source(fill(other, floats, "tif")).read(0, 3).data
    assert read[:, 0, 0, 0].tolist() == [0, 128, 255]  # each alone would be even


def test_white_drawings_on_nothing_can_be_seen(tmp_path):
    def drawing(number, level):
        pixels = np.zeros((16, 16, 4), np.uint8)
        pixels[number : number + 4, 3:9] = (level, level, level, 255)
        return Image.fromarray(pixels)

    source = open_source(fill(tmp_path, [drawing(n, 255) for n in range(5)], "png"))
    assert np.ptp(source.read(0, 1).data) == 255
    assert "black background" in remarks_of(source)[0]
    assert source.read_original(0).min() == 0
    drawing(1, 0).save(tmp_path / "x.png")
    assert "grey background" in remarks_of(open_source(tmp_path))[0]


def test_animations_count_by_their_first_frame_and_it_is_said(tmp_path):
    frames = [Image.fromarray(np.eye(16, 16, n, np.uint8) * 255) for n in range(3)]
    for number in range(6):
        options = {"save_all": True, "append_images": frames[1:]} if number < 2 else {}
        for form in ("gif", "webp", "png"):
            kept = {"lossless": True} if form == "webp" else {}
            frames[0].save(tmp_path / f"{number}.{form}", **options, **kept)
    source = open_source(tmp_path)
    assert remarks_of(source)[0].startswith("6 of the 18 sampled images are animated")
    assert (source.read(0, 18).data == np.asarray(frames[0])[..., None]).all()


def test_an_image_of_other_channels_is_a_row_with_a_reason(tmp_path):
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    fill(tmp_path, [stripes(n, 0, 5) for n in range(6)], "tif", **options)
    Image.new("RGB", (16, 16)).save(tmp_path / "x.png")
    assert open_source(tmp_path).read(0, 7).bad == {
        6: "the image has 3 channels, but most here have 5"
    }


def test_new_images_are_read_as_those_of_the_fit(tmp_path):
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    fitted, other = tmp_path / "fitted", tmp_path / "other"
    fitted.mkdir()
    other.mkdir()
    bands = [stripes(n, 2, 5, 100, 900, "u2") for n in range(40)]
    fill(fitted, bands, "tif", **options)
    run = shoal.fit(fitted, tmp_path / "x.shoal", workers=1)
    assert run.info()["features"] == "gradients"
    dark = [(one // 4).astype(np.uint16) for one in bands[:6]]  # their own range would be another
    fill(other, dark, "tif", **options)
    source = run.model.open(other)
    assert source.reading == run.source.reading == Reading(5, 0.0, 1023.0)
    assert source.read(0, 1).data.max() == round(225 / 1023 * 255)
    with pytest.raises(SettingError, match="have 5 channels, and the network takes"):
        shoal.fit(fitted, features="photo", workers=1)


def test_inks_become_colours_by_their_profile():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    with pytest.raises(ImageCms.PyCMSError):  # no profile of inks: they are what they were
        ImageCms.buildTransform(profile, profile, "CMYK", "RGB")
    file = io.BytesIO()
    inks = Image.new("CMYK", (9, 9), (0, 255, 255, 0))
    inks.save(file, "TIFF", icc_profile=profile.tobytes())
    assert decode(file.getvalue())[0, 0].tolist() == [255, 0, 0]
    damaged = io.BytesIO()
    inks.save(damaged, "JPEG", icc_profile=b"none")
    assert np.abs(decode(damaged.getvalue())[0, 0].astype(int) - [255, 0, 0]).max() < 8


def test_lab_becomes_colours(tmp_path):
    change = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    picture = ImageCms.applyTransform(Image.new("RGB", (9, 9), (200, 60, 40)), change)
    picture.save(tmp_path / "x.tif")
    found = decode((tmp_path / "x.tif").read_bytes())[0, 0].astype(int)
    assert np.abs(found - [200, 60, 40]).max() <= 3


def test_limits_of_decoders_are_not_called_damage():
    for error in (SyntaxError("unknown pixel mode"), NotImplementedError("a form of 1987")):
        assert what_is_wrong(error).startswith("the image is of a kind that is not read")
    assert what_is_wrong(OSError("broken data stream")).startswith("the image is damaged")


def test_levels_by_hand():
    ends = np.array([7, 900], np.uint16)
    assert Reading().levels(ends, 16) == (0, 65535)
    assert Reading().levels(ends, 12) == (0, 4095)
    assert Reading().levels(ends.astype(np.float32), 32) == (7, 900)
    assert Reading(low=3.0, high=9.0).levels(ends, 16) == (3, 9)


def test_plain_values_read_back():
    reading = Reading(5, 0.0, 4095.0, 128, True)
    assert Reading.from_dict(reading.as_dict()) == reading
    assert Reading().as_dict() == {}
    for channels in (None, 3, 1):
        Reading(channels).check(1)
    with pytest.raises(SourceError, match="has 4 channels, but most here have 3"):
        Reading(3).check(4)
