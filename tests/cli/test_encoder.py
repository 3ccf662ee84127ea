import numpy as np
import pytest
from PIL import Image
from tests.features.test_encoder_files import made, network  # noqa: F401

from shoal.core.known_encoders import KNOWN_ENCODERS

MADE = pytest.mark.usefixtures("made")


@pytest.fixture
def file(tmp_path):
    """The network as a file that was fetched elsewhere."""
    path = tmp_path / "fetched.onnx"
    path.write_bytes(network())
    return path


@pytest.fixture
def photos(tmp_path):
    """Thirty soft images of 80×96, each reddish or bluish."""
    draw = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for at in range(30):
        soft = np.linspace(0, 150, 80)[:, None, None] + draw.normal(0, 3, (80, 96, 3))
        image = soft + [[90, 20, 20], [20, 20, 90]][at % 2]
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "photos" / f"{at:02d}.png")
    return tmp_path / "photos"


def test_all_are_listed_with_licence_and_sum(told, shoal):
    listed = told("encoder", "list")
    assert [one["name"] for one in listed] == list(KNOWN_ENCODERS)
    assert all(one["sha256"] == KNOWN_ENCODERS[one["name"]].sha256 for one in listed)
    assert "Apache-2.0" in shoal("encoder", "list").stdout


@MADE
def test_an_encoder_is_taken_used_and_predicted_with(told, shoal, file, photos, tmp_path):
    missing = shoal("fit", photos, "-o", tmp_path / "a.shoal", "--features", "net-plain")
    assert missing.exit_code == 2
    facts = told("encoder", "get", "net-small", "--from", file)
    assert facts["licence"] == "Apache-2.0"
    out = tmp_path / "photos.shoal"
    fitted = shoal("fit", photos, "-o", out)  # auto
    assert fitted.exit_code == 0, fitted.stderr
    assert "Features: net-small (DINOv2" in fitted.stderr
    assert shoal("predict", out, photos, "-o", tmp_path / "new.csv").exit_code == 0
    file.write_bytes(b"x")
    [path] = (tmp_path / "encoders").iterdir()
    path.unlink()
    gone = shoal("predict", out, photos, "-o", tmp_path / "more.csv")
    assert gone.exit_code == 2
    assert "run shoal encoder get net-small (" in gone.stderr


@MADE
def test_what_cannot_be_taken_is_said(shoal, file):
    unknown = shoal("encoder", "get", "net-large")
    assert unknown.exit_code == 2
    assert "there are net-plain, net-small" in unknown.stderr
    wrong = shoal("encoder", "get", "net-plain", "--from", file)
    assert wrong.exit_code == 2
    assert "SHA-256" in wrong.stderr
