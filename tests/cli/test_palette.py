import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    y, x = np.mgrid[:40, :50]
    path = tmp_path / "photo.png"
    Image.fromarray(np.stack([x * 5, y * 6, x + y], -1).astype(np.uint8)).save(path)
    return path


def test_a_palette_is_written_shown_and_told(shoal, told, photo, tmp_path):
    out, csv = tmp_path / "out.png", tmp_path / "colours.csv"
    words = ("palette", photo, "--colors", 6, "-o", out, "--swatches", csv)
    result = shoal(*words)
    assert result.exit_code == 0, result.stderr
    assert "6 colours" in result.stdout
    assert "--space rgb it would be" in result.stdout
    with Image.open(out) as image:
        assert image.mode == "P"
    first = out.read_bytes()
    facts = told(*words, "--force", "--workers", 2)
    assert out.read_bytes() == first
    assert [line.split(",")[0] for line in csv.read_text().splitlines()[1:]] == [
        colour["hex"] for colour in facts["colors"]
    ]
    assert facts["images"][0]["file"] == str(out)
    assert facts["psnr_of_rgb"] > facts["psnr"] > 15


def test_a_folder_as_gif(shoal, told, photo, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(photo.read_bytes())
    (tmp_path / "in" / "no.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ("palette", tmp_path / "in", "--colors", "auto", "-o", tmp_path / "o", "--as", "gif")
    result = shoal(*words)
    assert result.exit_code == 0, result.stderr
    assert "left out no.png: " in result.stderr
    with Image.open(tmp_path / "o" / "a.gif") as image:
        assert image.size == (50, 40)


def test_bad_input_is_one_sentence(shoal, photo, tmp_path):
    out = tmp_path / "o.png"
    for words, said in (
        ((photo,), "nothing to write"),
        ((photo, "-o", "o.jpg"), ".png or .gif"),
        ((photo, "-o", out, "--colors", "0"), "got 0"),
        ((photo, "-o", out, "--as", "gif"), "exclude each other"),
        ((photo, "-o", out, "--as", "jpg"), "got jpg"),
        ((photo, "-o", out, "--dither", "x"), "got x"),
        ((photo, "--swatches", "a.txt"), ".gpl"),
        ((photo, "--swatches", photo), "exists"),
        ((tmp_path / "none.png", "-o", out), "does not exist"),
    ):
        result = shoal("palette", *words)
        assert result.exit_code == 2, (words, result.stdout)
        assert said in result.stderr
        assert len([line for line in result.stderr.splitlines() if "shoal:" in line]) == 1
    assert not out.exists()
