import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture
def named(run, tmp_path):
    """A copy of the run, to be named."""
    return shutil.copytree(run, tmp_path / "named.shoal")


def test_clusters_are_named_measured_and_undone(shoal, told, named):
    result = shoal("label", named)
    assert result.exit_code == 0, result.stderr
    assert "Accuracy by majority label: 9" in result.stdout
    undo = next(line for line in result.stdout.splitlines() if "edits undo" in line)
    assert {line["name"][0] for line in told("edits", "list", named)["clusters"]} == set(
        "0123456789"
    )
    assert shoal(*undo.split("#")[0].split()[1:]).exit_code == 0
    assert told("edits", "list", named)["clusters"][0]["name"] is None


def test_held_out_and_new_rows(shoal, told, named, digits, tmp_path):
    target = load_digits().target
    held_out = np.full(600, np.nan)
    held_out[::4] = target[:600:4]
    np.save(tmp_path / "test.npy", held_out)
    images = (load_digits().images[600:700] * 15).astype(np.uint8)
    np.savez(tmp_path / "new.npz", images=images, labels=target[600:700])
    words = ("--test", tmp_path / "test.npy", "--test-images", tmp_path / "new.npz")
    facts = told("label", named, *words)
    assert (facts["labelled"], facts["tested"], facts["new_rows"]) == (450, 150, 100)
    assert min(facts["accuracy"], facts["test_accuracy"], facts["new_accuracy"]) > 0.8
    assert "held-out row" in shoal("label", named, *words).stdout


def test_bad_input_is_one_sentence(shoal, named, tmp_path):
    np.save(tmp_path / "short.npy", np.zeros(7))
    for words, said in (
        (("--truth", "none.csv"), "none.csv does not exist"),
        (("--test", tmp_path / "short.npy"), "7 labels"),
        (("--k", 3, "--layer", 0), "exclude each other"),
        (("--test-images", tmp_path / "none.npz"), "does not exist"),
    ):
        result = shoal("label", named, *words)
        assert result.exit_code == 2
        assert said in result.stderr
        assert result.stderr.count("\n") == 1
