import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from shoal.palettes import similarity
from shoal.palettes.pictures import to_rgba
from shoal.palettes.similarity import OKLAB, RGB, luma, psnr, squared_distance, ssim


def slow_ssim(x, y, side=7):
    """As scikit-image's structural_similarity by default."""
    x, y = x.astype(float), y.astype(float)
    mean = lambda image: uniform_filter(image, side)  # noqa: E731
    unbiased = side**2 / (side**2 - 1)
    a, b = mean(x), mean(y)
    va, vb = unbiased * (mean(x * x) - a * a), unbiased * (mean(y * y) - b * b)
    vab = unbiased * (mean(x * y) - a * b)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * a * b + c1) * (2 * vab + c2) / ((a * a + b * b + c1) * (va + vb + c2))
    edge = side // 2
    return values[edge:-edge, edge:-edge].mean()


@pytest.mark.parametrize("rows", [5, 64])
def test_ssim_is_that_of_the_formula(monkeypatch, photo, rows):
    monkeypatch.setattr(similarity, "_ROWS", rows)
    one = luma(to_rgba(photo))
    other = np.clip(one + np.random.default_rng(0).normal(0, 9, one.shape), 0, 255)
    assert ssim(one, other.astype(np.float32)) == pytest.approx(slow_ssim(one, other), abs=1e-5)
    assert ssim(one, one) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 20)])
def test_ssim_of_small_images(shape):
    one = np.full(shape, 50, np.float32)
    assert ssim(one, one) == pytest.approx(1)
    assert 1 > ssim(one, one + 1) > 0.99 > 0.6 > ssim(one, one + 120)


def test_psnr_is_that_of_the_pixels(photo):
    palette = np.array([[30, 60, 90, 255], [200, 200, 200, 255]], np.uint8)
    index = (photo[..., 0] > 128).astype(np.uint8)
    found = psnr(RGB, squared_distance(to_rgba(photo), index, palette, RGB), index.size)
    error = ((photo.astype(float) - palette[index][..., :3]) ** 2).mean()
    assert found == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert squared_distance(palette[index], index, palette, OKLAB) == 0


def test_luma_is_on_white():
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [0, 0, 0, 51]]], np.uint8)
    assert luma(pixels)[0].tolist() == pytest.approx([255, 0, 204])
