import shutil

import pytest


@pytest.fixture
def mine(photos_run, tmp_path):
    return shutil.copytree(photos_run, tmp_path / "photos.shoal")


def test_one_run_says_what_the_edits_changed(shoal, told, mine):
    same = told("compare", mine)
    assert same["moved"] == 0
    assert [m["before"] for m in same["matched"]] == [m["after"] for m in same["matched"]]
    shoal("edits", "merge", mine, 0, 1, "--into", 0)
    shoal("edits", "name", mine, 0, "both")
    facts = told("compare", mine)
    assert [(c["cluster"], c["parts"]) for c in facts["merged"]] == [(0, [0, 1])]
    assert (facts["before"]["edited"], facts["after"]["edited"]) == (False, True)
    text = shoal("compare", mine).stdout
    assert "Merged: 0 “both” (" in text
    assert "No other rows changed cluster." in text


def test_two_layers_of_one_run(shoal, told, run):
    layers = told("layers", run)["layers"]
    facts = told("compare", run, "--layer", 0, "--layer", len(layers) - 1)
    assert (facts["before"]["k"], facts["after"]["k"]) == (layers[0]["k"], layers[-1]["k"])
    assert facts["split"]
    assert facts["died"] == []


def test_two_runs(shoal, told, digits, run, tmp_path):
    other = tmp_path / "other.shoal"
    words = ("fit", digits, "--key", "images", "-o", other, "--seed", 1, "-q")
    assert shoal(*words).exit_code == 0
    facts = told("compare", run, other)
    assert facts["rows"] == 600
    assert len(facts["matched"]) >= 5
    assert "Matched" in shoal("compare", run, other).stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--raw",), "compares nothing"),
        (("--layer", 0, "--layer", 0, "--layer", 0), "--layer was given 3 times"),
        (("--layer", 99, "--layer", 0), "layer must be a whole number from 0 to"),
        (("nowhere",), "does not exist"),
    ],
)
def test_what_cannot_be_compared(shoal, run, words, said):
    result = shoal("compare", run, *words)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_other_rows_cannot_be_compared(shoal, run, photos_run):
    result = shoal("compare", run, photos_run)
    assert (result.exit_code, "without names these cannot be matched" in result.stderr) == (2, True)
