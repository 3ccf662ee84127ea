import numpy as np
import pytest
from PIL import Image

import shoal
from shoal.errors import InputError


def opened(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("dither", ["none", "ordered", "floyd-steinberg"])
@pytest.mark.parametrize("space", ["rgb", "oklab"])
def test_a_photo_is_written_in_its_palette_and_measured(photo, saved, tmp_path, dither, space):
    path = saved("photo.png", photo)
    palette = shoal.make_palette(path, 10, space=space, workers=1)
    (fact,) = palette.write(tmp_path / "out.png", dither=dither, workers=1)
    pixels = opened(tmp_path / "out.png")
    assert set(map(tuple, pixels.reshape(-1, 4))) <= set(map(tuple, palette.colours))
    error = ((pixels[..., :3].astype(float) - photo) ** 2).mean()
    assert fact["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert (fact["width"], fact["height"], fact["bits"]) == (80, 60, 4)
    assert fact["bytes_before"] == path.stat().st_size
    assert fact["bytes_after"] == (tmp_path / "out.png").stat().st_size
    if dither == "none":
        assert fact["psnr"] == pytest.approx(palette.psnr)
        assert fact["psnr_oklab"] == pytest.approx(palette.psnr_oklab)
        assert palette.pixels.tolist() == np.bincount(palette.apply(photo).ravel()).tolist()


def test_each_space_is_best_by_its_own_measure(photo):
    rgb, oklab = (shoal.make_palette(photo, 10, space=space) for space in ("rgb", "oklab"))
    assert rgb.psnr > oklab.psnr
    assert oklab.psnr_oklab > rgb.psnr_oklab
    assert oklab.psnr_of_rgb == rgb.psnr == rgb.psnr_of_rgb


def test_few_colours_lose_nothing(drawing, saved, tmp_path):
    palette = shoal.make_palette(saved("a.png", drawing), 25)
    (fact,) = palette.write(tmp_path / "b.png", dither="floyd-steinberg")
    assert np.array_equal(opened(tmp_path / "b.png")[..., :3], drawing)
    assert (palette.psnr, fact["psnr"], fact["ssim"]) == (np.inf, np.inf, 1)


def test_a_folder_has_one_palette(photo, drawing, saved, tmp_path):
    saved("in/a.png", photo)
    saved("in/more/b.png", np.flipud(photo))
    saved("in/more/b.bmp", drawing)
    (tmp_path / "in" / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    found = [shoal.make_palette(tmp_path / "in", 7, workers=w) for w in (1, 3)]
    assert np.array_equal(found[0].colours, found[1].colours)
    assert [name for name, _ in found[0].skipped] == ["c.png"]
    for palette, workers in zip(found, (1, 3), strict=True):
        facts = palette.write(tmp_path / f"out{workers}", workers=workers)
        names = [fact["file"].removeprefix(f"{tmp_path}/out{workers}/") for fact in facts]
        assert sorted(names) == ["a.png", "more/b.png", "more/b.png.png"]
    for name in names:
        one, two = (tmp_path / f"out{w}" / name for w in (1, 3))
        assert one.read_bytes() == two.read_bytes()
        assert set(map(tuple, opened(one).reshape(-1, 4))) <= set(map(tuple, palette.colours))


def test_pages_are_images_of_their_own(photo, tmp_path):
    pages = [Image.fromarray(photo), Image.fromarray(255 - photo)]
    (tmp_path / "in").mkdir()
    pages[0].save(tmp_path / "in" / "two.tif", save_all=True, append_images=pages[1:])
    facts = shoal.make_palette(tmp_path / "in", 4).write(tmp_path / "out")
    assert len(facts) == 2
    assert all("-page-" in fact["file"] and "#" not in fact["file"] for fact in facts)


def test_a_gif_is_opaque_or_clear(photo, saved, tmp_path):
    pixels = np.dstack([photo, np.linspace(0, 255, photo[..., 0].size).reshape(60, 80)])
    path = saved("a.png", pixels.astype(np.uint8))
    palette = shoal.make_palette(path, 20, opacity="clear-or-opaque")
    palette.write(tmp_path / "a.gif")
    assert set(opened(tmp_path / "a.gif")[..., 3].ravel()) == {0, 255}
    kept = shoal.make_palette(path, 20)
    assert len(set(kept.colours[:, 3].tolist())) > 5
    with pytest.raises(InputError, match="clear-or-opaque"):
        kept.write(tmp_path / "b.gif")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"colors": 0}, "got 0"),
        ({"colors": 257}, "got 257"),
        ({"colors": "many"}, "got many"),
        ({"space": "lab"}, "got lab"),
        ({"method": "wu"}, "got wu"),
        ({"opacity": "some"}, "got some"),
    ],
)
def test_values_out_of_range_are_refused(photo, options, said):
    with pytest.raises(InputError, match=said):
        shoal.make_palette(photo, **options)


def test_what_cannot_be_written_or_read_is_refused(photo, saved, tmp_path):
    palette = shoal.make_palette(saved("in/a.png", photo), 3)
    for out, said in (("b.jpg", "png or .gif"), ("in/a.png", "exists already")):
        with pytest.raises(InputError, match=said):
            palette.write(tmp_path / out)
    with pytest.raises(InputError, match="got some"):
        palette.write(tmp_path / "c.png", dither="some")
    folder = shoal.make_palette(tmp_path / "in", 3)
    with pytest.raises(InputError, match="a folder"):
        folder.write(tmp_path / "c.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    for source in (tmp_path / "bad.png", np.zeros((4, 4, 7), np.uint8), np.zeros((2, 2))):
        with pytest.raises(InputError):
            shoal.make_palette(source, 3)
    np.save(tmp_path / "many.npy", np.zeros((9, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="image files"):
        shoal.make_palette(tmp_path / "many.npy", 3)
