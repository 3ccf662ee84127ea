"""Runs of real digits, fitted once through the command line."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from typer.testing import CliRunner

from shoal.cli.app import app


@pytest.fixture(scope="session")
def shoal():
    """Run a command in this process; give exit code, output, errors."""
    runner = CliRunner()
    return lambda *words: runner.invoke(app, [str(word) for word in words])


@pytest.fixture(scope="session")
def told(shoal):
    """Run a command with --json and give what it printed."""

    def run(*words):
        result = shoal(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run


@pytest.fixture(scope="session")
def digits(tmp_path_factory):
    """600 digits as .npz, with their labels."""
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    bunch = load_digits()
    images = (bunch.images[:600] * 15).astype(np.uint8)
    np.savez(path, images=images, labels=bunch.target[:600])
    return path


@pytest.fixture(scope="session")
def run(shoal, digits):
    """The run fitted to `digits`."""
    out = digits.with_suffix(".shoal")
    assert shoal("fit", digits, "--key", "images", "-o", out, "--quiet").exit_code == 0
    return out


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """120 image files of three digits, one folder each, and a file that is not an image."""
    root = tmp_path_factory.mktemp("files") / "photos"
    bunch = load_digits()
    for digit in (0, 1, 4):
        (root / f"digit-{digit}").mkdir(parents=True)
        for at in np.flatnonzero(bunch.target == digit)[:40]:
            pixels = (bunch.images[at] * 15).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"digit-{digit}" / f"{at:04d}.png")
    (root / "digit-4" / "broken.png").write_text("no image")
    return root


@pytest.fixture(scope="session")
def photos_run(shoal, photos):
    """The run fitted to `photos`."""
    out = photos.with_suffix(".shoal")
    result = shoal("fit", photos, "-o", out, "--quiet")
    assert result.exit_code == 0, result.stderr
    return out
