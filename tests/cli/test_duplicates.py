"""``shoal duplicates``."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    root = tmp_path / "pictures"
    root.mkdir()
    for number in range(8):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(root / f"{number}.png")
    (root / "copy.png").write_bytes((root / "5.png").read_bytes())
    return root


def test_json_and_a_file_of_groups(folder, shoal, tmp_path):
    out = tmp_path / "copies.csv"
    done = shoal("duplicates", folder, "-o", out, "--json")
    facts = json.loads(done.stdout)
    assert (facts["rows"], facts["distinct"], facts["exact"], facts["groups"]) == (9, 8, 1, 1)
    lines = out.read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].split(",")[0].strip('"') == "group"


def test_words_move_and_undo(folder, shoal, tmp_path):
    done = shoal("duplicates", folder, "--remove-to", tmp_path / "away")
    assert "9 images: 8 distinct, 1 copy (1 exact" in done.stdout
    assert len(list(folder.iterdir())) == 8
    done = shoal("duplicates", tmp_path / "away", "--undo")
    assert "1 file returned" in done.stdout
    assert len(list(folder.iterdir())) == 9


def test_nothing_found_says_what_to_try(folder, shoal):
    (folder / "copy.png").unlink()
    assert "--threshold" in shoal("duplicates", folder).stdout


def test_bad_input_is_one_sentence(folder, shoal, tmp_path):
    for words in (
        ("duplicates", tmp_path / "missing"),
        ("duplicates", folder, "--threshold", "3"),
        ("duplicates", folder, "-o", "copies.xls"),
        ("duplicates", folder, "--remove-to", "a", "--keep-one", "b"),
    ):
        done = shoal(*words)
        assert done.exit_code == 2
        assert len(done.stderr.strip().splitlines()) == 1
