import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo():
    """A smooth picture of some thousand colours, (60, 80, 3)."""
    y, x = np.mgrid[:60, :80]
    noise = np.random.default_rng(0).integers(0, 12, (60, 80))
    parts = [x * 3, y * 4, 128 + 100 * np.sin(x / 9 + y / 7)]
    return np.clip(np.stack(parts, -1) + noise[..., None], 0, 255).astype(np.uint8)


@pytest.fixture
def drawing():
    """Five colours, one of them in a single pixel."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, 8:] = (255, 255, 255)
    pixels[:, 16:] = (254, 255, 255)
    pixels[:, 24:] = (0, 0, 1)
    pixels[3, 3] = (200, 10, 10)
    return pixels


@pytest.fixture
def saved(tmp_path):
    """Save pixels as a file, and return its path."""

    def save(name, pixels, **options):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return path

    return save
