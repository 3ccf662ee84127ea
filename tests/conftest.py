"""Settings that hold for every test."""

import os
from zlib import crc32

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image
from sklearn.datasets import load_sample_images

# No deadline: a busy machine is not a failure. Few examples: the suite is run often.
settings.register_profile("shoal", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("shoal")
os.environ["SHOAL_ENCODERS"] = os.devnull  # auto takes none that the user may have

# Only a crash of the machine shows whether a file was flushed, and a small fit would spend a third
# of its time on it. That files are flushed is tested in storage/test_parts.py and test_download.py.
flush, os.fsync = os.fsync, lambda file: None


@pytest.fixture(autouse=True)
def _draws(request, monkeypatch):
    """Start each test's draws anew, so that they do not depend on which tests ran before it."""
    for name in ("DRAW", "RANDOM"):
        if isinstance(getattr(request.module, name, None), np.random.Generator):
            draw = np.random.default_rng(crc32(request.node.name.encode()))
            monkeypatch.setattr(request.module, name, draw)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of 80 photos of two kinds, and a damaged one: pieces of scikit-learn's two."""
    root = tmp_path_factory.mktemp("photos")
    for name, photo in zip(("china", "flower"), load_sample_images().images, strict=True):
        (root / name).mkdir()
        for number in range(40):
            y, x = 25 * (number // 8), 55 * (number % 8)
            Image.fromarray(photo[y : y + 240, x : x + 250]).save(
                root / name / f"{number:02}.jpg", quality=85
            )
    (root / "flower" / "17.jpg").write_bytes(b"no picture")
    return root
